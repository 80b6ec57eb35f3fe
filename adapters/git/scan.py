"""What the repository holds, read once for each state of its refs: a scan, and what `get` and writes look at.

One request tells the refs. Where they are as they were, nothing else is asked; else what is new is fetched in one go.
"""

import threading
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from adapters.errors import BadRecordError, NotFoundError, TransientError
from adapters.formats.dvc import Described
from adapters.formats.hubconf import Hubconf, read_hubconf
from adapters.git.client import AT_ONCE, GitClient, Ref, Refs
from adapters.git.reads import CommitFiles
from adapters.git.records import Tag, TaggedArtifact, TaggedVersion, TagStep, Translator, parse_name
from adapters.records import Key, Listing, Record, Watermark
from adapters.scanning import Found

HUB = "hubconf.py"
ATTEMPTS = 3
"""So often the refs may change while what they name is fetched."""
MOST_ENTRIES = 100_000
"""Models and versions of entry points that are told."""


@dataclass(slots=True)
class RepositoryState:
    """The repository at one state of its refs. `odd` are tags that no record can be made of."""

    refs: Refs
    watermark: Watermark
    artifacts: Mapping[str, TaggedArtifact] = field(default_factory=dict)
    records: dict[Key, Record | BadRecordError] = field(default_factory=dict)
    odd: list[BadRecordError] = field(default_factory=list)
    blind: BadRecordError | None = None
    """Why it is not known which artifacts the files of HEAD name: what no tag names may be there."""
    named: Mapping[str, Described] = field(default_factory=dict)
    """What the files of HEAD name."""


class StateReader:
    """Keeps the last state, and what was read of objects, which never change."""

    def __init__(self, client: GitClient) -> None:
        self._client = client
        self._translate = Translator(client.config)
        self._lock = threading.Lock()
        self._last: RepositoryState | None = None
        self._tags: dict[tuple[str, str], Tag] = {}

    def found(self, since: Watermark | None) -> Generator[Found, None, Watermark]:
        """Everything, unless nothing changed since."""
        refs = self._client.refs()
        if since != refs.watermark:
            now = self._at(refs)
            yield from now.odd
            yield from now.records.values()
            yield from (Listing("version"),) if now.blind else (Listing("model"), Listing("version"))
            return now.watermark
        return since

    def state(self) -> RepositoryState:
        """What the repository holds now. Errors: any `AdapterError`."""
        return self._at(self._client.refs())

    def _at(self, refs: Refs) -> RepositoryState:
        """At these refs; where what they name is gone by now, at those that came after."""
        with self._lock:
            for left in reversed(range(ATTEMPTS)):
                watermark = refs.watermark
                try:
                    if self._last is None or self._last.watermark != watermark:
                        self._last = self._read(RepositoryState(refs, watermark))
                    break
                except TransientError:
                    refs = self._client.refs()
                    if not left or refs.watermark == watermark:
                        raise
            assert self._last is not None
            return self._last

    @property
    def last(self) -> RepositoryState:
        """What was read last: a push from it fails where it is not so any more."""
        return self._last or self.state()

    def record(self, key: Key) -> Record:
        """One record as it is now. Errors: `NotFoundError` where the list of refs proves that it is gone."""
        now = self.state()
        found = now.records.get(key)
        if isinstance(found, BadRecordError):
            raise found
        if found is None and key.kind == "model" and now.blind:
            raise now.blind
        if found is None:
            raise NotFoundError(
                f"{key.kind} {key.native_id} does not exist: no tag and no file of HEAD names it"
            )
        return found

    def check_commit(self, oid: str) -> None:
        """Errors: `BadRecordError` where what was fetched is no commit."""
        with self._client.objects() as objects:
            CommitFiles(objects, 0).commit(oid)

    def _read(self, now: RepositoryState) -> RepositoryState:
        refs, steps = now.refs, {name: parse_name(name) for name in now.refs.tags}
        # GTO makes annotated tags, and takes no other for its own.
        ours = {name: step for name, step in steps.items() if step and refs.tags[name].peeled}
        self._client.tidy()
        self._client.fetch([*(refs.tags[name].oid for name in ours), *([refs.head] if refs.head else [])])
        with self._client.objects() as objects:
            files = CommitFiles(objects, self._client.config.max_file_kb << 10)
            tags: defaultdict[str, list[Tag]] = defaultdict(list)
            steps_left = iter(ours.items())
            while some := list(islice(steps_left, AT_ONCE)):
                fresh = [ref for name, _ in some if (name, (ref := refs.tags[name]).oid) not in self._tags]
                objects.ahead(oid for ref in fresh for oid in ref if oid)
                for name, step in some:
                    tags[step.artifact] += self._annotated(now, files, name, step)
            if refs.head:
                self._look_at_head(now, files, refs.head)
            now.artifacts = {
                name: TaggedArtifact.of(name, tags[name]) for name in sorted({*tags, *now.named})
            }
            for artifact in now.artifacts.values():
                self._tell(now, files, artifact, now.named.get(artifact.name))
            if refs.head and files.place(files.commit(refs.head).tree, HUB):
                self._hub(now, files, {name: ref for name, ref in refs.tags.items() if not steps[name]})
        there = {(name, ref.oid) for name, ref in refs.tags.items()}
        self._tags = {place: tag for place, tag in self._tags.items() if place in there}
        return now

    def _annotated(self, now: RepositoryState, files: CommitFiles, name: str, step: TagStep) -> list[Tag]:
        """One of GTO's tags; none where it cannot be understood, which is told of the version that it would make."""
        ref = now.refs.tags[name]
        tag = self._tags.get((name, ref.oid))
        try:
            if tag is None:
                tag = Tag.read(name, ref.oid, ref.peeled or ref.oid, files.content(ref.oid, "tag"))
                files.commit(tag.commit)
        except BadRecordError as error:
            told = BadRecordError(f"tag {name}: {error}", native=name)
            if step.version and not step.off:
                now.records[Key("version", f"{step.artifact}@{step.version} {ref.oid}")] = told
            else:
                now.odd.append(told)
            return []
        self._tags[name, ref.oid] = tag
        return [tag]

    def _look_at_head(self, now: RepositoryState, files: CommitFiles, head: str) -> None:
        try:
            now.named = files.named(head, self._client.files)
        except BadRecordError as error:
            now.blind = error
            now.odd.append(error)

    def _tell(
        self, now: RepositoryState, files: CommitFiles, artifact: TaggedArtifact, at_head: Described | None
    ) -> None:
        """The records of an artifact."""
        commits = [files.commit(version.commit).at for version in artifact.versions.values()]
        if now.refs.head and at_head is not None and at_head.is_indexed:
            commits.append(files.commit(now.refs.head).at)
        deprecated = artifact.is_deprecated(commits)
        shown = [v for v in artifact.versions.values() if v.made or not v.registrations]
        by_name: defaultdict[str, list[TaggedVersion]] = defaultdict(list)
        for version in shown:
            by_name[version.name].append(version)
        files.ahead([version.commit for version in shown])
        said = {version.commit: files.described(version.commit, artifact.name) for version in shown}
        newest = max(shown, key=lambda version: version.born.at, default=None)
        about = at_head or (said[newest.commit] if newest else Described())
        model = self._translate.model(artifact, about, deprecated)
        now.records[model.key] = model
        now.odd += artifact.odd
        for name, versions in by_name.items():
            record = self._translate.version(artifact, versions[0], said[versions[0].commit], deprecated)
            if len(versions) == 1:
                now.records[record.key] = record
            else:
                twice = f"{artifact.name} {name} is registered on {len(versions)} commits: delete all tags but one"
                now.records[record.key] = BadRecordError(twice, native=versions[0].born.name)

    def _hub(self, now: RepositoryState, files: CommitFiles, refs: Mapping[str, Ref]) -> None:
        """The entry points of `hubconf.py`: a model each, with a version for each tag that has it."""
        self._client.fetch(ref.oid for ref in refs.values())
        tagged = {}
        for name, ref in sorted(refs.items()):
            try:
                commit = ref.peeled or ref.oid
                light = Tag(name, ref.oid, commit, files.commit(commit).at, "", "")
                tag = Tag.read(name, ref.oid, commit, files.content(ref.oid, "tag")) if ref.peeled else light
                tagged[name] = (tag, self._hubconf(files, commit))
            except BadRecordError as error:
                now.odd.append(BadRecordError(f"tag {name}: {error}", native=name))
        try:
            head = self._hubconf(files, now.refs.head or "")
        except BadRecordError as error:
            now.blind, head = error, None
            now.odd.append(error)
        told = self._translate.hub(head, tagged)
        now.records |= {record.key: record for record in islice(told, MOST_ENTRIES)}
        if next(told, None) is not None:
            now.blind = BadRecordError(
                f"{HUB} has more than {MOST_ENTRIES:,} entry points, those of all tags counted"
            )
            now.odd.append(now.blind)

    @staticmethod
    def _hubconf(files: CommitFiles, commit: str) -> Hubconf | None:
        content = files.file(files.commit(commit).tree, HUB)
        return None if content is None else read_hubconf(content)
