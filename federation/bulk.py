"""Many rows at once, on the driver itself: `executemany` on SQLite, COPY on PostgreSQL.

Values are given as the database stores them (times as microseconds, JSON as text), because nothing converts
them on this path.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, text

Row = Sequence[Any]
FEW = 20
"""Up to this many rows, COPY costs PostgreSQL more than it saves."""


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows whose values stand in the order of `columns`."""
    if not rows:
        return
    if connection.dialect.name == "postgresql" and len(rows) > FEW:
        _copy(connection, table, columns, rows)
        return
    names = ", ".join(f'"{column}"' for column in columns)
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        # One statement: each costs its way there and back, and more of this process than its rows do.
        marks = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
        cursor.execute(
            f'INSERT INTO "{table.name}" ({names}) VALUES {marks}', [value for row in rows for value in row]
        )
    else:
        marks = ", ".join(["?"] * len(columns))
        cursor.executemany(
            f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', [tuple(row) for row in rows]
        )
    cursor.close()


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Update rows by id. Each row: the values in the order of `columns`, then the id."""
    if not rows:
        return
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        # One statement for all, as in `insert`; it takes a row once, so of two with one id the last counts here.
        last = {row[-1]: row for row in rows}.values()
        sets = ", ".join(f'"{column}" = given."{column}"' for column in columns)
        arrays = ", ".join(f"%s::{_type(connection, table, name)}[]" for name in (*columns, "id"))
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
        sequence = text(
            f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id')) FROM generate_series(1, :count)"
        )
        return sorted(connection.execute(sequence, {"count": count}).scalars())
    # The table is AUTOINCREMENT, so an id stays used after its row is gone; an explicit id moves the sequence
    # on.
    last = (
        connection.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        ).scalar()
        or 0
    )
    return list(range(last + 1, last + 1 + count))


def _type(connection: Connection, table: Table, column: str) -> str:
    return str(table.c[column].type.compile(connection.dialect))


def _copy(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    names = ", ".join(f'"{column}"' for column in columns)
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
