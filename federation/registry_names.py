"""By which names registries are found: those that they have, and those that they had."""

from sqlalchemy import Connection, Text, cast, select

from federation import tables
from federation.access import View

_registry = tables.registry.c


def find_registry(connection: Connection, view: View, name: str) -> int | None:
    """The registry of a view that is called so, or was before another one was.

    One that is hidden is looked for as one that is not there, statement by statement: otherwise time would tell.
    """
    inside = view.clause(_registry.id)
    called = select(_registry.id).where(inside, _registry.name == name)
    known: int | None = connection.execute(called).scalar()
    if known is None:
        known = former_names(connection, view).get(name)
    return known


def former_names(connection: Connection, view: View) -> dict[str, int]:
    """The names that registries of a view had before. Few have any, and reading the list takes the longest."""
    query = select(_registry.id, _registry.former_names).where(
        view.clause(_registry.id), cast(_registry.former_names, Text) != "[]"
    )
    return {name: row.id for row in connection.execute(query) for name in row.former_names}
