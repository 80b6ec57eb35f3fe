"""Queries that are asked so often that SQLAlchemy around them costs more than the database does: compiled once for
each database, and given to the driver itself.
"""

from collections import namedtuple
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Engine,
    Integer,
    Select,
    Update,
    bindparam,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import cloned_traverse

from federation.database import UTCTime, glance, micros, moment

EVERY = 2**62
"""As a limit: none."""
LAST = "\U0010ffff"
"""The last character there is: behind every other one, also in bytes."""
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

    def run(self, cursor: Any, given: Mapping[str, Any]) -> int:
        """Change what it is about; how many rows those were."""
        values = {**self.values, **given}
        cursor.execute(self.text, values if self.order is None else [values[name] for name in self.order])
        return int(cursor.rowcount)

    def _converted(self, found: Any) -> Any:
        values = list(found)
        for place in self.times:
            if values[place] is not None:
                values[place] = moment(values[place])
        for place in self.flags:
            values[place] = bool(values[place])
        return self.row._make(values)


def prepare(dialect: Dialect, query: Select[Any] | Update | Delete) -> Statement:
    """The statement of a query whose `bindparam`s are given by name each time it is asked."""
    wide = cloned_traverse(query, {}, {"bindparam": _widen})
    compiled = wide.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    columns = list(query.selected_columns) if isinstance(query, Select) else []
    return Statement(
        str(compiled),
        None if compiled.positiontup is None else tuple(compiled.positiontup),
        dict(compiled.params),
        namedtuple("_Found", [str(column.key) for column in columns]),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, UTCTime)),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, Boolean)),
    )


def _widen(given: BindParameter[Any]) -> None:
    """A whole number has up to 64 bits, whatever the one is that stands for it until one is given."""
    if type(given.type) is Integer:
        given.type = BigInteger()


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: SQLite has no truth values, so it would be compared with 1, and no index would be used."""
        return self


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition that a column has one of the values of a list that is given by name: unlike with `in_`, the
    statement is the same for lists of any length.
    """
    return _Among(column, bindparam(name, None))


@compiles(_Among, "postgresql")
def _among_array(element: Any, compiler: Any, **options: Any) -> str:
    column, given = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY({given})"


@compiles(_Among, "sqlite")
def _among_json(element: Any, compiler: Any, **options: Any) -> str:
    column, given = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({given}))"


class _Usual(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: what is compared with 1 proves nothing to SQLite, which a partial index asks for."""
        return self


def usual(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition that holds for very many rows. SQLite, which has not counted them, takes every one for rare, and
    would read all that it holds for rather than look something up.
    """
    return _Usual(condition)


@compiles(_Usual)
def _usual_plain(element: Any, compiler: Any, **options: Any) -> str:
    (condition,) = element.clauses
    return str(compiler.process(condition, **options))


@compiles(_Usual, "sqlite")
def _usual_likely(element: Any, compiler: Any, **options: Any) -> str:
    return f"likelihood({_usual_plain(element, compiler, **options)}, 0.9375)"


class _Begins(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: what is compared with 1 is looked up in no index."""
        return self


def begins(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """The condition that a column begins with these characters, in this case: a stretch of an index.

    With `LIKE`, SQLite reads all there is and takes `A` for `a`. PostgreSQL needs an index of the class
    `text_pattern_ops`, whatever its collation.
    """
    return _Begins(column, literal(text), literal(f"{text}{LAST}"))


def begins_as(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The same with characters that are given by name, as `beginning` gives them."""
    return _Begins(column, bindparam(name, ""), bindparam(f"{name}_end", ""))


def beginning(name: str, text: str) -> dict[str, str]:
    """What `begins_as` is given."""
    return {name: text, f"{name}_end": f"{text}{LAST}"}


@compiles(_Begins)
def _begins_in_bytes(element: Any, compiler: Any, **options: Any) -> str:
    column, first, end = (compiler.process(one, **options) for one in element.clauses)
    return f"({column} >= {first} AND {column} < {end})"


@compiles(_Begins, "postgresql")
def _begins_in_patterns(element: Any, compiler: Any, **options: Any) -> str:
    column, first, end = (compiler.process(one, **options) for one in element.clauses)
    return f"({column} ~>=~ {first} AND {column} ~<~ {end})"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is asked or changed in one transaction after another, with other values: those of its `bindparam`s, which
    are given by name.
    """

    query: Select[Any] | Update | Delete
    _compiled: dict[str, Statement] = field(default_factory=dict)
    """By the name of the dialect."""

    def polled(self, engine: Engine, **given: Any) -> list[Any]:
        """What it finds now, outside of a transaction, for a loop that only looks. Errors: as
        `federation.database.glance`.
        """
        statement, values = self._with(engine.dialect, given)
        return glance(engine, lambda cursor: statement.rows(cursor, values))

    def rows(self, connection: Connection, **given: Any) -> list[Any]:
        """What it finds, in rows with times and truth values; everything else is as the driver gives it."""
        statement, values = self._with(connection.dialect, given)
        with closing(cursor_of(connection)) as cursor:
            return statement.rows(cursor, values)

    def bare(self, connection: Connection, **given: Any) -> list[Any]:
        """The same as the driver gives it: plain tuples, times and truth values as numbers."""
        statement, values = self._with(connection.dialect, given)
        with closing(cursor_of(connection)) as cursor:
            return statement.bare(cursor, values)

    def run(self, connection: Connection, **given: Any) -> int:
        """Change what it is about; how many rows those were."""
        statement, values = self._with(connection.dialect, given)
        with closing(cursor_of(connection)) as cursor:
            return statement.run(cursor, values)

    def _with(self, dialect: Dialect, given: Mapping[str, Any]) -> tuple[Statement, dict[str, Any]]:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = prepare(dialect, self.query)
        convert = _LISTED if dialect.name == "sqlite" else _AS_IT_IS
        return self._compiled[dialect.name], {
            name: convert.get(type(one), _same)(one) for name, one in given.items()
        }


def _same(value: Any) -> Any:
    return value


_AS_IT_IS: Mapping[type, Any] = {datetime: micros}
_LISTED: Mapping[type, Any] = {datetime: micros, list: lambda values: msgspec.json.encode(values).decode()}
"""How values of these types are given to a driver."""


def cursor_of(connection: Connection) -> Any:
    """The driver's own cursor, inside the transaction of a connection."""
    return connection.connection.cursor()
