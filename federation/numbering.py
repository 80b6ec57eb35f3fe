"""Ids that people see: each is the moment its row was made, which the row shows anyway.

Numbers that count would tell whoever sees the 17th operation that there are sixteen, hidden ones included.
"""

import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite

from federation.database import micros, now

STEP = 1000
"""Microseconds that an id is moved on at most, where the moment is taken or the clock has gone back."""


def insert_dated(
    connection: Connection, table: Table, values: Mapping[str, Any], *, registry_id: int | None = None
) -> Row[Any]:
    """Insert one row and return it. Its id is microseconds since 1970, and greater than all of its registry."""
    number = micros(now())
    if registry_id is not None and number <= (newest := _newest(connection, table, registry_id)):
        number = _after(newest)
    statement = _insert(table, connection.dialect.name)
    while (row := connection.execute(statement, {**values, "id": number}).one_or_none()) is None:
        number = _after(number)
    return row


@cache
def _insert(table: Table, dialect: str) -> Any:
    """Inserts nothing where the id is taken."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(table)


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
