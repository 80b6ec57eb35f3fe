"""What listings do not carry of a version (its schema, framework, software) is read one by one, newest version first,
after the run that found the versions.
"""

from sqlalchemy import select

from adapters import AdapterError, Details, TransientError
from federation import bulk, tables
from federation.catalogue import codec
from federation.changes import Change
from federation.database import reading, writing
from federation.journal.log import Batch
from federation.sync.calls import call
from federation.sync.run import SyncContext, adapter_of


def read_details(context: SyncContext, registry_id: int, limit: int) -> int:
    """Read, newest first, the details that listings do not carry. Returns how many versions were looked at."""
    with reading(context.engine) as connection:
        registry = connection.execute(
            select(tables.registry).where(tables.registry.c.id == registry_id)
        ).one()
        versions = tables.version.c
        query = (
            select(versions.id, versions.body)
            .where(
                versions.registry_id == registry_id,
                versions.deleted_at.is_(None),
                versions.details_read.is_(False),
            )
            .order_by(versions.id.desc())
            .limit(limit)
        )
        rows = connection.execute(query).all()
    adapter = adapter_of(context, registry)
    if not type(adapter).reads_details() or not rows:
        return 0
    found: list[tuple[str | None, bool, int]] = []
    for row in rows:
        record = codec.decode_version(row.body)
        try:
            details = call(
                f"{registry.name}: details",
                lambda record=record: adapter.details(record),  # type: ignore[misc]
                deadline=60.0,
                abandoned=context.abandoned,
            )
        except TransientError:
            break
        except AdapterError:
            details = Details()
        found.append((codec.encode_details(details), True, row.id))
    with writing(context.engine) as connection:
        bulk.update(connection, tables.version, ("details", "details_read"), found)
        batch = Batch()
        for body, _, version_id in found:
            if body is not None:
                batch.change(Change("version", version_id, registry_id))
        if batch.changes:
            batch.append(connection)
    return len(found)
