"""The in-memory adapter: the executable specification of the contract, and the backend of tests and benchmarks.

A `MemoryBackend` is the remote system, kept in this process; adapters whose configuration names the same backend
share it. It does everything the contract speaks of, in the simplest way that is right: everything that happens has a
number; a scan walks models, versions and endpoints in order of creation, an incremental one only what changed after
the watermark, and deletes leave markers.
"""

import bisect
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field

from adapters.contract import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    NewModel,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import ConflictError, InvalidError, NotFoundError
from adapters.records import (
    NO_LINEAGE,
    Deleted,
    EndpointRecord,
    Key,
    Kind,
    Lineage,
    Mark,
    ModelRecord,
    Record,
    Traffic,
    VersionRecord,
    Watermark,
)
from adapters.writing import (
    Goal,
    a_model,
    a_version,
    check_shares,
    compare,
    has_alias,
    has_stage,
    has_tags,
    has_traffic,
    is_described,
    settle,
    with_changes,
)

KINDS: tuple[Kind, ...] = ("model", "version", "endpoint")
BACKENDS: dict[str, "MemoryBackend"] = {}
"""The backends of this process, by the name that `MemoryConfig.backend` gives."""


@dataclass(slots=True)
class MemoryBackend:
    """A registry that lives in this process. Every method is atomic; `before` is called first in each adapter
    call (to fail or wait).
    """

    identity: str | None = "memory"
    former_identities: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    version: str = "1"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    before: Callable[[str], None] = lambda call: None
    """Called with the method's name before it works; what it raises, the caller gets."""
    records: dict[Key, Record] = field(default_factory=dict)
    last: int = 0
    """The number of the last thing that happened."""
    created: dict[Kind, list[tuple[int, Key]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    changed: dict[Key, int] = field(default_factory=dict)
    deleted: dict[Key, int] = field(default_factory=dict)
    registered: dict[str, Key] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, record: Record) -> Record:
        """Create or replace a record; its etag becomes the number of this change."""
        with self.lock:
            self.last += 1
            if record.key not in self.records:
                created = self.created[record.key.kind]
                if self.deleted.pop(record.key, None) is not None:
                    created[:] = [entry for entry in created if entry[1] != record.key]
                created.append((self.last, record.key))
            stored = replace(record, etag=str(self.last), updated_at=record.updated_at or self.now())
            self.records[record.key] = stored
            self.changed[record.key] = self.last
            return stored

    def drop(self, key: Key) -> None:
        """Delete a record; a model takes its versions with it, a version the aliases that name it."""
        with self.lock:
            self._unname(self.records.get(key))
            gone = [key] + [
                r.key for r in self.records.values() if isinstance(r, VersionRecord) and r.model == key
            ]
            for each in gone:
                if self.records.pop(each, None) is not None:
                    self.last += 1
                    del self.changed[each]
                    self.deleted[each] = self.last

    def _unname(self, record: Record | None) -> None:
        model = self.records.get(record.model) if isinstance(record, VersionRecord) else None
        if isinstance(record, VersionRecord) and isinstance(model, ModelRecord):
            kept = {alias: name for alias, name in model.aliases.items() if name != record.version}
            if kept != model.aliases:
                self.put(replace(model, aliases=kept))

    def model(self, name: str, **fields: object) -> ModelRecord:
        """Create a model with a key of its own."""
        with self.lock:
            key = Key("model", f"{name}#{self.last + 1}")
            created = self.now()
            record = ModelRecord(key=key, name=name, created_at=created, **fields)  # type: ignore[arg-type]
            stored = self.put(record)
            assert isinstance(stored, ModelRecord)
            return stored

    def add_version(self, model: ModelRecord, version: str, **fields: object) -> VersionRecord:
        """Create a version of a model."""
        with self.lock:
            key = Key("version", f"{model.key.native_id}:{version}#{self.last + 1}")
            record = VersionRecord(key=key, model=model.key, version=version, created_at=self.now(), **fields)  # type: ignore[arg-type]
            stored = self.put(record)
            assert isinstance(stored, VersionRecord)
            return stored

    def named(self, name: str) -> ModelRecord | None:
        """The model that lives under this name now."""
        with self.lock:
            return next(
                (r for r in self.records.values() if isinstance(r, ModelRecord) and r.name == name), None
            )

    def versions(self, model: Key) -> list[VersionRecord]:
        """The versions of a model, in order of creation."""
        with self.lock:
            return [r for r in self.records.values() if isinstance(r, VersionRecord) and r.model == model]


class MemoryConfig(AdapterConfig):
    """Which backend of this process to speak to; it is made when it does not exist."""

    backend: str = Field(default="default", min_length=1, description="name of the in-process backend")


class MemoryAdapter(Adapter):
    """Speaks to a `MemoryBackend`. Its watermark is a change number, so an incremental scan gives exactly
    what changed.
    """

    kind = "memory"
    contract = 1
    config_type: ClassVar[type[AdapterConfig]] = MemoryConfig
    capabilities = frozenset(Capability)
    stage_fields = frozenset({"stage", "approval", "lifecycle"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:Production", "alias:champion"),
        "staging": ("stage:Staging",),
        "archived": ("stage:Archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}

    def __init__(self, config: MemoryConfig) -> None:
        self.backend = BACKENDS.setdefault(config.backend, MemoryBackend(identity=f"memory:{config.backend}"))

    def probe(self) -> BackendInfo:
        self.backend.before("probe")
        known = self.backend
        return BackendInfo(
            known.version,
            known.identity,
            former_identities=known.former_identities,
            anchors=known.anchors,
        )

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        changed, place = _watermark(since), _place(resume)
        while True:
            self.backend.before("scan")
            with self.backend.lock:
                begin, rank, done = place = place or (self.backend.last, 0, 0)
                found = self._walk(changed, rank, done, until=begin)
                chosen = list(itertools.islice(found, limit + 1))
            records = tuple(record for _, _, record in chosen[:limit])
            if len(chosen) <= limit:
                yield Page(records, watermark=str(begin))
                return
            place = (begin, *chosen[limit - 1][:2])
            yield Page(records, mark=Mark(json.dumps(place)))

    def get(self, key: Key) -> Record:
        self.backend.before("get")
        return self._now(key)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return (
            Snippet(
                "In this process", "python", f"BACKENDS[…].named({model!r})  # version {version.version}"
            ),
        )

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        self.backend.before("set_stage")
        with self.backend.lock:
            written: dict[str, Any] = {field: value}
            return settle(
                self._now, key, has_stage(field, value), lambda now: self._put(now, **written), etag
            )

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        self.backend.before("set_alias")

        def write(now: ModelRecord) -> None:
            if version is not None and version not in {v.version for v in self.backend.versions(key)}:
                raise InvalidError(f"{now.name} has no version {version}: an alias needs one that exists")
            self._put(now, aliases=with_changes(now.aliases, {alias: version}))

        with self.backend.lock:
            return settle(self._now, key, has_alias(alias, version), write, etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        self.backend.before("set_tags")
        with self.backend.lock:
            return settle(
                self._now,
                key,
                has_tags(tags),
                lambda now: self._put(now, tags=with_changes(now.tags, tags)),
                etag,
            )

    def set_traffic(self, key: Key, shares: Mapping[Key, float], *, etag: str | None = None) -> Record:
        self.backend.before("set_traffic")

        def write(now: EndpointRecord) -> None:
            check_shares(now, shares)
            traffic = tuple(Traffic(one.version, shares.get(one.version, 0.0)) for one in now.traffic)
            self._put(now, traffic=traffic)

        with self.backend.lock:
            return settle(self._now, key, has_traffic(shares), write, etag)

    def register(self, registration: Registration) -> VersionRecord:
        self.backend.before("register")
        with self.backend.lock:
            made = self.backend.registered.get(registration.token) if registration.token else None
            if made is not None and made in self.backend.records:
                return a_version(self._now(made))
            model = self.backend.named(registration.model) or self.backend.model(registration.model)
            number = 1 + max(
                (int(v.version) for v in self.backend.versions(model.key) if v.version.isdigit()), default=0
            )
            record = self.backend.add_version(
                model,
                str(number),
                artifact_uri=registration.source,
                description=registration.description,
                tags=dict(registration.tags),
                lineage=Lineage(run_id=registration.run_id) if registration.run_id else NO_LINEAGE,
            )
            if registration.token:
                self.backend.registered[registration.token] = record.key
            return record

    def create_model(self, model: NewModel) -> ModelRecord:
        self.backend.before("create_model")
        with self.backend.lock:
            made = self.backend.registered.get(model.token) if model.token else None
            if made is not None and made in self.backend.records:
                return a_model(self._now(made))
            if self.backend.named(model.name) is not None:
                raise ConflictError(f"there is a model {model.name} already")
            record = self.backend.model(model.name, description=model.description, tags=dict(model.tags))
            if model.token:
                self.backend.registered[model.token] = record.key
            return record

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        self.backend.before("rename")

        def write(now: ModelRecord) -> None:
            if self.backend.named(name) is not None:
                raise ConflictError(f"there is a model {name} already")
            self._put(now, name=name)

        with self.backend.lock:
            return (settle(self._now, key, Goal(a_model, lambda now: now.name == name), write, etag),)

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        self.backend.before("describe")
        with self.backend.lock:
            return settle(
                self._now,
                key,
                is_described(text),
                lambda now: self._put(now, description=text or None),
                etag,
            )

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        self.backend.before("delete")
        with self.backend.lock:
            if record := self.backend.records.get(key):
                compare(record, etag)
                self.backend.drop(key)

    def _walk(
        self, since: int | None, rank: int, done: int, until: int
    ) -> Iterator[tuple[int, int, Record | Deleted]]:
        """(rank, number, record) after a place: records by kind and creation, then the markers of what was deleted."""
        backend = self.backend
        for kind_rank in range(rank, len(KINDS)):
            entries = backend.created[KINDS[kind_rank]]
            begin = bisect.bisect_left(entries, (done + 1,)) if kind_rank == rank else 0
            for number, key in itertools.islice(entries, begin, None):
                if number > until:
                    break
                record = backend.records.get(key)
                if record is not None and (since is None or backend.changed[key] > since):
                    yield kind_rank, number, record
        if since is not None:
            markers = sorted(
                (number, key) for key, number in backend.deleted.items() if since < number <= until
            )
            last = done if rank == len(KINDS) else 0
            yield from ((len(KINDS), number, Deleted(key)) for number, key in markers if number > last)

    def _now(self, key: Key) -> Record:
        try:
            return self.backend.records[key]
        except KeyError:
            raise NotFoundError(f"{key.kind} {key.native_id} does not exist") from None

    def _put(self, record: ModelRecord | VersionRecord | EndpointRecord, **fields: Any) -> None:
        self.backend.put(replace(record, **fields, updated_at=self.backend.now()))


def _watermark(since: Watermark | None) -> int | None:
    try:
        return None if since is None else int(since)
    except ValueError:
        raise InvalidError("this watermark is not of the memory adapter: scan everything") from None


def _place(mark: Mark | None) -> tuple[int, int, int] | None:
    """(number of the scan's start, rank of the kind, number of the last record) of a mark."""
    if mark is None:
        return None
    try:
        begin, rank, done = map(int, json.loads(mark))
    except (ValueError, TypeError):
        raise InvalidError("this mark is not of the memory adapter: begin the scan again") from None
    return begin, rank, done
