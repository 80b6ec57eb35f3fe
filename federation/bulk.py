"""Many rows at once, on the driver itself: many rows to a statement on SQLite, COPY on PostgreSQL.

Values are given as the database stores them (times as microseconds, JSON as text), because nothing converts
them on this path.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Boolean, Connection, Table

Row = Sequence[Any]
FEW = 20
"""Up to this many rows, COPY costs PostgreSQL more than it saves."""
AT_ONCE = 50
"""Rows to a statement: each costs its own, on PostgreSQL its way there and back as well."""


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], *, again: bool = False
) -> None:
    """Insert rows whose values stand in the order of `columns`. `again`: one whose key is there already is left out."""
    if not rows:
        return
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql and len(rows) > FEW and not again:
        _copy(connection, table, columns, rows)
        return
    width = len(columns)
    values = list(chain.from_iterable(rows))
    if not is_postgresql:
        _plain(table, columns, values)
    names = ", ".join(f'"{column}"' for column in columns)
    ending = " ON CONFLICT DO NOTHING" if again else ""
    marks = f"({', '.join(['%s' if is_postgresql else '?'] * width)})"
    cursor = connection.connection.cursor()
    for begin in range(0, len(values), AT_ONCE * width):
        some = values[begin : begin + AT_ONCE * width]
        given = ", ".join([marks] * (len(some) // width))
        cursor.execute(f'INSERT INTO "{table.name}" ({names}) VALUES {given}{ending}', some)
    cursor.close()


def upserting(dialect: str, table: Table) -> Any:
    """An INSERT that can say what is done where the row is there already."""
    # A command that writes nothing so starts without the dialects, which take a while to import.
    from sqlalchemy.dialects import postgresql, sqlite

    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)


def fetch(connection: Connection, statement: str, values: Sequence[Any]) -> list[Any]:
    """The rows of a statement, on the driver."""
    cursor = connection.connection.cursor()
    cursor.execute(statement, values)
    rows = list(cursor.fetchall())
    cursor.close()
    return rows


def find(
    connection: Connection, table: Table, columns: Sequence[str], registry_id: int, natives: Sequence[str]
) -> list[Any]:
    """The rows of a registry with these native ids, as the database stores them, in no order."""
    if not natives:
        return []
    names = ", ".join(f'"{column}"' for column in columns)
    head = f'SELECT {names} FROM "{table.name}" WHERE registry_id = '
    # One value instead of one each: a thousand of them cost SQLAlchemy more than the search does SQLite.
    if connection.dialect.name == "postgresql":
        return fetch(connection, f"{head}%s AND native_id = ANY(%s)", (registry_id, list(natives)))
    among = msgspec.json.encode(natives).decode()
    where = "? AND native_id IN (SELECT value FROM json_each(?))"
    return fetch(connection, head + where, (registry_id, among))


def match(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], given: Sequence[Row]
) -> list[Any]:
    """The rows whose `keys` have values as one of `given`, as the database stores them, in no order."""
    wanted = ", ".join(f't."{column}"' for column in columns)
    joined = f'"{table.name}" t ON ' + " AND ".join(f't."{key}" = given."{key}"' for key in keys)
    names = ", ".join(f'"{key}"' for key in keys)
    if connection.dialect.name == "postgresql":
        arrays = ", ".join(f"%b::{_type(connection, table, key)}[]" for key in keys)
        query = f"SELECT {wanted} FROM unnest({arrays}) AS given ({names}) JOIN {joined}"
        return (
            fetch(connection, query, [list(values) for values in zip(*given, strict=True)]) if given else []
        )
    found: list[Any] = []
    for begin in range(0, len(given), AT_ONCE):
        some = given[begin : begin + AT_ONCE]
        marks = ", ".join([f"({', '.join('?' * len(keys))})"] * len(some))
        # With `IN`, SQLite would read every row that shares the first key.
        query = f"WITH given ({names}) AS (VALUES {marks}) SELECT {wanted} FROM given CROSS JOIN {joined}"
        found += fetch(connection, query, list(chain.from_iterable(some)))
    return found


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Update rows by id. Each row: the values in the order of `columns`, then the id."""
    if not rows:
        return
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        # One statement for all, as in `insert`; it takes a row once, so of two with one id the last counts here.
        last = {row[-1]: row for row in rows}.values()
        sets = ", ".join(f'"{column}" = given."{column}"' for column in columns)
        arrays = ", ".join(f"%b::{_type(connection, table, name)}[]" for name in (*columns, "id"))
        names = ", ".join(f'"{name}"' for name in (*columns, "id"))
        cursor.execute(
            f'UPDATE "{table.name}" SET {sets} FROM unnest({arrays}) AS given ({names}) '
            f'WHERE "{table.name}".id = given.id',
            [list(values) for values in zip(*last, strict=True)],
        )
    else:
        sets = ", ".join(f'"{column}" = ?' for column in columns)
        cursor.executemany(f'UPDATE "{table.name}" SET {sets} WHERE id = ?', [tuple(row) for row in rows])
    cursor.close()


def allocate(connection: Connection, table: Table, count: int) -> list[int]:
    """Surrogate ids that nobody else gets, in ascending order. The transaction must be one that writes."""
    if count == 0:
        return []
    if connection.dialect.name == "postgresql":
        sequence = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
        return sorted(row[0] for row in fetch(connection, sequence, (table.name, count)))
    # The table is AUTOINCREMENT, so an id stays used after its row is gone; an explicit id moves the sequence on.
    found = fetch(connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,))
    last = found[0][0] if found else 0
    return list(range(last + 1, last + 1 + count))


def _plain(table: Table, columns: Sequence[str], values: list[Any]) -> None:
    """Make numbers of booleans: for each, SQLite's driver would look for somebody who adapts it, which takes as long
    as to bind a row.
    """
    width = len(columns)
    for place, column in enumerate(columns):
        if isinstance(table.c[column].type, Boolean):
            values[place::width] = [None if value is None else int(value) for value in values[place::width]]


def _type(connection: Connection, table: Table, column: str) -> str:
    return str(table.c[column].type.compile(connection.dialect))


def _copy(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    names = ", ".join(f'"{column}"' for column in columns)
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
