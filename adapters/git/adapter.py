"""The adapter for git repositories that are registries.

What is there, by whose words:

- GTO: `NAME@v1.2.3` registers a version, `…!` takes that back; `NAME#STAGE#N` assigns a stage, `NAME#STAGE!#N` takes it
  back; `NAME@deprecated`. Stages are a model's aliases: of the versions that one was assigned to, that has it to which
  it was assigned last; when it is taken back there, it falls back to the one before.
- DVC: `dvc.yaml` in any folder describes artifacts (`DIR:NAME`), as `artifacts.yaml` does; `dvc.lock` says what the
  file of one was made of.
- PyTorch Hub: the entry points of `hubconf.py`, read as text; every tag that is not GTO's is a version of them.

Every scan sees every change: the list of refs is one request, and it is also the proof of absence. A scan that finds it
as it was reads nothing else; any other gives everything. A model has no other identity than its name, so one whose tags
were all deleted and that is named again is the same; a version is its tag's object.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from adapters.contract import (
    Adapter,
    BackendInfo,
    Capability,
    Observer,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import InvalidError, RejectedError
from adapters.git.client import GitClient
from adapters.git.config import GitConfig
from adapters.git.records import REGISTERED
from adapters.git.scan import StateReader
from adapters.git.snippets import snippets
from adapters.git.writes import Writer
from adapters.records import Key, Mark, ModelRecord, Record, VersionRecord, Watermark
from adapters.scanning import paged
from adapters.writing import a_version, has_alias, has_stage, remove, settle


class GitAdapter(Adapter):
    """Speaks to one git repository."""

    kind = "git"
    contract = 1
    config_type = GitConfig
    capabilities = frozenset(
        {Capability.SET_STAGE, Capability.SET_ALIAS, Capability.REGISTER, Capability.DELETE}
    )
    stage_fields = frozenset({"lifecycle"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:prod", "alias:production"),
        "staging": ("alias:staging", "alias:stage"),
        "archived": ("lifecycle:deregistered", "lifecycle:deprecated"),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"lifecycle": REGISTERED}

    def __init__(self, config: GitConfig) -> None:
        self._client = GitClient(config)
        self._reader = StateReader(self._client)
        self._writes = Writer(self._client, self._reader)

    def __repr__(self) -> str:
        return f"GitAdapter({self._client.host})"

    def probe(self) -> BackendInfo:
        refs = self._client.refs()
        missing, identity = list[str](), None
        try:
            root = self._client.root(refs.head) if refs.head and refs.filters else None
            identity = f"git:{root}" if root else None
        except RejectedError as error:
            missing.append(
                f"its first commit cannot be read: another repository would go unnoticed ({error})"
            )
        if not refs.filters:
            missing.append(
                "its server sends whole commits (uploadpack.allowFilter is off): large files are fetched with every "
                "tag, and its history is not, so another repository at the same address would go unnoticed"
            )
        may_push = self._client.may_push()
        if may_push is not None:
            missing.append(f"it may not be pushed to, so nothing can be changed here ({may_push})")
        unavailable = self.capabilities if may_push is not None else frozenset()
        return BackendInfo(refs.agent, identity, tuple(missing), unavailable)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        return paged(self._reader.found(since), limit)

    def get(self, key: Key) -> Record:
        return self._reader.record(key)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets(self._client.config, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> VersionRecord:
        if field != "lifecycle":
            raise InvalidError("a stage of GTO's is an alias of the model: set that; else write `lifecycle`")
        return settle(
            self.get, key, has_stage(field, value), lambda now: self._writes.lifecycle(now, value), etag
        )

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        def write(now: ModelRecord) -> None:
            self._writes.point(now.key.native_id, alias, version)

        return settle(self.get, key, has_alias(alias, version), write, etag)

    def register(self, registration: Registration) -> VersionRecord:
        return a_version(self.get(self._writes.register(registration)))

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, self._writes.remove, etag)

    def observe(self, observer: Observer) -> None:
        self._client.observer = observer

    def close(self) -> None:
        self._client.close()
