"""Quarantine: records that could not be understood, kept by name and reason until they can be read again."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from adapters import BadRecordError
from federation import tables
from federation.catalogue import codec
from federation.catalogue.writer import CatalogueWriter
from federation.database import now
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def waiting(connection: Connection, registry_id: int) -> dict[str, datetime]:
    """The records in quarantine by native id, and since when."""
    held = tables.quarantine.c
    query = select(held.native, held.first_seen_at).where(held.registry_id == registry_id)
    return {row.native: row.first_seen_at for row in connection.execute(query)}


def keep(writer: CatalogueWriter, bad: Sequence[BadRecordError], good: Sequence[str]) -> int:
    """Keep the bad records; those that could be read again (`good`, native ids) leave. Returns how many are new."""
    held = tables.quarantine.c
    connection, origin = writer.connection, writer.origin
    mine = held.registry_id == origin.registry_id
    known = set(connection.execute(select(held.native).where(mine)).scalars())
    released = sorted(known.intersection(good))
    if released:
        connection.execute(delete(tables.quarantine).where(mine, held.native.in_(released)))
    new = 0
    for native, error in {_kept(error.native): error for error in bad}.items():
        if native in known:
            connection.execute(
                update(tables.quarantine)
                .where(mine, held.native == native)
                .values(error=str(error), last_seen_at=now())
            )
            continue
        new += 1
        row = {"registry_id": origin.registry_id, "native": native, "error": str(error)}
        connection.execute(insert(tables.quarantine).values(**row, first_seen_at=now(), last_seen_at=now()))
        _tell(writer, Action.RECORD_QUARANTINED, native)
    for native in released:
        _tell(writer, Action.RECORD_RELEASED, native)
    return new


def release_unmet(connection: Connection, registry: Row[Any], since: datetime) -> None:
    """What a whole listing has met neither well nor badly since it began is not there any more."""
    held = tables.quarantine.c
    mine = (held.registry_id == registry.id, held.last_seen_at < since)
    gone = sorted(connection.execute(select(held.native).where(*mine)).scalars())
    if gone:
        connection.execute(delete(tables.quarantine).where(*mine))
        batch = Batch()
        for native in gone:
            entry = Entry(action=Action.RECORD_RELEASED, registry=registry.name, details={"key": native})
            batch.record(entry, registry.id)
        batch.append(connection)


def _kept(native: str) -> str:
    """The native id as it is kept: whole where a record can have it."""
    if codec.is_native_id(native):
        return native
    digest = hashlib.sha256(native.encode(errors="replace")).hexdigest()
    return f"{native[:200].replace(chr(0), REPLACEMENT)} ({digest[:16]})"


def _tell(writer: CatalogueWriter, action: Action, native: str) -> None:
    origin = writer.origin
    writer.batch.record(
        Entry(action=action, registry=origin.registry, details={"key": native}), origin.registry_id
    )
