"""The commonest read made cheap: the living version that a plain `registry/model:version` names.

It is the reader's own statement, compiled once for each database and view and given to the driver itself.
"""

from collections import namedtuple
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, Connection, Dialect, Engine, bindparam

from federation import tables
from federation.access import View
from federation.catalogue.reader import VERSION, Version, age, as_version, read_version
from federation.database import UTCTime, glancing, moment
from federation.references import Reference, encode_part

COMPILED = 256
"""Views whose statements are kept."""


def find_version(engine: Engine, view: View, reference: Reference) -> Version | None:
    """The living version with this name; None where it takes `read_version` to tell: for an alias, a stage, a former
    name of the registry, what is gone, hidden or absent. Errors: `DatabaseError`.
    """
    if reference.version is None:
        return None
    statement = _statement(engine.dialect, view)
    with glancing(engine) as cursor:
        cursor.execute(statement.text, statement.parameters(reference))
        return statement.version(cursor.fetchall())


def find_or_read_version(connection: Connection, view: View, reference: Reference) -> Version:
    """What `read_version` gives for a reference, the short way where there is one. Errors: `UnknownError`,
    `GoneError`.
    """
    found = None
    if reference.version is not None:
        statement = _statement(connection.dialect, view)
        rows = connection.exec_driver_sql(statement.text, statement.parameters(reference))
        found = statement.version(rows.all())
    return read_version(connection, view, reference) if found is None else found


@dataclass(frozen=True, slots=True)
class _Statement:
    """SQL for the driver, the values it always has, and what its rows hold."""

    text: str
    order: tuple[str, ...] | None
    values: dict[str, Any]
    names: Any
    times: frozenset[int]
    flags: frozenset[int]

    def parameters(self, reference: Reference) -> Any:
        """The values for a reference to a version, as the driver takes them."""
        values = {
            **self.values,
            "of_registry": reference.registry,
            "of_model": encode_part(reference.model),
            "of_version": encode_part(reference.version or ""),
        }
        return values if self.order is None else tuple(values[name] for name in self.order)

    def version(self, rows: Iterable[Sequence[Any]]) -> Version | None:
        """What the driver's rows tell of; of several, the one created last."""
        row = max((self._row(values) for values in rows), key=age, default=None)
        return None if row is None else as_version(row)

    def _row(self, values: Sequence[Any]) -> Any:
        """A row as the reader knows it: what the driver gives, with times and truth values."""
        return self.names(
            *(
                moment(value)
                if number in self.times and value is not None
                else bool(value)
                if number in self.flags
                else value
                for number, value in enumerate(values)
            )
        )


@lru_cache(COMPILED)
def _statement(dialect: Dialect, view: View) -> _Statement:
    registries, models, versions = tables.registry.c, tables.model.c, tables.version.c
    query = VERSION.where(
        registries.name == bindparam("of_registry", ""),
        models.name == bindparam("of_model", ""),
        versions.version == bindparam("of_version", ""),
        versions.deleted_at.is_(None),
        models.deleted_at.is_(None),
        view.clause(registries.id),
    )
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    columns = list(query.selected_columns)
    return _Statement(
        str(compiled),
        None if compiled.positiontup is None else tuple(compiled.positiontup),
        dict(compiled.params),
        namedtuple("_Found", [str(column.key) for column in columns]),
        frozenset(number for number, column in enumerate(columns) if isinstance(column.type, UTCTime)),
        frozenset(number for number, column in enumerate(columns) if isinstance(column.type, Boolean)),
    )
