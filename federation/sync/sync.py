"""Synchronisation as the gateway asks it: asking for a run, watching it, and believing what it found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, select

from federation import tables
from federation.access import Permission, Principal, View
from federation.database import now, reading, writing
from federation.errors import StateError, UnknownError
from federation.graph.resolve import unreadable_in
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.registries import backend
from federation.registries.states import RegistryState, read_registry
from federation.sync import absence
from federation.sync.requests import request

__all__ = ["Run", "Sync"]
FOLLOWERS_WAITED_FOR = timedelta(minutes=1)
SHOWN = 10
"""Runs of a registry that are told of."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a registry: queued, running, ok, partial or failed."""

    id: int
    registry: str
    state: str
    full: bool
    counts: Mapping[str, int]
    errors: Sequence[str]
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    position: int | None
    """The change position that it ended with."""


class Sync:
    """`is_first` says whether somebody's request is the first of its kind in a minute, which an entry tells; `asked` is
    called after each request, for the worker to look; `served` says whether search and graph know what stands at a
    position.
    """

    def __init__(
        self,
        engine: Engine,
        is_first: Callable[[Principal, str, int], bool],
        asked: Callable[[], None],
        served: Callable[[int], bool],
    ) -> None:
        self._engine = engine
        self._is_first = is_first
        self._tell = asked
        self._served = served

    def request(self, actor: Principal, name: str, *, full: bool = False) -> int:
        """Ask for a run, or join the one that waits already; its id.

        Errors: `UnknownError`, `DeniedError`, `StateError`.
        """
        with self._asking(actor, name) as (connection, state):
            if state.state == "detached":
                raise StateError(
                    f"registry {state.name} is detached: configure it again first", code="detached"
                )
            told = self._is_first(actor, state.name, state.id)
            return request(connection, state.id, full=full, actor=actor.id if told else None)

    def confirm_deletes(self, actor: Principal, name: str) -> tuple[int, int]:
        """Believe the held deletes: the next run asks the backend for each. How many, and the id of that run.

        Errors: `UnknownError`, `DeniedError`.
        """
        with self._asking(actor, name) as (connection, state):
            count = absence.confirm(connection, state.id)
            run = request(connection, state.id, full=True)
            batch = Batch()
            details = {"count": count}
            entry = Entry(
                action=Action.DELETES_CONFIRMED, actor=actor.id, registry=state.name, details=details
            )
            batch.record(entry, state.id)
            batch.append(connection)
            return count, run

    def confirm_identity(self, actor: Principal, name: str, identity: str) -> int:
        """Believe that the backend that answers now is the same as before; the id of the run that goes on.

        Errors: `UnknownError`, `DeniedError`, `StateError`.
        """
        with self._asking(actor, name) as (connection, state):
            backend.confirm(connection, state.id, identity, actor.id)
            return request(connection, state.id, full=True)

    def run(self, view: View, run_id: int) -> Run:
        """One run. It still counts as running until search and graph know what it found, or have not for so long that
        nobody waits for them. Errors: `UnknownError`.
        """
        runs = tables.sync.c
        with reading(self._engine) as connection:
            query = _runs().where(runs.id == run_id, view.clause(runs.registry_id))
            row = connection.execute(query).one_or_none()
            if row is None:
                raise UnknownError()
        found, position = _run(row), row.position
        known = position is None or self._served(position)
        if not known and now() - row.finished_at <= FOLLOWERS_WAITED_FOR:
            return replace(found, state="running", finished_at=None)
        if found.state not in ("ok", "partial"):
            return found
        with reading(self._engine) as connection:  # only now: the graph has taken in what the run found
            vague = unreadable_in(connection, row.registry_id)
        return replace(found, counts={**found.counts, "unreadable": vague}) if vague else found

    def runs(self, view: View, name: str) -> list[Run]:
        """The last runs of a registry, newest first. Errors: `UnknownError`."""
        runs = tables.sync.c
        with reading(self._engine) as connection:
            state = read_registry(connection, view, name)
            query = _runs().where(runs.registry_id == state.id).order_by(runs.id.desc()).limit(SHOWN)
            return [_run(row) for row in connection.execute(query)]

    @contextmanager
    def _asking(self, actor: Principal, name: str) -> Iterator[tuple[Connection, RegistryState]]:
        """A transaction in which something is asked of a registry that the actor may synchronise."""
        with writing(self._engine) as connection:
            state = read_registry(connection, actor.view, name)
            actor.require(Permission.SYNC, state.id, f"registry {state.name}")
            yield connection, state
        self._tell()


def _runs() -> Select[Any]:
    known = tables.registry.c
    return select(tables.sync, known.name).join(tables.registry, known.id == tables.sync.c.registry_id)


def _run(row: Any) -> Run:
    return Run(
        id=row.id,
        registry=row.name,
        state=row.state,
        full=row.full,
        counts=row.counts,
        errors=row.errors,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        position=row.position,
    )
