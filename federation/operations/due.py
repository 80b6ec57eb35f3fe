"""Which operations are due, and which of them are carried out together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, or_, select

from federation.database import SKEW, UTCTime
from federation.leases import Moment
from federation.operations.tables import operation
from federation.poison import InHand
from federation.prepared import Prepared

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the next try, by how often it was tried."""
FLYING, FLYING_LONG = timedelta(seconds=2), timedelta(seconds=5)
"""How long a call of a process that died may still be on its way; a registration, which is several calls, longer."""
LATEST = max(timedelta(seconds=PAUSES[-1]), FLYING_LONG) + SKEW
"""No operation is put off for longer."""


def work_of(row: Row[Any]) -> str:
    """What an operation is called among what the worker has in hand."""
    return f"operation {row.id}."


def apart(in_hand: InHand, rows: Sequence[Row[Any]]) -> list[Sequence[Row[Any]]]:
    """What is carried out together: those at which the worker died each by itself, and last."""
    suspects = [row for row in rows if in_hand.deaths(work_of(row))]
    others = [row for row in rows if row not in suspects]
    return [*([others] if others else []), *([row] for row in suspects)]


def is_due(at: Moment, latest: Moment) -> ColumnElement[bool]:
    """The condition that an operation is due; one that is to wait until after `latest` was put off before the clock
    was set back."""
    return or_(operation.c.due_at <= at, operation.c.due_at > latest)


def due(connection: Connection, registry_id: int, at: datetime, limit: int) -> Sequence[Row[Any]]:
    """The operations of a registry that are due, at most one of each ordering key, oldest first; each with the state
    of the step before it (`came_before`).
    """
    return _DUE.rows(connection, registry=registry_id, at=at, latest=at + LATEST, limit=limit)


_asked, _prior = operation.c, operation.alias("prior")
_FIRST = (
    select(func.min(_asked.id))
    .where(_asked.registry_id == bindparam("registry", 0), _asked.finished_at.is_(None))
    .group_by(_asked.ordering_key)
)
_DUE = Prepared(
    select(operation, _prior.c.state.label("came_before"))
    .outerjoin(_prior, _prior.c.id == _asked.follows)
    .where(
        _asked.id.in_(_FIRST), is_due(*(bindparam(name, None, type_=UTCTime) for name in ("at", "latest")))
    )
    .order_by(_asked.id)
    .limit(bindparam("limit", 0))
)
