"""Ids that people see: each is the moment its row was made, which the row shows anyway.

Numbers that count would tell whoever sees the 17th operation that there are sixteen, hidden ones included.
"""

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table

from federation.bulk import upserting
from federation.database import micros, now

STEP = 1000
"""Microseconds that an id is moved on at most, where the moment is taken or the clock has gone back."""


def insert_dated(
    connection: Connection, table: Table, values: Mapping[str, Any], *, registry_id: int | None = None
) -> Row[Any]:
    """Insert one row and return it. Its id is microseconds since 1970, and greater than all of its registry."""
    return insert_all_dated(connection, table, [values], registry_id=registry_id)[0]


def insert_all_dated(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, registry_id: int | None = None
) -> list[Row[Any]]:
    """Insert rows as `insert_dated` does, each with a greater id than the one before; returns them in their order."""
    newest = 0 if registry_id is None else _newest(connection, table, registry_id)
    statement = _insert(table, connection.dialect.name)
    written: dict[int, Row[Any]] = {}
    while left := [place for place in range(len(rows)) if place not in written]:
        numbers = {}
        for place in left:
            number = micros(now())
            newest = number if number > newest else _after(newest)
            numbers[newest] = place
        numbered = [{**rows[place], "id": number} for number, place in numbers.items()]
        written |= {numbers[row.id]: row for row in connection.execute(statement, numbered)}
    return [written[place] for place in range(len(rows))]


@cache
def _insert(table: Table, dialect: str) -> Any:
    """Inserts nothing where the id is taken."""
    return upserting(dialect, table).on_conflict_do_nothing(index_elements=["id"]).returning(table)


def _newest(connection: Connection, table: Table, registry_id: int) -> int:
    """The greatest id of a registry; on the driver, because every operation asks."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    cursor = connection.connection.cursor()
    cursor.execute(f'SELECT max(id) FROM "{table.name}" WHERE registry_id = {mark}', (registry_id,))
    found = cursor.fetchone()
    cursor.close()
    return int(found[0] or 0) if found else 0


def _after(number: int) -> int:
    """One that nobody can count back from."""
    return number + 1 + secrets.randbelow(STEP)
