"""A writable registry over an in-memory backend whose calls can be cut off, and a worker that can die anywhere."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import select

from adapters import (
    AuthError,
    Key,
    Mark,
    Page,
    Record,
    Registration,
    StageField,
    TransientError,
    VersionRecord,
    discover,
)
from adapters.discovery import Discovered, Plugin
from adapters.memory import MemoryAdapter
from federation import tables
from federation.access import LOCAL, Principal
from federation.database import reading, writing
from federation.leases import Leases
from federation.operations import run
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, RequestedChange
from federation.operations.intent import Asker, digest_of, repeated
from federation.operations.plans import Plan
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.registries.connections import Connections
from tests.federation.operations.victims import write
from tests.federation.sync.world import World, make_world

STAGES = {
    "production": ["alias:champion", "stage:Production"],
    "staging": ["tag:env=staging", "stage:Staging"],
}
POINTS = ("beginning", "begun", "answered", "finishing", "finished")
"""Where a worker can die, in its own process."""


class KilledError(BaseException):
    """The worker died here: nothing of its memory is left."""


@dataclass
class CallFaults:
    """What happens to calls of the adapter: `sends` are taken one for each write, then everything is well."""

    sends: list[str] = field(default_factory=list)
    """fine, lost-before (it never arrived), lost-after (it was done, and the answer was lost) or refused-after (it was
    done, and the next look is refused)."""
    is_away: bool = False
    refusals: int = 0
    """Looks that are refused from now on."""
    listed: Callable[[], object] = lambda: None
    """Called once a page was fetched, before anybody has it."""


class CutOffAdapter(MemoryAdapter):
    """The in-memory adapter over a line that can be cut."""

    faults: ClassVar[CallFaults] = CallFaults()

    def scan(self, *, since: str | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        for found in super().scan(since=since, limit=limit, resume=resume):
            self.faults.listed()
            yield found

    def get(self, key: Key) -> Record:
        if self.faults.is_away:
            raise TransientError("the backend is away")
        if self.faults.refusals:
            self.faults.refusals -= 1
            raise AuthError("the token has ended")
        return super().get(key)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        record: Record = self._over(
            lambda: super(CutOffAdapter, self).set_stage(key, field, value, etag=etag)
        )
        return record

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        record: Record = self._over(
            lambda: super(CutOffAdapter, self).set_alias(key, alias, version, etag=etag)
        )
        return record

    def set_tags(self, key: Key, tags: Any, *, etag: str | None = None) -> Record:
        record: Record = self._over(lambda: super(CutOffAdapter, self).set_tags(key, tags, etag=etag))
        return record

    def register(self, registration: Registration) -> VersionRecord:
        made = self._over(lambda: super(CutOffAdapter, self).register(registration))
        assert isinstance(made, VersionRecord)
        return made

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        self._over(lambda: super(CutOffAdapter, self).delete(key, etag=etag))

    def _over(self, call: Callable[[], Any]) -> Any:
        how = self.faults.sends.pop(0) if self.faults.sends else "fine"
        if how == "lost-before" or self.faults.is_away:
            raise TransientError("the line was cut")
        answer = call()
        self.faults.refusals += how == "refused-after"
        if how == "lost-after":
            raise TransientError("the line was cut")
        return answer


@dataclass
class OperationsWorld:
    """The world of a sync, writable, with a worker that carries out operations when it is told."""

    sync: World
    faults: CallFaults
    die_at: str | None = None
    workers: int = 0

    def ask(self, change: RequestedChange, key: str | None = None, who: Principal = LOCAL) -> int:
        """Write an intent as a handler does; returns its id. Errors: as the asking has."""
        asker = Asker(who.id, key, digest_of(key))
        with reading(self.sync.engine) as connection:
            steps = Asking(connection, who, WriteTargets(self.sync.adapters)).intents(change)
        with writing(self.sync.engine) as connection:
            known = repeated(connection, asker)
            return write(connection, steps, asker) if known is None else int(known.id)

    def plan(self, change: RequestedChange) -> Plan:
        """What a change would do."""
        with reading(self.sync.engine) as connection:
            return Asking(connection, LOCAL, WriteTargets(self.sync.adapters)).plan(change)

    def work(self, *, die_at: str | None = None) -> bool:
        """One worker's life over what is due; False when it died."""
        self.die_at = die_at
        context = OperationContext(
            self.sync.engine, Connections(self.sync.adapters), Leases("worker"), at=self._at
        )
        try:
            work(context, self.sync.registry_id)
        except KilledError:
            return False
        return True

    def settle(self) -> None:
        """Work, over a line that holds, until everything has an outcome."""
        self.faults.sends, self.faults.is_away = [], False
        for _ in range(200):
            self.work()
            if not any(row.finished_at is None for row in self.operations()):
                return
        raise AssertionError(
            f"never settled: {[row for row in self.operations() if row.finished_at is None]}"
        )

    def operations(self) -> list[Any]:
        """Every operation, in order."""
        return self.sync.rows(operation)

    def operation(self, operation_id: int) -> Any:
        """One operation."""
        with reading(self.sync.engine) as connection:
            return connection.execute(select(operation).where(operation.c.id == operation_id)).one()

    def problems(self) -> list[str]:
        """What does not hold although it always must, once everything has ended."""
        found = self.sync.problems()
        if self.sync.living() != self.sync.truth():
            found.append("the catalogue is not what the backend has")
        told = Counter(
            (entry.details["operation"], str(entry.action).partition(".")[2])
            for entry in self.sync.entries()
            if str(entry.action).startswith("operation.")
        )
        made = Counter(self.sync.backend.registered.values())
        for row in self.operations():
            outcomes = sum(told[row.id, action] for action in ("succeeded", "failed", "settled"))
            if row.state not in ("ok", "failed") or told[row.id, "requested"] != 1 or outcomes != 1:
                found.append(f"operation {row.id} is {row.state}, told {told}")
            if told[row.id, "unknown"] > 1:
                found.append(f"operation {row.id} was told unknown twice")
            if row.kind == "register" and (row.token in self.sync.backend.registered) != (row.state == "ok"):
                found.append(f"registration {row.id} is {row.state}, and the backend says otherwise")
        if any(count != 1 for count in made.values()):
            found.append("two registrations made one version")
        registered = sum(row.kind == "register" and row.state == "ok" for row in self.operations())
        if registered != len(self.sync.backend.registered):
            found.append("a registration was made more than once")
        return found

    def close(self) -> None:
        """Give the connections back."""
        self.sync.close()

    def _at(self, point: str) -> None:
        if point == self.die_at:
            raise KilledError


def make_operations_world(url: str) -> OperationsWorld:
    """A database with one writable registry called `memory`, and no model in it."""
    sync = make_world(url, writable=True, stages=STAGES)
    faults = CallFaults()
    adapter = type("CutOff", (CutOffAdapter,), {"faults": faults})
    plugins = {**discover().plugins, "memory": Plugin("memory", "this test", lambda: adapter)}
    sync.adapters = Discovered(plugins)
    sync.context.connections = Connections(sync.adapters)
    return OperationsWorld(sync, faults)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no operation wait: neither for its next try nor for calls that may be on their way."""
    monkeypatch.setattr(run, "PAUSES", (0.0,))
    monkeypatch.setattr(run, "FLYING", timedelta(0))
    monkeypatch.setattr(run, "FLYING_LONG", timedelta(0))


def names(world: OperationsWorld) -> list[str]:
    """The models that the catalogue knows, deleted ones too."""
    return sorted({row.name for row in world.sync.rows(tables.model)})
