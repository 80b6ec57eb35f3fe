"""Principals: people and services, each with an opaque id that is given once."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from federation.database import now
from federation.identity import tables
from federation.identity.credentials import new_id
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch


def ensure(connection: Connection, batch: Batch, who: str, name: str, actor: str | None = None) -> Row[Any]:
    """The principal that grants call `who`, made if it is new. `actor` None: it came by itself."""
    known = tables.principal.c
    row = connection.execute(select(tables.principal).where(known.who == who)).one_or_none()
    if row is not None:
        if row.name != name:
            connection.execute(update(tables.principal).where(known.id == row.id).values(name=name))
        return row
    values = {"id": new_id("p"), "who": who, "name": name, "created_at": now(), "disabled_at": None}
    row = connection.execute(insert(tables.principal).values(values).returning(tables.principal)).one()
    entry = Entry(
        action=Action.PRINCIPAL_CREATED,
        actor=actor or row.id,
        details={"principal": row.id, "kind": who.partition(":")[0]},
        commitments=batch.withhold({"who": who, "name": name}, subject=row.id),
    )
    batch.record(entry)
    return row
