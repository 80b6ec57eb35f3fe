"""Changing a git registry: tags are made and deleted, each push all or nothing, and only from what was read.

Who makes a tag is the gateway. GTO cannot tell which of two tags of one second came last, so a tag is never as old as
the newest of its artifact.
"""

import json
import re
import time
from collections.abc import Mapping

from adapters.contract import Registration
from adapters.errors import BadRecordError, ConflictError, InvalidError, UnsupportedError
from adapters.git.client import GitClient
from adapters.git.records import (
    ARTIFACT,
    DEREGISTERED,
    NOTE,
    REGISTERED,
    SEMVER,
    STAGE,
    Tag,
    TaggedArtifact,
    TaggedVersion,
    Translator,
    parse_name,
)
from adapters.git.scan import RepositoryState, StateReader
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.writing import kept_token

_COMMIT = re.compile(r"(?:(?P<address>.+)@)?(?P<commit>[0-9a-f]{40})(?:#.*)?")
Moves = dict[str, tuple[str | None, str | None]]


class Writer:
    """The calls that change something. Errors: any `AdapterError`."""

    def __init__(self, client: GitClient, reader: StateReader) -> None:
        self._client, self._reader = client, reader
        self._translate = Translator(client.config)

    def point(self, model: str, stage: str, version: str | None) -> None:
        """Assign a stage to a version; or take it from every version that has it assigned, or it would fall back to the
        one before.
        """
        now, artifact = self._artifact(model)
        if not STAGE.fullmatch(stage):
            raise InvalidError(f"stage {stage[:80]!r}: GTO takes letters, digits, -, _ and / inside")
        if version is not None:
            told = f"Assigning stage {stage} to {model} {version}"
            self._client.push(
                self._tags(now, artifact, {f"#{stage}#": [self._active(artifact, version).commit]}, told)
            )
            return
        held = artifact.holders.get(stage, [])
        if not all(one.registrations for one in held):
            raise UnsupportedError(
                f"stage {stage} is on a commit without a version, of which GTO takes none back: delete its tag"
            )
        told = f"Unassigning stage {stage} of {model}"
        self._client.push(self._tags(now, artifact, {f"#{stage}!#": [one.commit for one in held]}, told))

    def lifecycle(self, record: VersionRecord, word: str) -> None:
        """Take a registration back, or take that back."""
        now, artifact = self._artifact(record.model.native_id)
        version = self._named(artifact, record.version)
        if word == DEREGISTERED:
            suffix = f"@{version.name}!"
            taken = f"{_in_tag(artifact.name)}{suffix}" in now.refs.tags
            told = f"Deregistering {artifact.name} {version.name}"
            moves = self._tags(now, artifact, {f"{suffix}#" if taken else suffix: [version.commit]}, told)
        elif word == REGISTERED and version.made:
            moves = {tag.name: (tag.oid, None) for tag in version.registrations if tag.step and tag.step.off}
        else:
            raise InvalidError(f"a version is made {REGISTERED} or {DEREGISTERED}, not {word[:40]!r}")
        self._client.push(moves)

    def register(self, registration: Registration) -> Key:
        """Tag a commit as the next version, unless one has this token; its key. `source` names the commit, as records
        do: `git+URL@COMMIT`.
        """
        name = registration.model
        if not ARTIFACT.fullmatch(_in_tag(name)) or name.count(":") > 1:
            raise InvalidError(
                f"model {name[:80]!r}: GTO takes letters, digits, -, _ and / inside; FOLDER: before it"
            )
        token = kept_token(registration.token, 40) if registration.token else ""
        self._reader.state()
        now, artifact = self._artifact(name)
        try:
            tag = _with_token(artifact, token) or self._register(now, artifact, registration, token)
        except ConflictError:
            self._reader.state()
            made = _with_token(self._artifact(name)[1], token)
            if made is None:
                raise
            tag = made
        assert tag.step is not None
        return Key("version", f"{name}@{tag.step.version} {tag.oid}")

    def remove(self, record: ModelRecord | VersionRecord) -> None:
        """Delete the tags of a version, or all of an artifact that no file names."""
        key = record.model if isinstance(record, VersionRecord) else record.key
        now, artifact = self._artifact(key.native_id)
        if isinstance(record, VersionRecord):
            version = self._named(artifact, record.version)
            chosen = [*version.registrations, *version.assignments]
        else:
            chosen = artifact.tags
            if artifact.name in now.named or now.blind:
                raise InvalidError(
                    f"{artifact.name} is named by files of the repository: take it out of them first"
                )
        self._client.push({tag.name: (tag.oid, None) for tag in chosen})

    def _artifact(self, name: str) -> tuple[RepositoryState, TaggedArtifact]:
        now = self._reader.last
        return now, now.artifacts.get(name) or TaggedArtifact(name)

    def _named(self, artifact: TaggedArtifact, version: str) -> TaggedVersion:
        found = [one for one in artifact.versions.values() if one.name == version]
        if len(found) != 1:
            raise InvalidError(
                f"{artifact.name} has no version {version[:80]}, or more than one: a stage needs one"
            )
        return found[0]

    def _active(self, artifact: TaggedArtifact, version: str) -> TaggedVersion:
        found = self._named(artifact, version)
        if not found.is_active:
            raise InvalidError(f"{artifact.name} {version} is deregistered: register it again first")
        return found

    def _register(
        self, now: RepositoryState, artifact: TaggedArtifact, asked: Registration, token: str
    ) -> Tag:
        commit = self._commit(asked.source)
        on = next((one.name for one in artifact.versions.values() if one.commit == commit and one.made), None)
        if on is not None:
            raise ConflictError(f"{artifact.name} {on} is on this commit, and GTO takes one: name another")
        known = [found for one in artifact.versions.values() if (found := SEMVER.fullmatch(one.name))]
        last = max((tuple(map(int, found.groups()[:3])) for found in known), default=(0, 0, 0))
        version = f"v{last[0]}.{last[1]}.{last[2] + 1}"
        note = {"token": token, "tags": dict(asked.tags), "run": asked.run_id}
        kept = {what: value for what, value in note.items() if value}
        lines = [f"Registering {artifact.name} {version}", asked.description or ""]
        lines += [NOTE + json.dumps(kept, ensure_ascii=True)] if kept else []
        moves = self._tags(now, artifact, {f"@{version}": [commit]}, "\n\n".join(filter(None, lines)))
        self._client.push(moves)
        ((name, (_, oid)),) = moves.items()
        return Tag(name, oid or "", commit, 0, "", "", parse_name(name))

    def _commit(self, source: str) -> str:
        """The commit that a source names, which the repository has."""
        found = _COMMIT.fullmatch(source)
        ours = self._translate.address("").removesuffix("@")
        if found is None or found["address"] not in (None, ours):
            raise InvalidError(f"source {source[:160]!r}: name a commit of this repository, as {ours}@COMMIT")
        self._client.fetch([found["commit"]])
        try:
            self._reader.check_commit(found["commit"])
        except BadRecordError as error:
            raise InvalidError(f"source {source[:160]!r}: {error}") from None
        return found["commit"]

    def _tags(
        self, now: RepositoryState, artifact: TaggedArtifact, wanted: Mapping[str, list[str]], told: str
    ) -> Moves:
        """New tags by what stands behind the artifact's name, one for each commit; where that ends in # they are
        counted on.
        """
        steps = [
            step for name in now.refs.tags if (step := parse_name(name)) and step.artifact == artifact.name
        ]
        count = max((step.number for step in steps), default=0)
        config = self._client.config
        at = max([int(time.time()), *(tag.at + 1 for tag in artifact.tags)])
        moves: Moves = {}
        for suffix, commits in wanted.items():
            for commit in commits:
                count += 1
                name = f"{_in_tag(artifact.name)}{suffix}{count if suffix.endswith('#') else ''}"
                tagger = f"tagger {config.author} <{config.author_email}> {at} +0000"
                text = f"object {commit}\ntype commit\ntag {name}\n{tagger}\n\n{told}\n"
                moves[name] = (None, self._client.store(text))
        return moves


def _in_tag(artifact: str) -> str:
    """How tags write an artifact's name."""
    return artifact.replace(":", "=")


def _with_token(artifact: TaggedArtifact, token: str) -> Tag | None:
    made = [tag for tag, step in artifact.steps() if step.version and not step.off]
    return next((tag for tag in made if token and tag.note.get("token") == token), None)
