"""Deriving events from the journal: the effect of a follower that all gateways share."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, bindparam, select

from federation import bulk, tables
from federation.database import micros
from federation.events.tables import event
from federation.events.types import TYPES, derive
from federation.followers import Shared
from federation.journal import log
from federation.journal.entry import Recorded
from federation.prepared import Prepared, among
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


def recorder(engine: Engine, more: TellMore) -> Shared[Recorded]:
    """The follower that derives events; `more` is called with those of each batch."""
    return Shared(NAME, engine, log.source, partial(record, more), limit=LIMIT)


def record(more: TellMore, connection: Connection, entries: Sequence[Recorded]) -> None:
    """Write the events that these entries tell of; twice is once."""
    told = [one for one in entries if one.entry.action in TYPES]
    rows = _rows(connection, told) if told else []
    if rows:
        written = [row._replace(time=micros(row.time)) for row in rows]
        bulk.insert(connection, event, EventRow._fields, written, again=True)
        more(connection, rows)


def _rows(connection: Connection, told: Sequence[Recorded]) -> list[EventRow]:
    registries = dict(_REGISTRIES.bare(connection, first=told[0].seq, last=told[-1].seq))
    versions = _looked_up(connection, _MODELS, told, "version")
    endpoints = _looked_up(connection, _ENDPOINTS, told, "endpoint")
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


_entries, _known, _versions, _endpoints = (
    tables.journal.c, tables.registry.c, tables.version.c, tables.endpoint.c,
)  # fmt: skip
# One after the other, they stand in one stretch of the log. A registry that was forgotten tells nothing more.
_REGISTRIES = Prepared(
    select(_entries.seq, _entries.registry_id)
    .join(tables.registry, _known.id == _entries.registry_id)
    .where(_entries.seq.between(bindparam("first", 0), bindparam("last", 0)))
)
# Those that were deleted have it still.
_MODELS = Prepared(select(_versions.id, _versions.model_id).where(among(_versions.id, "ids")))
_ENDPOINTS = Prepared(select(_endpoints.id, _endpoints.name).where(among(_endpoints.id, "ids")))


def _looked_up(
    connection: Connection, query: Prepared, told: Sequence[Recorded], kind: str
) -> dict[int, Any]:
    """What is known of the targets of a kind, by their id."""
    wanted = sorted({one.entry.targets[kind] for one in told if kind in one.entry.targets})
    return dict(query.bare(connection, ids=wanted)) if wanted else {}


def _named(connection: Connection, registry_id: int, ref: str) -> int | None:
    """The newest model of a registry that a reference names."""
    models = tables.model.c
    query = select(models.id).where(
        models.registry_id == registry_id, models.name == encode_part(parse(ref).model)
    )
    found: int | None = connection.execute(query.order_by(models.id.desc()).limit(1)).scalar()
    return found
