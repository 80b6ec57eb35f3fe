"""One registry is synchronised by one worker at a time: a lease in its row, and a fencing epoch.

The epoch grows with every new holder. Whoever writes checks, in the same transaction, that the epoch is still
its own; so one that was paused and wakes late writes nothing.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select, update

from federation import tables
from federation.database import SKEW

LEASE = timedelta(seconds=15)
"""How long a lease lasts without being renewed. Every chunk renews it, and so does the worker while it waits for
a backend.
"""


class FencedError(Exception):
    """Another worker has taken this registry over: stop, nothing was written."""


def has_run_out(at: datetime) -> ColumnElement[bool]:
    """The condition that a lease has ended, or was given before the clock was set back."""
    until = tables.registry.c.lease_until
    return or_(until < at, until > at + LEASE + SKEW)


def is_free(row: Row[Any], at: datetime) -> bool:
    """Whether nobody has the lease of a registry, or what `has_run_out` says."""
    until = row.lease_until
    return row.lease_owner is None or (until is not None and not at <= until <= at + LEASE + SKEW)


def take(connection: Connection, registry_id: int, owner: str, at: datetime) -> int | None:
    """Take the lease when it is free, has run out, or is ours already. Returns the new epoch, or None."""
    registries = tables.registry.c
    free = or_(registries.lease_owner.is_(None), registries.lease_owner == owner, has_run_out(at))
    taken = connection.execute(
        update(tables.registry)
        .where(registries.id == registry_id, free)
        .values(lease_owner=owner, lease_epoch=registries.lease_epoch + 1, lease_until=at + LEASE)
        .returning(registries.lease_epoch)
    ).scalar_one_or_none()
    return None if taken is None else int(taken)


def hold(connection: Connection, registry_id: int, epoch: int, at: datetime) -> None:
    """Renew the lease and lock its row for this transaction. Errors: `FencedError` when it is no longer ours."""
    registries = tables.registry.c
    held = connection.execute(
        update(tables.registry)
        .where(registries.id == registry_id, registries.lease_epoch == epoch)
        .values(lease_until=at + LEASE)
    ).rowcount
    if held != 1:
        raise FencedError(f"the lease of registry {registry_id} went to another worker")


def renew(connection: Connection, registry_ids: Collection[int], owner: str, at: datetime) -> None:
    """Keep the leases that are still ours while their runs wait for a slow backend."""
    registries = tables.registry.c
    connection.execute(
        update(tables.registry)
        .where(registries.id.in_(registry_ids), registries.lease_owner == owner)
        .values(lease_until=at + LEASE)
    )


def reclaim(connection: Connection, owner: str) -> int:
    """Give back what an earlier process of ours held when it died. Returns how many registries that were."""
    return connection.execute(
        update(tables.registry)
        .where(tables.registry.c.lease_owner == owner)
        .values(lease_owner=None, lease_until=None)
    ).rowcount


def release(connection: Connection, registry_id: int, epoch: int) -> None:
    """Give the lease back; nothing happens when it is no longer ours."""
    registries = tables.registry.c
    connection.execute(
        update(tables.registry)
        .where(registries.id == registry_id, registries.lease_epoch == epoch)
        .values(lease_owner=None, lease_until=None)
    )


def holder(connection: Connection, registry_id: int, at: datetime) -> str | None:
    """Who holds the lease now, or None."""
    registries = tables.registry.c
    query = select(registries.lease_owner).where(registries.id == registry_id, ~has_run_out(at))
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found
