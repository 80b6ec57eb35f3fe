"""Rows as the database holds them: out of every table that is kept, and into tables of the schema they were of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, MetaData, Table, inspect

from federation import bulk
from federation.backups.archive import FrameWriter, TableFrame

LEFT_OUT = frozenset({"alembic_version", "lease", "session", "sync_page"})
"""What the migrations write, and what is of the moment: who works, who is signed in, how far a run has come."""
AT_ONCE = 500


def names(connection: Connection) -> list[str]:
    """The tables that a backup holds."""
    return sorted(set(inspect(connection).get_table_names()) - LEFT_OUT)


def dump(connection: Connection, name: str, file: FrameWriter) -> None:
    """Write one table, as it is in the schema that the database has. Errors: `OSError`."""
    columns = inspect(connection).get_columns(name)
    titles = [str(column["name"]) for column in columns]
    file.put(TableFrame(name=name, columns=titles, last_id=_last_id(connection, name, titles)))
    parsed = connection.dialect.name == "postgresql"  # its driver makes values of JSON
    wanted = ", ".join(
        f'"{column["name"]}"::text' if parsed and isinstance(column["type"], JSON) else f'"{column["name"]}"'
        for column in columns
    )
    flags = [place for place, column in enumerate(columns) if isinstance(column["type"], Boolean)]
    bit_by_bit = {"stream_results": True, "yield_per": AT_ONCE}
    found = connection.exec_driver_sql(f'SELECT {wanted} FROM "{name}"', execution_options=bit_by_bit)
    for part in found.partitions(AT_ONCE):
        rows = [list(row) for row in part]
        for row in rows:
            for place in flags:
                row[place] = None if row[place] is None else bool(row[place])
        file.put_rows(rows)


def _last_id(connection: Connection, name: str, columns: Sequence[str]) -> int | None:
    """The highest id that a table has given: that of a row that is gone is not given again. None: it gives none."""
    if "id" not in columns:
        return None
    if connection.dialect.name == "sqlite":
        found = bulk.fetch(connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", (name,))
        return int(found[0][0]) if found else None
    [(sequence,)] = bulk.fetch(connection, "SELECT pg_get_serial_sequence(%s, 'id')", (name,))
    if sequence is None:
        return None
    [(last, is_given)] = bulk.fetch(connection, f"SELECT last_value, is_called FROM {sequence}", ())
    return int(last) if is_given else None


class TableLoader:
    """Fills empty tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._there = names(connection)
        self._table = Table("", MetaData())
        self._last_id: int | None = None

    def clear(self) -> None:
        """Take out what the migrations put in."""
        for name in self._there:
            self._connection.exec_driver_sql(f'DELETE FROM "{name}"')

    def begin(self, frame: TableFrame) -> None:
        """The rows that follow are of this table. Errors: `LookupError` where the schema has no such table."""
        self.end()
        if frame.name not in self._there:
            raise LookupError(frame.name)
        self._table = Table(frame.name, MetaData(), *(Column(name) for name in frame.columns))
        self._last_id = frame.last_id

    def take(self, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows."""
        if self._is_sqlite:
            rows = [[int(v) if isinstance(v, bool) else v for v in row] for row in rows]
        bulk.insert(self._connection, self._table, self._table.columns.keys(), rows)

    def end(self) -> None:
        """The table is complete: the ids that it gives go on."""
        if self._last_id is None:
            return
        name, last = self._table.name, self._last_id
        if self._is_sqlite:
            self._connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
        else:
            query = "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)"
            self._connection.exec_driver_sql(query, (name, last))
        self._last_id = None
