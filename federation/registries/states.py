"""How the registries stand: fresh, stale, failing, and what the last run said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Label, Text, cast, func, select

from federation import tables
from federation.access import View
from federation.database import now, past
from federation.errors import UnknownError
from federation.registries.overlaps import KnownBackend, Overlap, chains, gateway_identity, overlaps
from federation.registry_names import find_registry


@dataclass(frozen=True, slots=True)
class RegistryState:
    """A registry and how fresh what is known of it is. `state` as in the design; `lag` in seconds since the
    last success; `calls` and `throttled` of the last run that ended.
    """

    id: int
    name: str
    kind: str
    team: str
    state: str
    writable: bool
    sync_every: float
    last_success_at: datetime | None
    last_attempt_at: datetime | None
    lag: float | None
    last_error: str | None
    models: int
    versions: int
    endpoints: int
    held: int
    quarantined: int
    unread: int
    calls: int
    throttled: int
    missing: Sequence[str]
    backend_version: str | None
    offered_identity: str | None
    former_names: Sequence[str]
    identities: Sequence[str]
    overlaps: Sequence[Overlap]
    chains: Sequence[Sequence[str]]


STALE_AFTER = 3
"""A registry is stale when so many of its intervals have passed without a success."""


def registry_state(row: Any, at: datetime) -> str:
    """One word for how a registry stands: ok, partial, stale, failing, never or detached."""
    if row.detached_at is not None:
        return "detached"
    if row.failures:
        return "failing"
    if row.last_success_at is None:
        return "never"
    if row.sync_every and at - row.last_success_at > timedelta(seconds=STALE_AFTER * row.sync_every + 30):
        return "stale"
    return "partial" if row.partial else "ok"


def read_registry(connection: Connection, view: View, name: str) -> RegistryState:
    """The registry with this name, or that once had it. Errors: `UnknownError`."""
    found = find_registry(connection, view, name)
    if found is None:
        raise UnknownError()
    return read_registries(connection, view, only=found)[0]


def read_registries(connection: Connection, view: View, *, only: int | None = None) -> list[RegistryState]:
    """The registries of a view, by name; of the one with the id `only`, where that is given."""
    at = now()
    query = select(*_SHOWN).where(view.clause(_registries.id)).order_by(_registries.name)
    if only is not None:
        query = query.where(_registries.id == only)
    rows = connection.execute(query).all()
    bad, last = _set_aside(connection, only), _last_runs(connection, only)
    own = gateway_identity(connection)
    backends = _backends(connection, view)
    twice = overlaps(list(backends.values()), own, {row.name for row in rows})
    return [
        RegistryState(
            id=row.id,
            name=row.name,
            kind=row.kind,
            team=row.team,
            state=registry_state(row, at),
            writable=row.writable,
            sync_every=row.sync_every,
            last_success_at=row.last_success_at,
            last_attempt_at=row.last_attempt_at,
            lag=None if row.last_success_at is None else (at - past(row.last_success_at, at)).total_seconds(),
            last_error=row.last_error,
            models=row.models,
            versions=row.versions,
            endpoints=row.endpoints,
            held=row.held,
            quarantined=bad.get(row.id, 0),
            unread=row.unread,
            calls=last.get(row.id, {}).get("calls", 0),
            throttled=last.get(row.id, {}).get("throttled", 0),
            missing=_listed(row.missing),
            backend_version=row.backend_version,
            offered_identity=row.offered_identity,
            former_names=_listed(row.former_names),
            identities=[] if row.identity is None else [row.identity, *_listed(row.anchors)],
            overlaps=twice.get(row.name, ()),
            chains=chains(backends[row.name], own) if row.name in backends else (),
        )
        for row in rows
    ]


def _backends(connection: Connection, view: View) -> Mapping[str, KnownBackend]:
    """Those of a view that are read, by name: what is detached counts for nothing."""
    query = select(
        _registries.name, _registries.identity, *map(_text, (_registries.anchors, _registries.reaches))
    )
    living = query.where(view.clause(_registries.id), _registries.detached_at.is_(None))
    return {
        row.name: KnownBackend(row.name, row.identity, _listed(row.anchors), _listed(row.reaches))
        for row in connection.execute(living)
    }


def _text(column: Column[Any]) -> Label[str]:
    """A column with a list, to be read by `_listed`."""
    return cast(column, Text).label(column.name)


def _listed(text: str) -> list[Any]:
    """A list as it is stored: most have nothing in them, and to read that takes longer than all else of a row."""
    return [] if text == "[]" else json.loads(text)


def _set_aside(connection: Connection, registry_id: int | None) -> Mapping[int, int]:
    """How many records were set aside, by registry; with an id only of that one."""
    held = tables.quarantine.c
    query = select(held.registry_id, func.count()).group_by(held.registry_id)
    if registry_id is not None:
        query = query.where(held.registry_id == registry_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def _last_runs(connection: Connection, registry_id: int | None) -> Mapping[int, Mapping[str, int]]:
    """What the last run that ended counted, by registry; with an id only of that one."""
    runs = tables.sync.c
    newest = (
        select(runs.id)
        .where(runs.registry_id == _registries.id, runs.finished_at.is_not(None))
        .order_by(runs.id.desc())
        .limit(1)
        .correlate(tables.registry)
        .scalar_subquery()
    )
    query = select(runs.registry_id, runs.counts).join(tables.registry, runs.id == newest)
    if registry_id is not None:
        query = query.where(_registries.id == registry_id)
    return {row.registry_id: row.counts for row in connection.execute(query)}


_registries = tables.registry.c
_SHOWN = [
    _text(column) if column.name in ("missing", "former_names", "anchors") else column
    for column in _registries
    if column.name not in ("config", "stages", "reaches", "unavailable")
]
"""What is read of a registry."""
