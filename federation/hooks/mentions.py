"""What notifications named: waiting to be read, read apart from runs, and what they had missed."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, delete, func, select, update

from adapters import Key
from federation.bulk import upserting
from federation.changes import newest
from federation.database import now
from federation.hooks.tables import apart, hook, mention

TRIES = 4
"""How often it is tried to read something; then the next run of the registry is waited for."""
FIRST_PAUSE = timedelta(seconds=2)
"""After a failure; four times as long after each further one."""


class Mentioned(NamedTuple):
    """Something that waits to be read, and how often it was named and tried so far."""

    key: Key
    times: int
    tries: int


def announce(connection: Connection, registry_id: int, keys: Iterable[Key], at: datetime) -> None:
    """A notification was taken in, and these are to be read because of it."""
    # Always in the same order, so that two that name the same wait for each other.
    for key in sorted(set(keys)):
        row = {"registry_id": registry_id, "kind": key.kind, "native_id": key.native_id}
        again = {"times": mention.c.times + 1, "tries": 0}
        _upsert(connection, mention, {**row, "times": 1, "tries": 0, "due_at": at}, again)
    first = {"registry_id": registry_id, "since": at, "last_at": at, "taken": 1, "missed": 0}
    again = {"last_at": at, "taken": hook.c.taken + 1, "missed_since": 0}
    _upsert(connection, hook, {**first, "missed_since": 0}, again)


def count(connection: Connection, registry_id: int) -> int:
    """How many wait."""
    query = select(func.count()).select_from(mention).where(mention.c.registry_id == registry_id)
    return int(connection.execute(query).scalar_one())


def due(connection: Connection, registry_id: int, at: datetime, limit: int) -> list[Mentioned]:
    """What is to be read now, that which has waited longest first."""
    query = (
        select(mention)
        .where(mention.c.registry_id == registry_id, mention.c.due_at <= at)
        .order_by(mention.c.due_at, mention.c.kind, mention.c.native_id)
        .limit(limit)
    )
    return [
        Mentioned(Key(row.kind, row.native_id), row.times, row.tries) for row in connection.execute(query)
    ]


def settle(connection: Connection, registry_id: int, read: Iterable[Mentioned]) -> None:
    """These were read, and need not be again unless they were named meanwhile."""
    for one in read:
        connection.execute(delete(mention).where(_is(registry_id, one), mention.c.times == one.times))


def postpone(
    connection: Connection, registry_id: int, some: Iterable[Mentioned], pause: timedelta | None
) -> None:
    """These were not asked for: that is done after a pause."""
    for one in some:
        due_at = now() + (FIRST_PAUSE if pause is None else pause)
        connection.execute(update(mention).where(_is(registry_id, one)).values(due_at=due_at))


def put_off(
    connection: Connection, registry_id: int, failed: Sequence[Mentioned], pause: timedelta | None
) -> int:
    """These could not be read: they are tried again after a pause, a few times. Returns how many are given up."""
    given_up = [one for one in failed if one.tries + 1 >= TRIES]
    settle(connection, registry_id, given_up)
    for one in failed:
        if one.tries + 1 < TRIES:
            wait = FIRST_PAUSE * 4**one.tries if pause is None else pause
            values = {"tries": one.tries + 1, "due_at": now() + wait}
            connection.execute(update(mention).where(_is(registry_id, one)).values(**values))
    return len(given_up)


def set_apart(connection: Connection, registry_id: int, natives: Iterable[str]) -> None:
    """These records are being written as they were read just now, apart from runs."""
    position = newest(connection) + 1
    for native in sorted(natives):
        row = {"registry_id": registry_id, "native_id": native, "position": position}
        _upsert(connection, apart, row, {"position": position})


def read_after(connection: Connection, registry_id: int, position: int) -> set[str]:
    """The records, by native id, that were read apart from runs after this was the newest change."""
    query = select(apart.c.native_id).where(apart.c.registry_id == registry_id, apart.c.position > position)
    return set(connection.execute(query).scalars())


def end_of_run(connection: Connection, registry_id: int, position: int, news: int) -> bool:
    """A run that began at this position has found so many changes. Returns whether notifications should have told of
    them, because some arrive at all.
    """
    connection.execute(delete(apart).where(apart.c.registry_id == registry_id, apart.c.position <= position))
    missed = {"missed": hook.c.missed + news, "missed_since": hook.c.missed_since + news}
    told = connection.execute(update(hook).where(hook.c.registry_id == registry_id).values(missed))
    return bool(told.rowcount)


def _is(registry_id: int, one: Mentioned) -> Any:
    of = (mention.c.registry_id == registry_id, mention.c.kind == one.key.kind)
    return and_(*of, mention.c.native_id == one.key.native_id)


def _upsert(connection: Connection, table: Table, row: dict[str, Any], again: dict[str, Any]) -> None:
    new = upserting(connection.dialect.name, table).values(**row)
    keys: Collection[str] = table.primary_key.columns.keys()
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=again))
