"""How the registries stand: fresh, stale, failing, and what the last run said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from federation import tables
from federation.access import View
from federation.database import past
from federation.errors import UnknownError
from federation.registries.overlaps import Overlap, chains, gateway_identity, overlaps


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


def read_registries(
    connection: Connection, view: View, at: datetime, *, name: str | None = None
) -> list[RegistryState]:
    """The registries of a view, by name. With `name` only that one, also by a former name. Errors:
    `UnknownError`.
    """
    set_aside = tables.quarantine.c
    bad: Mapping[int, int] = {
        row[0]: row[1]
        for row in connection.execute(
            select(set_aside.registry_id, func.count()).group_by(set_aside.registry_id)
        )
    }
    last = _last_runs(connection)
    query = select(tables.registry).where(view.clause(tables.registry.c.id)).order_by(tables.registry.c.name)
    rows = connection.execute(query).all()
    own = gateway_identity(connection)
    twice = overlaps(rows, own)
    states = [
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
            missing=row.missing,
            backend_version=row.backend_version,
            offered_identity=row.offered_identity,
            former_names=row.former_names,
            identities=[] if row.identity is None else [row.identity, *row.anchors],
            overlaps=twice.get(row.name, ()),
            chains=chains(row, own),
        )
        for row in rows
    ]
    if name is None:
        return states
    chosen = [s for s in states if s.name == name] or [s for s in states if name in s.former_names]
    if not chosen:
        raise UnknownError()
    return chosen[:1]


def _last_runs(connection: Connection) -> Mapping[int, Mapping[str, int]]:
    """What the last run that ended counted, by registry."""
    runs, registries = tables.sync.c, tables.registry.c
    newest = (
        select(runs.id)
        .where(runs.registry_id == registries.id, runs.finished_at.is_not(None))
        .order_by(runs.id.desc())
        .limit(1)
        .correlate(tables.registry)
        .scalar_subquery()
    )
    query = select(runs.registry_id, runs.counts).join(tables.registry, runs.id == newest)
    return {row.registry_id: row.counts for row in connection.execute(query)}
