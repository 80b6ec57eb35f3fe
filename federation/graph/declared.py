"""Edges that people declare: what no backend can say. Written by API processes, with their journal entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from federation.access import View
from federation.changes import Change
from federation.database import now
from federation.graph import tables
from federation.graph.resolve import registry_names
from federation.graph.subject import ImpactQuestionError, UnknownSubjectError, locate
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.references import Reference, encode_part, parse

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
    view: View,
    principal: str,
    consumer: Reference,
    provider: Reference,
    kind: Kind = "depends_on",
    note: str = "",
) -> Declared:
    """Say that `consumer` needs `provider`, which may be unknown yet. Saying it twice is saying it once.

    Errors: `UnknownSubjectError` for a consumer the view does not know, `ImpactQuestionError`.
    """
    if kind not in KINDS:
        raise ImpactQuestionError(f"kind is one of {', '.join(KINDS)}")
    if consumer == provider:
        raise ImpactQuestionError("nothing depends on itself: consumer and provider are the same")
    if len(note) > NOTE_LIMIT:
        raise ImpactQuestionError(f"the note has {len(note)} characters, at most {NOTE_LIMIT} are kept")
    locate(connection, view, consumer)
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
        "said_by": principal,
        "created_at": now(),
        "withdrawn_at": None,
    }
    row = connection.execute(insert(tables.dependency).values(values).returning(tables.dependency)).one()
    return _declared(row, _tell(connection, Action.DEPENDENCY_DECLARED, principal, row))


def withdraw(connection: Connection, view: View, principal: str, dependency_id: int) -> Declared:
    """Take a declared edge back. Errors: `UnknownSubjectError`, also when it was taken back before."""
    c = tables.dependency.c
    query = select(tables.dependency).where(c.id == dependency_id, c.withdrawn_at.is_(None))
    row = connection.execute(query).first()
    registry = None if row is None else registry_names(connection).get(row.consumer_registry)
    if row is None or registry is None or not view.sees(registry):
        raise UnknownSubjectError(f"there is no declared dependency {dependency_id}")
    connection.execute(update(tables.dependency).where(c.id == row.id).values(withdrawn_at=now()))
    return _declared(row, _tell(connection, Action.DEPENDENCY_REMOVED, principal, row))


def consumer_of(connection: Connection, dependency_id: int) -> Reference | None:
    """Whose edge it is, for the check of permissions; None when there is none."""
    c = tables.dependency.c
    query = select(c.consumer).where(c.id == dependency_id, c.withdrawn_at.is_(None))
    found: str | None = connection.execute(query).scalar()
    return None if found is None else parse(found)


def _tell(connection: Connection, action: Action, principal: str, row: Any) -> int:
    registry = registry_names(connection)[row.consumer_registry]
    batch = Batch()
    details: Mapping[str, Any] = {"dependency": row.id, "provider": row.provider, "kind": row.kind}
    commitments = batch.withhold({"note": row.note or None}, subject=principal)
    entry = Entry(
        action=action,
        actor=principal,
        ref=row.consumer,
        registry=row.consumer_registry,
        details=details,
        commitments=commitments,
    )
    batch.record(entry, registry)
    batch.change(Change("edge", row.id, registry))
    return batch.append(connection).position


def _declared(row: Any, position: int | None = None) -> Declared:
    return Declared(
        row.id, row.consumer, row.provider, row.kind, row.note, row.said_by, row.created_at, position
    )
