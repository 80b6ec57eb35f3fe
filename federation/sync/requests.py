"""Asking for a run of the synchronisation."""

from sqlalchemy import Connection, select, update

from federation import tables
from federation.database import now
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated


def request(connection: Connection, registry_id: int, *, full: bool, actor: str | None = None) -> int:
    """Queue a run, or join the one that waits already. Returns its id. `actor` None: the schedule itself asks."""
    runs = tables.sync.c
    waiting = connection.execute(
        select(runs.id, runs.asked_full).where(runs.registry_id == registry_id, runs.state == "queued")
    ).first()
    if waiting is not None:
        if full and not waiting.asked_full:
            connection.execute(update(tables.sync).where(runs.id == waiting.id).values(asked_full=True))
        return int(waiting.id)
    values = {
        "registry_id": registry_id,
        "state": "queued",
        "full": full,
        "asked_full": full,
        "epoch": 0,
        "counts": {},
        "errors": [],
        "queued_at": now(),
    }
    sync_id = insert_dated(connection, tables.sync, values, registry_id=registry_id).id
    if actor is not None:
        name = connection.execute(
            select(tables.registry.c.name).where(tables.registry.c.id == registry_id)
        ).scalar_one()
        batch = Batch()
        details = {"sync": sync_id, "full": full}
        batch.record(
            Entry(action=Action.SYNC_REQUESTED, actor=actor, registry=name, details=details), registry_id
        )
        batch.append(connection)
    return int(sync_id)
