"""Models that have a new name: found before they are written, so that history and edges stay with them.

Where a backend's key stays the same the record itself tells. Where a key holds the name, a model that is new and one
that is gone are the same when the adapter says that the one can only be what the other was.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from adapters import Key, ModelRecord, NotFoundError, Record
from federation import bulk, tables
from federation.catalogue.codec import Encoded
from federation.catalogue.rekeying import Succeeds
from federation.database import reading
from federation.sync.context import CurrentRun

Candidates = dict[Key, list[Key]]
"""By the key of a new model: the keys of living ones that it may have been."""


def found(this: CurrentRun, records: Sequence[Encoded[Any]]) -> dict[str, str]:
    """The native ids of renamed models by those that they had. Asks the backend whether the former are gone. Errors:
    `AdapterError`.
    """
    if this.succeeds is None or this.registry.last_success_at is None:
        return {}
    with reading(this.context.engine) as connection:
        may = candidates(connection, this.registry.id, records, this.succeeds)
    return proved(may, lambda key: this.call("get", lambda: this.adapter.get(key))) if may else {}


def candidates(
    connection: Connection,
    registry_id: int,
    records: Sequence[Encoded[Any]],
    succeeds: Succeeds,
) -> Candidates:
    """The new models among these records that others in the catalogue may be called now."""
    models = [one.record for one in records if isinstance(one.record, ModelRecord)]
    natives = [model.key.native_id for model in models]
    known = {row[0] for row in bulk.find(connection, tables.model, ("native_id",), registry_id, natives)}
    fresh = [model for model in models if model.key.native_id not in known and model.created_at is not None]
    if not fresh:
        return {}
    c = tables.model.c
    query = select(c.native_id).where(
        c.registry_id == registry_id, c.created_at.in_({m.created_at for m in fresh}), c.deleted_at.is_(None)
    )
    living = [Key("model", native) for native in connection.execute(query).scalars()]
    former = [key for key in living if key.native_id not in natives]
    may = {model.key: [key for key in former if succeeds(model.key, key)] for model in fresh}
    return {key: found for key, found in may.items() if found}


def proved(found: Candidates, get: Callable[[Key], Record]) -> dict[str, str]:
    """Native ids of renamed models by those that they had: of what is gone, where only one can be meant."""
    gone = {former: _is_gone(former, get) for may in found.values() for former in may}
    left = {new: [former for former in may if gone[former]] for new, may in found.items()}
    claimed = Counter(former for may in left.values() for former in may)
    return {
        may[0].native_id: new.native_id for new, may in left.items() if len(may) == 1 and claimed[may[0]] == 1
    }


def _is_gone(key: Key, get: Callable[[Key], Record]) -> bool:
    try:
        get(key)
    except NotFoundError:
        return True
    return False
