"""The commonest reads made cheap: the living version that a plain `registry/model:version` or `…@alias` names.

It is the reader's own statement, compiled once for each database and view and given to the driver itself.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import JSON, ColumnElement, Connection, Dialect, bindparam, cast, func, literal_column, select

from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.order import age
from federation.catalogue.reader import VERSION, Version, as_version, read_version
from federation.prepared import COMPILED, Statement, cursor_of, prepare
from federation.references import Reference, encode_part
from federation.standby import Reads


def find_version(reads: Reads, view: View, reference: Reference) -> Version | None:
    """The living version with this name; None where it takes `read_version` to tell: for a stage, a former name of
    the registry, what is gone, hidden or absent. Errors: `DatabaseError`.
    """
    if _is_common(reference):
        dialect = reads.engine.dialect
        return reads.glance(lambda cursor: _find(cursor, dialect, view, reference))
    return None


def find_or_read_version(connection: Connection, view: View, reference: Reference) -> Version:
    """What `read_version` gives for a reference, the short way where there is one. Errors: `UnknownError`,
    `GoneError`.
    """
    found = None
    if _is_common(reference):
        found = _find(cursor_of(connection), connection.dialect, view, reference)
    return read_version(connection, view, reference) if found is None else found


def find_rows(connection: Connection, view: View, references: Iterable[Reference]) -> dict[Reference, Any]:
    """Of references by a version's name, the rows of `VERSION` that `find_version` takes, all by one statement; what
    has none is left out. Errors: `DatabaseError`.
    """
    named = {
        (one.registry, encode_part(one.model), encode_part(one.version)): one
        for one in references
        if one.version is not None
    }
    given = {"named": msgspec.json.encode(list(named)).decode()}
    rows = _several(connection.dialect, view).rows(cursor_of(connection), given) if named else []
    return {named[row.registry, row.model, row.version]: row for row in sorted(rows, key=age)}


def _is_common(reference: Reference) -> bool:
    return reference.version is not None or reference.alias is not None


def _find(cursor: Any, dialect: Dialect, view: View, reference: Reference) -> Version | None:
    """Of several with one name, the one created last. An alias is looked up first: should it move on meanwhile, the
    version that is found was named by it a moment ago.
    """
    named = {"of_registry": reference.registry, "of_model": encode_part(reference.model)}
    version = reference.version
    if reference.alias is not None:
        rows = _aliased(dialect, view).rows(cursor, named)
        version = codec.aliases_of(rows[0].body).get(reference.alias) if len(rows) == 1 else None
    if version is None:
        return None
    rows = _statement(dialect, view).rows(cursor, {**named, "of_version": encode_part(version)})
    row = max(rows, key=age, default=None)
    return None if row is None else as_version(row)


@lru_cache(COMPILED)
def _aliased(dialect: Dialect, view: View) -> Statement:
    registries, models = tables.registry.c, tables.model.c
    query = (
        select(models.body)
        .join(tables.registry, registries.id == models.registry_id)
        .where(
            registries.name == bindparam("of_registry", ""),
            models.name == bindparam("of_model", ""),
            models.deleted_at.is_(None),
            view.clause(registries.id),
        )
    )
    return prepare(dialect, query)


@lru_cache(COMPILED)
def _several(dialect: Dialect, view: View) -> Statement:
    registries, models, versions = tables.registry.c, tables.model.c, tables.version.c
    text: Any = bindparam("named", "")
    parts: list[ColumnElement[Any]]
    if dialect.name == "postgresql":
        given = func.json_array_elements(cast(text, JSON(none_as_null=True))).table_valued("value")
        parts = [given.c.value.op("->>")(literal_column(str(place))) for place in range(3)]
    else:
        given = func.json_each(text).table_valued("value")
        parts = [func.json_extract(given.c.value, literal_column(f"'$[{place}]'")) for place in range(3)]
    query = VERSION.where(
        registries.name == parts[0],
        models.name == parts[1],
        versions.version == parts[2],
        versions.deleted_at.is_(None),
        models.deleted_at.is_(None),
        view.clause(registries.id),
    )
    return prepare(dialect, query)


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
