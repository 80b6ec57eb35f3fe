"""By which names registries are found: those that they have, and those that they had."""

from functools import lru_cache

from sqlalchemy import Connection, Dialect, Text, bindparam, cast, select

from federation import tables
from federation.access import View
from federation.prepared import COMPILED, Statement, cursor_of, prepare

_registry = tables.registry.c


def find_registry(connection: Connection, view: View, name: str) -> int | None:
    """The registry of a view that is called so, or was before another one was.

    One that is hidden is looked for as one that is not there, statement by statement: otherwise time would tell.
    """
    for (known,) in _called(connection.dialect, view).bare(cursor_of(connection), {"of_name": name}):
        return int(known)
    return former_names(connection, view).get(name)


@lru_cache(COMPILED)
def _called(dialect: Dialect, view: View) -> Statement:
    named = _registry.name == bindparam("of_name", "")
    return prepare(dialect, select(_registry.id).where(view.clause(_registry.id), named))


def former_names(connection: Connection, view: View) -> dict[str, int]:
    """The names that registries of a view had before. Few have any, and reading the list takes the longest."""
    query = select(_registry.id, _registry.former_names).where(
        view.clause(_registry.id), cast(_registry.former_names, Text) != "[]"
    )
    return {name: row.id for row in connection.execute(query) for name in row.former_names}
