"""Deriving events from the journal: the effect of a follower that all gateways share."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Connection, Engine, select

from federation import bulk, tables
from federation.database import micros, writing
from federation.events.tables import event
from federation.events.types import TYPES, derive
from federation.followers import Shared
from federation.journal import log
from federation.journal.entry import Recorded
from federation.leases import Leases
from federation.references import encode_part, parse

NAME = "events"
"""The follower, as the log knows it when it seals: it never seals what was not derived yet."""
LIMIT = 1000
"""Entries that are taken in at once."""
TellMore = Callable[[Connection, Sequence[Any]], None]
"""What is done about new events, in the transaction that writes them; rows as `event` has them."""


class EventRow(NamedTuple):
    """An event as it is stored."""

    position: int
    time: Any
    type: str
    registry_id: int
    model_id: int
    subject: str
    data: str


def recorder(engine: Engine, leases: Leases, more: TellMore) -> Shared[Recorded]:
    """The follower that derives events; `more` is called with those of each batch."""
    return Shared(NAME, engine, leases, log.source, partial(record, engine, more), limit=LIMIT)


def record(engine: Engine, more: TellMore, entries: Sequence[Recorded]) -> None:
    """Write the events that these entries tell of; twice is once."""
    told = [one for one in entries if one.entry.action in TYPES]
    if not told:
        return
    with writing(engine) as connection:
        rows = _rows(connection, told)
        if rows:
            written = [row._replace(time=micros(row.time)) for row in rows]
            bulk.insert(connection, event, EventRow._fields, written, again=True)
            more(connection, rows)


def _rows(connection: Connection, told: Sequence[Recorded]) -> list[EventRow]:
    entries, known = tables.journal.c, tables.registry.c
    # One after the other, they stand in one stretch of the log. A registry that was forgotten tells nothing more.
    query = (
        select(entries.seq, entries.registry_id)
        .join(tables.registry, known.id == entries.registry_id)
        .where(entries.seq.between(told[0].seq, told[-1].seq))
    )
    registries = {row.seq: row.registry_id for row in connection.execute(query)}
    versions = _looked_up(connection, tables.version.c.model_id, _targets(told, "version"))
    endpoints = _looked_up(connection, tables.endpoint.c.name, _targets(told, "endpoint"))
    rows = []
    for one in told:
        entry, registry_id = one.entry, registries.get(one.seq)
        endpoint = endpoints.get(entry.targets.get("endpoint", 0))
        found = derive(entry, endpoint)
        if found is None or registry_id is None:
            continue
        model_id = entry.targets.get("model") or versions.get(entry.targets.get("version", 0))
        if model_id is None and entry.ref:
            model_id = _named(connection, registry_id, entry.ref)
        subject = entry.ref or (f"{found.registry}/{endpoint}" if endpoint else found.registry)
        data = msgspec.json.encode(found).decode()
        rows.append(EventRow(one.seq, one.time, str(entry.action), registry_id, model_id or 0, subject, data))
    return rows


def _targets(told: Sequence[Recorded], kind: str) -> set[int]:
    return {one.entry.targets[kind] for one in told if kind in one.entry.targets}


def _looked_up(connection: Connection, column: Column[Any], ids: Iterable[int]) -> dict[int, Any]:
    """A column of rows by their id; those that were deleted have it still."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    table = column.table
    query = select(table.c.id, column).where(table.c.id.in_(wanted))
    return {row[0]: row[1] for row in connection.execute(query)}


def _named(connection: Connection, registry_id: int, ref: str) -> int | None:
    """The newest model of a registry that a reference names."""
    models = tables.model.c
    query = select(models.id).where(
        models.registry_id == registry_id, models.name == encode_part(parse(ref).model)
    )
    found: int | None = connection.execute(query.order_by(models.id.desc()).limit(1)).scalar()
    return found
