"""One registry over an in-memory backend, a database, and what must always hold between the two."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from adapters import AdapterError, Discovered, ModelRecord, Page, VersionRecord, discover
from adapters.memory import BACKENDS, MemoryAdapter, MemoryBackend
from federation import tables
from federation.catalogue import codec
from federation.database import now, reading, writing
from federation.journal.entry import decode
from federation.journal.log import read_tiles
from federation.journal.merkle import frontier_at, leaf_hash, load_frontier
from federation.leases import Leases
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.sync import schedule
from federation.sync.context import SYNC, SyncContext
from federation.sync.run import run
from tests.federation.sync.replay import Replayed, replay
from tests.servers import blank

_names = itertools.count()


def relist(monkeypatch: pytest.MonkeyPatch, change: Callable[[Page], Page]) -> None:
    """From now on every page of a scan is given as `change` makes it."""
    scan = MemoryAdapter.scan

    def changed(self: MemoryAdapter, **given: Any) -> Iterator[Page]:
        yield from map(change, scan(self, **given))

    monkeypatch.setattr(MemoryAdapter, "scan", changed)


class PowerCutError(BaseException):
    """The worker is gone, in the middle of whatever it did."""


@dataclass
class World:
    """A registry called `memory` whose backend tests change, and a worker that synchronises it when told."""

    engine: Engine
    backend: MemoryBackend
    adapters: Discovered
    context: SyncContext
    registry_id: int
    waits: list[float] = field(default_factory=list)

    def sync(self, *, full: bool = False, context: SyncContext | None = None) -> str | None:
        """One run, from its request to its end."""
        with writing(self.engine) as connection:
            sync_id = schedule.request(connection, self.registry_id, full=full)
        return run(context or self.context, sync_id)

    def registry(self) -> Any:
        """The registry's row."""
        return self.rows(tables.registry)[0]

    def holder(self) -> str | None:
        """Who has the registry's lease."""
        found: list[str | None] = [row.owner for row in self.rows(tables.lease) if row.name == SYNC]
        return found[0] if found else None

    def rows(self, table: Any) -> list[Any]:
        """Every row of a table, in order of its key."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def living(self) -> dict[tuple[str, str], str]:
        """What the catalogue says is there: (kind, native id) to the record's JSON."""
        found = {}
        for kind, table in (
            ("model", tables.model),
            ("version", tables.version),
            ("endpoint", tables.endpoint),
        ):
            for row in self.rows(table):
                if row.deleted_at is None:
                    found[kind, row.native_id] = row.body
        return found

    def truth(self) -> dict[tuple[str, str], str]:
        """What the backend has, in the same form."""
        return {
            (record.key.kind, record.key.native_id): codec.encode(record).body  # type: ignore[type-var]
            for record in self.backend.records.values()
        }

    def actions(self) -> list[str]:
        """The journal's actions, in order."""
        return [row.action for row in self.rows(tables.journal)]

    def entries(self) -> list[Any]:
        """The journal's entries, in order."""
        return [decode(row.entry).entry for row in self.rows(tables.journal)]

    def model(self, name: str, *versions: str, **fields: Any) -> ModelRecord:
        """A model with versions, on the backend."""
        model = self.backend.model(name)
        for version in versions:
            self.backend.add_version(model, version, stage="None")
        if fields:
            stored = self.backend.put(_replaced(model, fields))
            assert isinstance(stored, ModelRecord)
            return stored
        return model

    def version(self, model: str, version: str) -> VersionRecord:
        """A version that lives on the backend."""
        named = self.backend.named(model)
        assert named is not None
        return next(v for v in self.backend.versions(named.key) if v.version == version)

    def change(self, record: ModelRecord | VersionRecord, **fields: Any) -> None:
        """Change a record on the backend."""
        self.backend.put(_replaced(record, fields))

    def problems(self) -> list[str]:
        """What does not hold although it always must; one line each."""
        found = []
        journal, changes, head = (
            self.rows(tables.journal),
            self.rows(tables.change),
            self.rows(tables.head)[0],
        )
        if [row.seq for row in journal] != list(range(head.size)):
            found.append("the journal's numbers are not dense")
        if [row.position for row in changes] != list(range(1, head.position + 1)):
            found.append("the feed's positions are not dense")
        if any(row.leaf_hash != leaf_hash(row.entry) for row in journal):
            found.append("a leaf hash is not that of its entry")
        if any(one.time > other.time for one, other in itertools.pairwise(journal)):
            found.append("the journal's times go back")
        with reading(self.engine) as connection:
            stored = frontier_at(head.size, lambda tiles: read_tiles(connection, tiles))
        if stored != load_frontier(head.size, head.frontier):
            found.append("the tiles and the head's frontier are of different trees")
        return found + self._wrong_spans() + self._wrong_journal()

    def _wrong_journal(self) -> list[str]:
        """The journal alone says what the catalogue has, of each registry: keys are its own."""
        entries, found = self.entries(), []
        for registry in self.rows(tables.registry):
            told = replay(entry for entry in entries if entry.registry == registry.name)
            models, versions, endpoints = (
                [row for row in self.rows(table) if row.registry_id == registry.id and row.deleted_at is None]
                for table in (tables.model, tables.version, tables.endpoint)
            )
            there = Replayed(
                {row.native_id: codec.aliases_of(row.body) for row in models},
                {row.native_id: row.stage for row in versions},
                {row.native_id for row in endpoints},
            )
            if told != there:
                found.append(f"the journal tells {told}, the catalogue has {there}")
        return found

    def _wrong_spans(self) -> list[str]:
        """Open spans are exactly what living versions hold now."""
        models = {row.id: codec.aliases_of(row.body) for row in self.rows(tables.model)}
        held = set()
        for row in self.rows(tables.version):
            if row.deleted_at is None:
                name = codec.decode_version(row.body).version
                held |= {(row.id, "alias", a) for a, v in models[row.model_id].items() if v == name}
                held |= {(row.id, "stage", row.stage)} if row.stage != "none" else set()
        spans = self.rows(tables.span)
        open_spans = [(s.version_id, s.kind, s.value) for s in spans if s.ended_by is None]
        wrong = [f"{span} is open twice" for span in set(open_spans) if open_spans.count(span) > 1]
        return wrong + [f"span {span} is wrong" for span in sorted(held ^ set(open_spans))]

    def close(self) -> None:
        """Forget the backend and give the connections back."""
        self.engine.dispose()


def make_world(url: str, **spec: Any) -> World:
    """A migrated database with one registry over an empty backend."""
    engine = blank.opened(url)
    name = f"backend-{next(_names)}"
    backend = BACKENDS[name] = MemoryBackend(identity=name)
    adapters = discover()
    given = RegistrySpec(
        **{"name": "memory", "kind": "memory", "team": "risk", "config": {"backend": name}, **spec}
    )
    with writing(engine) as connection:
        configured.apply(connection, [given])
        registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
    world = World(
        engine, backend, adapters, SyncContext(engine, Connections(adapters), Leases("worker-1")), registry_id
    )
    world.context.sleep = world.waits.append
    return world


def called_here(calls: Sequence[tuple[str, Callable[[], Any]]], **_: Any) -> list[Any]:
    """As `call_each`, in this thread: what ends a worker may be raised in a call."""
    answers: list[Any] = []
    for _what, function in calls:
        try:
            answers.append(function())
        except AdapterError as error:
            answers.append(error)
    return answers


def expire_leases(engine: Engine) -> None:
    """What fifteen seconds without a renewal do."""
    with writing(engine) as connection:
        connection.execute(update(tables.lease).values(until=now() - timedelta(seconds=1)))


def _replaced(record: Any, fields: dict[str, Any]) -> Any:

    return replace(record, updated_at=None, **fields)
