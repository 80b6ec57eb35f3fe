"""Queries that are asked so often that SQLAlchemy around them costs more than the database does: compiled once for
each database, and given to the driver itself.
"""

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Connection, Dialect, Engine, Select

from federation.database import UTCTime, glance, micros, moment

COMPILED = 256
"""Views whose statements are kept, for each query that has the view in it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL for the driver, the values it always has, and what its rows hold."""

    text: str
    order: tuple[str, ...] | None
    values: Mapping[str, Any]
    row: Any
    times: tuple[int, ...]
    flags: tuple[int, ...]

    def rows(self, cursor: Any, given: Mapping[str, Any]) -> list[Any]:
        """What the query finds, in rows as SQLAlchemy gives them: with times and truth values."""
        make = self._converted if self.times or self.flags else self.row._make
        return [make(found) for found in self.bare(cursor, given)]

    def bare(self, cursor: Any, given: Mapping[str, Any]) -> list[Any]:
        """The same as the driver gives it: plain tuples, times and truth values as numbers."""
        values = {**self.values, **given}
        cursor.execute(self.text, values if self.order is None else [values[name] for name in self.order])
        found: list[Any] = cursor.fetchall()
        return found

    def _converted(self, found: Any) -> Any:
        values = list(found)
        for place in self.times:
            if values[place] is not None:
                values[place] = moment(values[place])
        for place in self.flags:
            values[place] = bool(values[place])
        return self.row._make(values)


def prepare(dialect: Dialect, query: Select[Any]) -> Statement:
    """The statement of a query whose `bindparam`s are given by name each time it is asked."""
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    columns = list(query.selected_columns)
    return Statement(
        str(compiled),
        None if compiled.positiontup is None else tuple(compiled.positiontup),
        dict(compiled.params),
        namedtuple("_Found", [str(column.key) for column in columns]),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, UTCTime)),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, Boolean)),
    )


@dataclass(frozen=True, slots=True)
class PolledQuery:
    """A query that a loop asks again and again, each time outside of a transaction."""

    query: Select[Any]
    _compiled: dict[str, Statement] = field(default_factory=dict)
    """By the name of the dialect."""

    def rows(self, engine: Engine, **given: Any) -> list[Any]:
        """What it finds now; `given` are the values of its `bindparam`s. Errors: as `federation.database.glance`."""
        dialect = engine.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = prepare(dialect, self.query)
        statement = self._compiled[dialect.name]
        values = {name: micros(one) if isinstance(one, datetime) else one for name, one in given.items()}
        return glance(engine, lambda cursor: statement.rows(cursor, values))


def cursor_of(connection: Connection) -> Any:
    """The driver's own cursor, inside the transaction of a connection."""
    return connection.connection.cursor()
