"""The commonest read made cheap: the living version that a plain `registry/model:version` names.

It is the reader's own statement, compiled once for each database and view and given to the driver itself.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, bindparam

from federation import tables
from federation.access import View
from federation.catalogue.order import age
from federation.catalogue.reader import VERSION, Version, as_version, read_version
from federation.database import glance
from federation.prepared import COMPILED, Statement, cursor_of, prepare
from federation.references import Reference, encode_part


def find_version(engine: Engine, view: View, reference: Reference) -> Version | None:
    """The living version with this name; None where it takes `read_version` to tell: for an alias, a stage, a former
    name of the registry, what is gone, hidden or absent. Errors: `DatabaseError`.
    """
    if reference.version is None:
        return None
    statement = _statement(engine.dialect, view)
    return _newest(glance(engine, lambda cursor: statement.rows(cursor, _given(reference))))


def find_or_read_version(connection: Connection, view: View, reference: Reference) -> Version:
    """What `read_version` gives for a reference, the short way where there is one. Errors: `UnknownError`,
    `GoneError`.
    """
    found = None
    if reference.version is not None:
        statement = _statement(connection.dialect, view)
        found = _newest(statement.rows(cursor_of(connection), _given(reference)))
    return read_version(connection, view, reference) if found is None else found


def _given(reference: Reference) -> dict[str, str]:
    return {
        "of_registry": reference.registry,
        "of_model": encode_part(reference.model),
        "of_version": encode_part(reference.version or ""),
    }


def _newest(rows: Iterable[Any]) -> Version | None:
    """Of several with one name, the one created last."""
    row = max(rows, key=age, default=None)
    return None if row is None else as_version(row)


@lru_cache(COMPILED)
def _statement(dialect: Dialect, view: View) -> Statement:
    registries, models, versions = tables.registry.c, tables.model.c, tables.version.c
    query = VERSION.where(
        registries.name == bindparam("of_registry", ""),
        models.name == bindparam("of_model", ""),
        versions.version == bindparam("of_version", ""),
        versions.deleted_at.is_(None),
        models.deleted_at.is_(None),
        view.clause(registries.id),
    )
    return prepare(dialect, query)
