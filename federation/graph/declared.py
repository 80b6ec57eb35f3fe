"""Edges that people declare: what no backend can say. Written by API processes, with their journal entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select, update

from federation.access import Permission, Principal, View
from federation.changes import Change
from federation.database import now
from federation.errors import UnknownError
from federation.graph import paging, tables
from federation.graph.resolve import registry_names
from federation.graph.subject import ImpactQuestionError, locate
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.references import Reference, encode_part

Kind = Literal["depends_on", "derived_from"]
KINDS = ("depends_on", "derived_from")
NOTE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared edge as it stands. `position` is that of the change, None where nothing changed."""

    id: int
    consumer: str
    provider: str
    kind: str
    note: str
    said_by: str
    created_at: datetime
    position: int | None = None


def declare(
    connection: Connection,
    principal: Principal,
    consumer: Reference,
    provider: Reference,
    kind: Kind = "depends_on",
    note: str = "",
) -> Declared:
    """Say that `consumer` needs `provider`, which may be unknown yet. Saying it twice is saying it once.

    Errors: `UnknownError` for a consumer that the principal may not see, `DeniedError`,
    `ImpactQuestionError`.
    """
    if kind not in KINDS:
        raise ImpactQuestionError(f"kind is one of {', '.join(KINDS)}")
    if consumer == provider:
        raise ImpactQuestionError("nothing depends on itself: consumer and provider are the same")
    if len(note) > NOTE_LIMIT:
        raise ImpactQuestionError(f"the note has {len(note)} characters, at most {NOTE_LIMIT} are kept")
    locate(connection, principal.view, consumer)
    _allowed(connection, principal, consumer.registry)
    c = tables.dependency.c
    same = (
        c.consumer == str(consumer),
        c.provider == str(provider),
        c.kind == kind,
        c.withdrawn_at.is_(None),
    )
    if (row := connection.execute(select(tables.dependency).where(*same)).first()) is not None:
        return _declared(row)
    values = {
        "consumer": str(consumer),
        "consumer_registry": consumer.registry,
        "consumer_model": encode_part(consumer.model),
        "provider": str(provider),
        "kind": kind,
        "note": note,
        "said_by": principal.id,
        "created_at": now(),
        "withdrawn_at": None,
    }
    row = insert_dated(connection, tables.dependency, values)
    return _declared(row, _tell(connection, Action.DEPENDENCY_DECLARED, principal, row))


def withdraw(connection: Connection, principal: Principal, dependency_id: int) -> Declared:
    """Take a declared edge back. Errors: `UnknownError`, also when it was taken back before; `DeniedError`."""
    c = tables.dependency.c
    names = _names_in(connection, principal.view)
    query = select(tables.dependency).where(
        c.id == dependency_id, c.withdrawn_at.is_(None), c.consumer_registry.in_(names)
    )
    row = connection.execute(query).first()
    if row is None:
        raise UnknownError()
    _allowed(connection, principal, row.consumer_registry)
    connection.execute(update(tables.dependency).where(c.id == row.id).values(withdrawn_at=now()))
    return _declared(row, _tell(connection, Action.DEPENDENCY_REMOVED, principal, row))


def listed(
    connection: Connection, view: View, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Declared], str | None]:
    """The edges that stand, of consumers in the view, oldest first; and the cursor to go on. Errors: `CursorError`."""
    c = tables.dependency.c
    after = 0 if cursor is None else paging.read(cursor)[1]
    names = _names_in(connection, view)
    query = select(tables.dependency).where(
        c.withdrawn_at.is_(None), c.consumer_registry.in_(names), c.id > after
    )
    rows = connection.execute(query.order_by(c.id).limit(limit + 1)).all()
    page = [_declared(row) for row in rows[:limit]]
    return page, paging.write(page[-1].consumer, page[-1].id) if len(rows) > limit else None


def _names_in(connection: Connection, view: View) -> list[str]:
    """Every name that leads to a registry of the view."""
    return [name for name, registry in registry_names(connection).items() if view.sees(registry)]


def _allowed(connection: Connection, principal: Principal, registry: str) -> None:
    principal.require(Permission.DECLARE, registry_names(connection).get(registry), f"registry {registry}")


def _tell(connection: Connection, action: Action, principal: Principal, row: Any) -> int:
    registry = registry_names(connection)[row.consumer_registry]
    batch = Batch()
    details: Mapping[str, Any] = {"dependency": row.id, "provider": row.provider, "kind": row.kind}
    commitments = batch.withhold({"note": row.note or None}, subject=principal.id)
    entry = Entry(
        action=action,
        actor=principal.id,
        ref=row.consumer,
        registry=row.consumer_registry,
        details=details,
        commitments=commitments,
    )
    batch.record(entry, registry)
    batch.change(Change("edge", row.id, registry))
    return batch.append(connection)


def _declared(row: Any, position: int | None = None) -> Declared:
    return Declared(
        row.id, row.consumer, row.provider, row.kind, row.note, row.said_by, row.created_at, position
    )
