"""Reading operations, as one caller may see them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from adapters import Record, VersionRecord
from federation import tables
from federation.access import View
from federation.catalogue.codec import Encoded
from federation.catalogue.writer import TABLES, CatalogueWriter
from federation.errors import UnknownError
from federation.operations.tables import operation
from federation.operations.wanted import Wanted, from_json
from federation.prepared import COMPILED, Prepared, among

_asked, _registries = operation.c, tables.registry.c


class Chosen(NamedTuple):
    """Which operations of a list are wanted; None: whatever it is. `before` is an id to go on from."""

    registry: str | None = None
    state: str | None = None
    ref: str | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One write that was asked for, and what became of it."""

    id: int
    registry: str
    kind: str
    ref: str
    """What it was asked of."""
    made: str | None
    """The version that was registered."""
    state: str
    wanted: Wanted
    actor: str
    error: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    position: int | None
    """The change position of its outcome."""
    follows: int | None
    """The step before it in its plan."""
    then: int | None
    """The step after it."""


def as_operation(row: Any, registry: str, then: int | None) -> Operation:
    """The operation that a row tells of."""
    copied = {name: getattr(row, name) for name in COPIED}
    return Operation(registry=registry, wanted=from_json(row.wanted), then=then, **copied)


COPIED = tuple(each.name for each in fields(Operation) if each.name not in ("registry", "wanted", "then"))


def read_operation(connection: Connection, view: View, operation_id: int) -> Operation:
    """One operation. Errors: `UnknownError`."""
    row = connection.execute(_visible(view).where(_asked.id == operation_id)).one_or_none()
    if row is None:
        raise UnknownError()
    return as_operation(row, row.registry, next_of(connection, row.id))


def next_of(connection: Connection, operation_id: int) -> int | None:
    """The step that follows an operation in its plan."""
    found: int | None = connection.execute(select(_asked.id).where(_asked.follows == operation_id)).scalar()
    return found


def read_operations(connection: Connection, view: View, chosen: Chosen, limit: int) -> list[Operation]:
    """Operations, newest first."""
    given = {name: value for name, value in chosen._asdict().items() if value is not None}
    rows = _list(view, frozenset(given)).rows(connection, limit=limit, **given)
    then = dict(_THEN.bare(connection, ids=[row.id for row in rows])) if rows else {}
    return [as_operation(row, row.registry, then.get(row.id)) for row in rows]


@lru_cache(COMPILED)
def _list(view: View, given: frozenset[str]) -> Prepared:
    """The operations that are chosen by what is given."""
    query = _visible(view).order_by(_asked.id.desc()).limit(bindparam("limit", 0))
    conditions = {name: condition for name, condition in _CHOSEN.items() if name in given}
    return Prepared(query.where(*conditions.values()))


_CHOSEN: Mapping[str, ColumnElement[bool]] = {
    "registry": _registries.name == bindparam("registry", ""),
    "state": _asked.state == bindparam("state", ""),
    "ref": _asked.ref == bindparam("ref", ""),
    "before": _asked.id < bindparam("before", 0),
}
_THEN = Prepared(select(_asked.follows, _asked.id).where(among(_asked.follows, "ids")))


def current(
    writer: CatalogueWriter, records: Sequence[Encoded[Any]], position: int, newer: Collection[str]
) -> list[Encoded[Any]]:
    """Those of the records, fetched when `position` was the newest, that no operation has read back since, and that
    are not among the `newer` native ids.

    What an operation reads back is newer and says who did it; one that is under way will read it back. The
    others count as seen, because they are there.
    """
    query = select(_asked.native_id, _asked.kind, _asked.target_kind).where(
        _asked.registry_id == writer.origin.registry_id
    )
    under_way = query.where(_asked.finished_at.is_(None), _asked.started_at.is_not(None))
    ended = query.where(_asked.position > position)
    rows = [*writer.connection.execute(under_way), *writer.connection.execute(ended)]
    if not rows and not newer:
        return list(records)
    targets = {row.native_id for row in rows}.union(newer)
    gone = {row.native_id for row in rows if row.kind == "delete" and row.target_kind == "model"}

    def is_outdated(record: Record) -> bool:
        whole = isinstance(record, VersionRecord) and record.model.native_id in gone
        return whole or record.key.native_id in targets

    for kind, target in TABLES.items():
        left = [
            e.record.key.native_id for e in records if e.record.key.kind == kind and is_outdated(e.record)
        ]
        if left:
            found = select(target.c.id).where(
                target.c.registry_id == writer.origin.registry_id, target.c.native_id.in_(left)
            )
            writer.seen[kind] += writer.connection.execute(found).scalars()
    return [encoded for encoded in records if not is_outdated(encoded.record)]


def _visible(view: View) -> Select[Any]:
    return (
        select(operation, _registries.name.label("registry"))
        .join(tables.registry, _registries.id == _asked.registry_id)
        .where(view.clause(_asked.registry_id))
    )
