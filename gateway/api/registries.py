"""Registries and their synchronisation."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import Connection, select

from federation import registries, tables
from federation.access import Permission, Principal, View
from federation.catalogue import writer
from federation.catalogue.states import read_registries
from federation.database import LONG, now, reading, writing
from federation.errors import StateError, UnknownError
from federation.graph.resolve import unreadable_in
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.registries import backend
from federation.sync import absence, schedule
from gateway.api.out import RegistryOut, SyncOut, registry_out
from gateway.api.requests import Ident, needs
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
SYNC: dict[str, Any] = needs(Permission.SYNC)
FOLLOWERS_WAITED_FOR = timedelta(minutes=1)


class SyncIn(msgspec.Struct, forbid_unknown_fields=True):
    """`full` asks for everything to be listed again."""

    full: bool = False


class RegistriesOut(msgspec.Struct):
    """The registries of the caller's view, by name."""

    registries: list[RegistryOut]


class QueuedOut(msgspec.Struct):
    """A run that was queued, or the waiting one that was joined."""

    id: int
    state: str


class ConfirmedOut(msgspec.Struct):
    """How many held deletes were confirmed, and the run that will prove them."""

    confirmed: int
    sync: int


class IdentityIn(msgspec.Struct, forbid_unknown_fields=True):
    """The `offered_identity` that was looked at."""

    identity: str


class QuarantinedOut(msgspec.Struct):
    """A record that could not be understood."""

    native: str
    error: str
    first_seen_at: Any
    last_seen_at: Any


class HeldOut(msgspec.Struct):
    """Something that is missing and waits for confirmation."""

    kind: str
    native: str
    since: Any
    confirmed: bool


class RegistryDetailOut(RegistryOut):
    """A registry with what was set aside or held, at most 100 of each, and its last runs."""

    quarantine: list[QuarantinedOut]
    candidates: list[HeldOut]
    syncs: list[SyncOut]


@get("/registries", opt=READ, sync_to_thread=True)
def list_registries(waypost: NamedDependency[Waypost], view: NamedDependency[View]) -> RegistriesOut:
    """Every registry you may see, with its state and freshness."""
    with reading(waypost.engine) as connection:
        return RegistriesOut([registry_out(state) for state in read_registries(connection, view, now())])


@get("/registries/{name:str}", opt=READ, sync_to_thread=True)
def show_registry(
    name: FromPath[str], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> RegistryDetailOut:
    """One registry, what of it was set aside or held, and its last runs."""
    with reading(waypost.engine) as connection:
        state = read_registries(connection, view, now(), name=name)[0]
        out = registry_out(state)
        return RegistryDetailOut(
            **{field: getattr(out, field) for field in RegistryOut.__struct_fields__},
            quarantine=_quarantine(connection, state.id),
            candidates=_candidates(connection, state.id),
            syncs=_syncs(connection, state.id, state.name),
        )


@post("/registries/{name:str}/sync", opt=SYNC, status_code=202, sync_to_thread=True)
def sync_registry(
    name: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    data: JSONBody[SyncIn | None] = None,
) -> QueuedOut:
    """Ask for a run. One that waits already is joined."""
    with writing(waypost.engine) as connection:
        state = read_registries(connection, principal.view, now(), name=name)[0]
        principal.require(Permission.SYNC, state.id, f"registry {state.name}")
        if state.state == "detached":
            raise StateError(f"registry {state.name} is detached: configure it again first", code="detached")
        full = data is not None and data.full
        told = waypost.denials.is_first_sync(principal, state.name, state.id)
        sync_id = schedule.request(connection, state.id, full=full, actor=principal.id if told else None)
    waypost.wake.tell("worker", everywhere=True)
    return QueuedOut(sync_id, "queued")


@post("/registries/{name:str}/confirm", opt=SYNC, status_code=202, sync_to_thread=True)
def confirm_deletes(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> ConfirmedOut:
    """Believe the held deletes: the next run asks the backend for each and tombstones what is gone."""
    with writing(waypost.engine) as connection:
        state = read_registries(connection, principal.view, now(), name=name)[0]
        principal.require(Permission.SYNC, state.id, f"registry {state.name}")
        count = absence.confirm(connection, state.id)
        sync_id = schedule.request(connection, state.id, full=True)
        batch = Batch()
        entry = Entry(
            action=Action.DELETES_CONFIRMED, actor=principal.id, registry=state.name, details={"count": count}
        )
        batch.record(entry, state.id)
        batch.append(connection)
    waypost.wake.tell("worker", everywhere=True)
    return ConfirmedOut(count, sync_id)


@put("/registries/{name:str}/identity", opt=SYNC, status_code=202, sync_to_thread=True)
def confirm_identity(
    name: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    data: JSONBody[IdentityIn],
) -> QueuedOut:
    """Believe that the backend that answers now is the same as before: its history goes on."""
    with writing(waypost.engine) as connection:
        state = read_registries(connection, principal.view, now(), name=name)[0]
        principal.require(Permission.SYNC, state.id, f"registry {state.name}")
        backend.confirm(connection, state.id, data.identity, principal.id)
        sync_id = schedule.request(connection, state.id, full=True)
    waypost.wake.tell("worker", everywhere=True)
    return QueuedOut(sync_id, "queued")


@post("/registries/{name:str}/forget", opt=needs(Permission.GRANT), status_code=204, sync_to_thread=True)
def forget_registry(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> None:
    """Remove a detached registry and everything known of it but its journal entries."""
    with writing(waypost.engine, bound=LONG) as connection:
        state = read_registries(connection, principal.view, now(), name=name)[0]
        principal.require(Permission.GRANT, state.id, f"registry {state.name}")
        registries.forget(connection, state.name, actor=principal.id)
    waypost.wake.tell("worker", everywhere=True)


@get("/syncs/{sync_id:int}", opt=READ, sync_to_thread=True)
def show_sync(
    sync_id: FromPath[Ident], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> Response[SyncOut]:
    """The progress of a run: its state with counts and errors."""
    runs, known = tables.sync.c, tables.registry.c
    with reading(waypost.engine) as connection:
        row = connection.execute(
            select(tables.sync, known.name)
            .join(tables.registry, known.id == runs.registry_id)
            .where(runs.id == sync_id, view.clause(runs.registry_id))
        ).one_or_none()
    if row is None:
        raise UnknownError()
    headers = {} if row.position is None else {"Waypost-Position": waypost.positions.seal(row.position)}
    out = _sync_out(row, row.name)
    if row.position is not None and not _is_settled(waypost, row):
        out.state, out.finished_at = "running", None
    elif row.state in ("ok", "partial"):
        with reading(waypost.engine) as connection:
            if vague := unreadable_in(connection, row.registry_id):
                out.counts = {**out.counts, "unreadable": vague}
    return Response(out, headers=headers)


def _is_settled(waypost: Waypost, row: Any) -> bool:
    """Whether search and graph know what an ended run found, or have not for so long that nobody waits for them."""
    if waypost.served < row.position:
        waypost.search.reload()  # in a process that nobody tells of what the worker has written
    return bool(waypost.served >= row.position or now() - row.finished_at > FOLLOWERS_WAITED_FOR)


@get("/syncs", opt=READ, sync_to_thread=True)
def list_syncs(
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    registry: FromQuery[str],
) -> list[SyncOut]:
    """The last runs of a registry, newest first."""
    with reading(waypost.engine) as connection:
        state = read_registries(connection, view, now(), name=registry)[0]
        return _syncs(connection, state.id, state.name)


def _sync_out(row: Any, name: str) -> SyncOut:
    return SyncOut(
        id=row.id,
        registry=name,
        state=row.state,
        full=row.full,
        counts=row.counts,
        errors=row.errors,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _syncs(connection: Connection, registry_id: int, name: str) -> list[SyncOut]:
    runs = tables.sync.c
    query = select(tables.sync).where(runs.registry_id == registry_id).order_by(runs.id.desc()).limit(10)
    return [_sync_out(row, name) for row in connection.execute(query)]


def _quarantine(connection: Connection, registry_id: int) -> list[QuarantinedOut]:
    held = tables.quarantine.c
    query = select(tables.quarantine).where(held.registry_id == registry_id).order_by(held.id).limit(100)
    return [
        QuarantinedOut(row.native, row.error, row.first_seen_at, row.last_seen_at)
        for row in connection.execute(query)
    ]


def _candidates(connection: Connection, registry_id: int) -> list[HeldOut]:
    held = tables.candidate.c
    found: list[HeldOut] = []
    for kind, target in writer.TABLES.items():
        query = (
            select(held.kind, target.c.native_id, held.since, held.confirmed)
            .join(target, target.c.id == held.target_id)
            .where(held.registry_id == registry_id, held.kind == kind)
            .order_by(held.id)
            .limit(100)
        )
        found += [HeldOut(*row) for row in connection.execute(query)]
    return found[:100]


HANDLERS = [
    list_registries,
    show_registry,
    sync_registry,
    confirm_deletes,
    confirm_identity,
    forget_registry,
    show_sync,
    list_syncs,
]
