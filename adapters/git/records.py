"""From tags to records: GTO's grammar of tags, what its artifacts are after all of them, and how they are told.

Pure. What two tags of one second mean, and which version of several holds a stage, is decided as GTO does.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from adapters.errors import BadRecordError
from adapters.formats.dvc import Described
from adapters.formats.hubconf import Hubconf
from adapters.git.config import GitConfig
from adapters.naming import reference
from adapters.parsing import parse_json, storable
from adapters.records import Key, Lineage, ModelRecord, Parent, Record, VersionRecord
from adapters.writing import digest

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9/_-]*[A-Za-z0-9])?"
_LABELS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
SEMVER = re.compile(rf"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-({_LABELS}))?(?:\+{_LABELS})?")
ARTIFACT = re.compile(rf"(?:[A-Za-z0-9_./-]+=)?{_NAME}")
STAGE = re.compile(_NAME)
_TAG = re.compile(
    rf"(?P<artifact>{ARTIFACT.pattern})(?:(?:\#(?P<stage>{_NAME})|@(?P<version>v[0-9].*?))(?P<off>!?)|"
    r"@(?P<deprecated>deprecated))(?:\#(?P<number>[0-9]{1,18}))?"
)
_TAGGER = re.compile(r"tagger (.*?) ?<(.*?)> (-?[0-9]{1,11}) [+-][0-9]{4}")
NOTE = "Waypost: "
"""Begins the line of a tag's message that holds, as JSON, what a registration asked to be kept."""
REGISTERED, DEREGISTERED, DEPRECATED, UNREGISTERED = (
    "registered",
    "deregistered",
    "deprecated",
    "unregistered",
)


class TagStep(NamedTuple):
    """What a tag's name says: a version is registered, or a stage assigned; `off` takes it back. Neither: the artifact
    is deprecated.
    """

    artifact: str
    version: str | None
    stage: str | None
    off: bool
    number: int


def parse_name(tag: str) -> TagStep | None:
    """What the name of a tag says in GTO's grammar; None for any other tag."""
    found = _TAG.fullmatch(tag)
    if found is None or (found["version"] and not SEMVER.fullmatch(found["version"])):
        return None
    artifact = found["artifact"].replace("=", ":")
    return TagStep(artifact, found["version"], found["stage"], bool(found["off"]), int(found["number"] or 0))


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag. `at` is in seconds since 1970, `commit` what it leads to."""

    name: str
    oid: str
    commit: str
    at: int
    tagger: str
    message: str
    step: TagStep | None = None

    @property
    def note(self) -> Mapping[str, Any]:
        """What a registration through Waypost asked to be kept."""
        line = next((row for row in self.message.splitlines() if row.startswith(NOTE)), NOTE + "{}")
        try:
            found = parse_json(line.removeprefix(NOTE), "the note of a tag")
        except BadRecordError:
            return {}
        return found if isinstance(found, dict) else {}

    @classmethod
    def read(cls, name: str, oid: str, commit: str, content: bytes) -> "Tag":
        """The tag in an object's content. Errors: `BadRecordError`."""
        head, _, message = storable(content.decode("utf-8", "replace")).partition("\n\n")
        tagger = next((found for row in head.splitlines() if (found := _TAGGER.fullmatch(row))), None)
        if tagger is None:
            raise BadRecordError(f"tag {name} says not who made it when: make it anew", native=name)
        person = f"{tagger[1]} <{tagger[2]}>" if tagger[2] else tagger[1]
        return cls(name, oid, commit, int(tagger[3]), person, message.strip(), parse_name(name))


@dataclass(slots=True)
class TaggedVersion:
    """One version of an artifact: a name on a commit. `registrations` are the tags that make it one, or take that
    back.
    """

    name: str
    commit: str
    registrations: list[Tag] = field(default_factory=list)
    assignments: list[Tag] = field(default_factory=list)

    @property
    def made(self) -> list[Tag]:
        """The tags that register it."""
        return [tag for tag in self.registrations if tag.step and not tag.step.off]

    @property
    def is_active(self) -> bool:
        """Registered and not taken back; a commit with a stage and without a version counts as one."""
        return not self.registrations or not _newest(self.registrations).off

    @property
    def born(self) -> Tag:
        """What made it, to GTO: the newest registration."""
        return max(self.made or self.assignments, key=lambda tag: tag.at)

    def stages(self) -> dict[str, Tag]:
        """The stages that it was given and that were not taken back, and by which tag."""
        by_stage: defaultdict[str, list[Tag]] = defaultdict(list)
        for tag in self.assignments:
            by_stage[tag.step.stage if tag.step and tag.step.stage else ""].append(tag)
        given = {
            stage: [tag for tag in tags if tag.step and not tag.step.off] for stage, tags in by_stage.items()
        }
        return {
            stage: max(tags, key=lambda tag: tag.at)
            for stage, tags in given.items()
            # GTO takes no stage back from a commit that is no version.
            if tags and (not self.registrations or not _newest(by_stage[stage]).off)
        }


def _newest(tags: Sequence[Tag]) -> TagStep:
    """The last of several tags about one thing: in the same second, the one that takes back."""
    step = max(tags, key=lambda tag: (tag.at, bool(tag.step and tag.step.off))).step
    assert step is not None
    return step


@dataclass(slots=True)
class TaggedArtifact:
    """An artifact after all of its tags. `odd` are tags that contradict others, by name."""

    name: str
    tags: list[Tag] = field(default_factory=list)
    versions: dict[tuple[str, str], TaggedVersion] = field(default_factory=dict)
    holders: dict[str, list[TaggedVersion]] = field(default_factory=dict)
    deprecated: int | None = None
    odd: list[BadRecordError] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, tags: Iterable[Tag]) -> "TaggedArtifact":
        """What these tags make of it. One that cannot be understood is left out."""
        made = cls(name, sorted(tags, key=lambda tag: (tag.at, tag.name)))
        on: defaultdict[str, list[TaggedVersion]] = defaultdict(list)
        for tag, step in made.steps():
            if step.version:
                version = made._at(step.version, tag.commit)
                on[tag.commit] += [] if version.registrations else [version]
                version.registrations.append(tag)
            elif not step.stage:
                made.deprecated = tag.at
        for tag, step in made.steps():
            if step.stage:
                made._assign(tag, on[tag.commit])
        made._rank()
        return made

    def steps(self) -> Iterator[tuple[Tag, TagStep]]:
        """Each tag and what its name says."""
        yield from ((tag, tag.step) for tag in self.tags if tag.step is not None)

    def _at(self, name: str, commit: str) -> TaggedVersion:
        return self.versions.setdefault((name, commit), TaggedVersion(name, commit))

    def _assign(self, tag: Tag, there: Sequence[TaggedVersion]) -> None:
        if len(there) > 1:
            names = " and ".join(one.name for one in there)
            self.odd.append(BadRecordError(f"tag {tag.name} is for {names} at once", native=tag.name))
        else:
            version = there[0] if there else self._at(tag.commit, tag.commit)
            version.assignments.append(tag)

    def _rank(self) -> None:
        """Who was given each stage, the one that has it now first: the last that was, and the older of two in the same
        second.
        """
        found: defaultdict[str, list[tuple[int, int, bool, str, TaggedVersion]]] = defaultdict(list)
        for version in self.versions.values():
            for stage, tag in version.stages().items() if version.is_active else ():
                born = version.born if version.made else tag
                found[stage].append((-tag.at, born.at, not version.made, born.name, version))
        for stage, rows in found.items():
            self.holders[stage] = [row[-1] for row in sorted(rows, key=lambda row: row[:4])]

    def is_deprecated(self, commits: Iterable[int]) -> bool:
        """Whether nothing came after it was: no other tag, and no commit of its versions or that names it."""
        others = (tag.at for tag, step in self.steps() if step.version or step.stage)
        return self.deprecated is not None and all(at < self.deprecated for at in (*others, *commits))


@dataclass(frozen=True, slots=True)
class Translator:
    """Artifacts as records."""

    config: GitConfig

    def model(self, artifact: TaggedArtifact, described: Described, deprecated: bool) -> ModelRecord:
        """An artifact; `described` by the files of HEAD, or of its newest version."""
        held = {} if deprecated else {stage: who[0].name for stage, who in artifact.holders.items()}
        times = [_time(tag.at) for tag in artifact.tags]
        return ModelRecord(
            key=Key("model", artifact.name),
            name=artifact.name,
            type=described.type or "model",
            description=described.description,
            license=described.meta.get("license"),
            tags={**described.tags, **({DEPRECATED: "true"} if deprecated else {})},
            aliases=dict(sorted(held.items())),
            created_at=min(times, default=None),
            updated_at=max(times, default=None),
            etag=digest([held, deprecated]),
            url=self.config.web,
            native={
                "artifact": artifact.name,
                "tags": [tag.name for tag in artifact.tags],
                **described.native,
            },
            unread=described.unread,
        )

    def version(
        self, artifact: TaggedArtifact, version: TaggedVersion, described: Described, deprecated: bool
    ) -> VersionRecord:
        """A version of it, `described` by the files of its commit."""
        tag, note = version.born, version.born.note
        first = version.made[0] if version.made else None
        holds = [stage for stage, who in artifact.holders.items() if who[0] is version and not deprecated]
        stage = max(holds, key=lambda stage: version.stages()[stage].at, default=None)
        off = DEPRECATED if deprecated else REGISTERED if version.made else UNREGISTERED
        lifecycle = off if version.is_active else DEREGISTERED
        kept = note.get("tags")
        own = {name: str(value) for name, value in kept.items()} if isinstance(kept, dict) else {}
        return VersionRecord(
            key=Key("version", f"{artifact.name}@{version.name} {first.oid if first else ''}".strip()),
            model=Key("model", artifact.name),
            version=version.name,
            description=described.description,
            stage=stage,
            lifecycle=lifecycle,
            tags={**described.tags, **own},
            metrics=described.metrics,
            params=described.params,
            framework=described.meta.get("framework"),
            license=described.meta.get("license"),
            creator=tag.tagger,
            artifact_uri=self.address(version.commit, described.path),
            artifact_digest=described.digest,
            lineage=Lineage(
                run_id=str(note["run"]) if note.get("run") else None,
                commit=version.commit,
                repository=self.config.web or self.config.remote,
                datasets=described.datasets,
                parents=tuple(Parent(reference(base), "base") for base in described.bases),
            ),
            created_at=_time((first or tag).at),
            updated_at=_time(max(each.at for each in (*version.registrations, *version.assignments))),
            etag=digest([tag.oid, lifecycle, stage]),
            url=self.config.page_of(tag.name),
            native={
                "tag": tag.name, "object": tag.oid, "commit": version.commit, "tagger": tag.tagger,
                "message": tag.message, "path": described.path,
                "tags": [each.name for each in (*version.registrations, *version.assignments)], **described.native,
            },
            unread=described.unread,
        )  # fmt: skip

    def hub(self, head: Hubconf | None, tagged: Mapping[str, tuple[Tag, Hubconf | None]]) -> Iterator[Record]:
        """The entry points of `hubconf.py` at HEAD and at tags: models, with a version for each tag that has them."""
        by_age = sorted(tagged.values(), key=lambda pair: pair[0].at)
        known = [conf.entries for conf in (head, *(conf for _, conf in by_age)) if conf is not None]
        for name in sorted({name for entries in known for name in entries}):
            made = [(tag, conf) for tag, conf in by_age if conf is not None and name in conf.entries]
            newest = next(entries[name] for entries in (known[0], *reversed(known)) if name in entries)
            times = [_time(tag.at) for tag, _ in made]
            key = Key("model", f"hub {name}")
            yield ModelRecord(
                key=key, name=name, description=newest.description, created_at=min(times, default=None),
                updated_at=max(times, default=None), etag=digest([name]), url=self.config.web,
                native={"entry_point": name},
            )  # fmt: skip
            for tag, conf in made:
                yield VersionRecord(
                    key=Key("version", f"hub {name}@{tag.name} {tag.oid}"),
                    model=key, version=tag.name, description=conf.entries[name].description,
                    schema=conf.entries[name].schema, framework="pytorch", environment=conf.environment,
                    creator=tag.tagger or None, artifact_uri=self.address(tag.commit), created_at=_time(tag.at),
                    lineage=Lineage(commit=tag.commit, repository=self.config.web or self.config.remote),
                    etag=digest([tag.oid]), url=self.config.page_of(tag.name),
                    native={"tag": tag.name, "object": tag.oid, "commit": tag.commit, "entry_point": name},
                )  # fmt: skip

    def address(self, commit: str, path: str | None = None) -> str:
        """Where the files of a commit are, as pip and others write it."""
        remote = (
            self.config.remote
            if "://" in self.config.remote
            else f"ssh://{self.config.url.replace(':', '/', 1)}"
        )
        return f"git+{remote}@{commit}" + (f"#subdirectory={quote(path)}" if path else "")


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
