"""The operations of a registry are carried out by one worker at a time: its turn, and a fencing epoch.

As with the lease of a sync, the epoch grows with every new holder, and whoever writes checks it in the same
transaction. A turn also locks the registry's row, so that an outcome and a chunk of a sync never overlap.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, or_, update

from federation import tables
from federation.database import SKEW

TURN = timedelta(seconds=10)
"""How long a turn lasts without being renewed."""


class TurnLostError(Exception):
    """Another worker carries out the operations of this registry: stop, nothing was written."""


FURTHEST = TURN + SKEW
"""A turn that ends later than so was taken before the clock was set back."""


Moment = datetime | BindParameter[Any]


def is_free(owner: str | BindParameter[Any], at: Moment, furthest: Moment) -> ColumnElement[bool]:
    """The condition that nobody has the turn at a registry, it has run out, or it is ours already. `furthest` is the
    latest moment that a turn can last until."""
    registries = tables.registry.c
    return or_(
        registries.turn_owner.is_(None),
        registries.turn_owner == owner,
        registries.turn_until < at,
        registries.turn_until > furthest,
    )


def take(connection: Connection, registry_id: int, owner: str, at: datetime) -> int | None:
    """Take the turn when it is free, has run out, or is ours already. Returns the new epoch, or None."""
    registries = tables.registry.c
    taken = connection.execute(
        update(tables.registry)
        .where(registries.id == registry_id, is_free(owner, at, at + FURTHEST))
        .values(turn_owner=owner, turn_epoch=registries.turn_epoch + 1, turn_until=at + TURN)
        .returning(registries.turn_epoch)
    ).scalar_one_or_none()
    return None if taken is None else int(taken)


def hold(connection: Connection, registry_id: int, epoch: int, at: datetime) -> Row[Any]:
    """Renew the turn, lock the registry for this transaction and return its row. Errors: `TurnLostError`."""
    registries = tables.registry.c
    row = connection.execute(
        update(tables.registry)
        .where(registries.id == registry_id, registries.turn_epoch == epoch)
        .values(turn_until=at + TURN)
        .returning(tables.registry)
    ).one_or_none()
    if row is None:
        raise TurnLostError(f"the operations of registry {registry_id} went to another worker")
    return row


def renew(connection: Connection, registry_ids: Iterable[int], owner: str, at: datetime) -> None:
    """Keep the turns of an owner while its backends keep it waiting."""
    registries = tables.registry.c
    connection.execute(
        update(tables.registry)
        .where(registries.id.in_(sorted(registry_ids)), registries.turn_owner == owner)
        .values(turn_until=at + TURN)
    )
