"""Schemas that listings do not carry are read one by one, newest version first, after the run that found the
versions.
"""

from sqlalchemy import select

from adapters import Adapter, AdapterError, TransientError
from federation import bulk, tables
from federation.catalogue import codec
from federation.changes import Change
from federation.database import reading, writing
from federation.journal.log import Batch
from federation.sync.calls import call
from federation.sync.run import SyncContext, adapter_of


def read_schemas(context: SyncContext, registry_id: int, limit: int) -> int:
    """Read, newest first, the schemas that listings do not carry. Returns how many versions were looked at."""
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
                versions.schema_read.is_(False),
            )
            .order_by(versions.id.desc())
            .limit(limit)
        )
        rows = connection.execute(query).all()
    adapter = adapter_of(context, registry)
    if type(adapter).schema is Adapter.schema or not rows:
        return 0
    found: list[tuple[str | None, bool, int]] = []
    for row in rows:
        record = codec.decode_version(row.body)
        try:
            schema = call(
                f"{registry.name}: schema",
                lambda record=record: adapter.schema(record),  # type: ignore[misc]
                deadline=60.0,
                abandoned=context.abandoned,
            )
        except TransientError:
            break
        except AdapterError:
            schema = None
        found.append((codec.encode_schema(schema), True, row.id))
    with writing(context.engine) as connection:
        bulk.update(connection, tables.version, ("schema_body", "schema_read"), found)
        batch = Batch()
        for body, _, version_id in found:
            if body is not None:
                batch.change(Change("version", version_id, registry_id))
        if batch.changes:
            batch.append(connection)
    return len(found)
