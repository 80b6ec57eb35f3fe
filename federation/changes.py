"""The change feed: what followers read to keep their own structure.

Positions are dense and commit-ordered, so a reader of `position > mine` misses nothing. The feed is trimmed
after days; a follower whose position is older than what is kept rebuilds from the catalogue.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Dialect, bindparam, delete, select

from federation import tables
from federation.prepared import Prepared, Statement, cursor_of, prepare

ChangeKind = Literal["model", "version", "endpoint", "registry", "edge"]


class Change(NamedTuple):
    """Something of `registry_id` is not what it was: read it again. `position` is 0 until it is appended."""

    kind: ChangeKind
    target_id: int
    registry_id: int
    position: int = 0


class FeedTrimmedError(Exception):
    """The position asked for is older than what is still held: a projection is rebuilt from the catalogue.

    After `until` nothing is missing.
    """

    def __init__(self, message: str = "", until: int = 0) -> None:
        super().__init__(message)
        self.until = until


def newest(connection: Connection) -> int:
    """The position of the newest change, 0 when there is none."""
    return newest_of(connection.dialect, cursor_of(connection))


def newest_of(dialect: Dialect, cursor: Any) -> int:
    """The same with a cursor of the driver."""
    [(position,)] = _newest(dialect).bare(cursor, {})
    return int(position)


@lru_cache
def _newest(dialect: Dialect) -> Statement:
    return prepare(dialect, select(tables.head.c.position))


def after(connection: Connection, position: int, limit: int) -> list[Change]:
    """At most `limit` changes after a position, in order. Errors: `FeedTrimmedError`."""
    found = [Change(*row) for row in _AFTER.bare(connection, position=position, limit=limit)]
    first = found[0].position if found else newest(connection) + 1
    if first != position + 1:
        raise FeedTrimmedError(f"changes after {position} are no longer kept", first - 1)
    return found


_feed = tables.change.c
_AFTER = Prepared(
    select(_feed.kind, _feed.target_id, _feed.registry_id, _feed.position)
    .where(_feed.position > bindparam("position", 0))
    .order_by(_feed.position)
    .limit(bindparam("limit", 0))
)


def registries(connection: Connection, after: int, until: int) -> frozenset[int]:
    """The registries whose changes stand after one position and not after another."""
    feed = tables.change.c
    query = select(feed.registry_id).where(feed.position > after, feed.position <= until).distinct()
    return frozenset(connection.execute(query).scalars())


def trim(connection: Connection, older_than: datetime) -> int:
    """Forget changes older than a time; the newest one always stays. Returns how many went."""
    feed = tables.change.c
    # From the oldest on, as far as they are old: to look for the last old one by time would read all that is kept.
    young = select(feed.position).where(feed.time >= older_than).order_by(feed.position).limit(1)
    kept = connection.execute(young).scalar()
    bound = newest(connection) - 1 if kept is None else kept - 1
    return connection.execute(delete(tables.change).where(feed.position <= bound)).rowcount
