"""Which backend stands behind a registry: compared at each probe, kept where it does not say, believed by a person.

What a credential may read today must not change who a backend is. So a probe that cannot tell leaves what was known, a
probe that tells by another name than a former release is believed, so is one by which something is still there that the
backend was known by, and only names that contradict each other stop the registry, until its address is corrected or
somebody says that it is the same backend.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select, update

from adapters import BackendInfo
from federation import tables
from federation.errors import StateError
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch


def is_another(registry: Row[Any], info: BackendInfo) -> bool:
    """Whether what answers contradicts what is known of the registry's backend."""
    if registry.identity is None or info.identity is None:
        return False
    known = {registry.identity, *registry.anchors}
    return known.isdisjoint((info.identity, *info.former_identities, *info.anchors))


def told(info: BackendInfo) -> dict[str, Any]:
    """The columns of a registry that say who its backend is and what is behind it; nothing where it cannot tell."""
    if info.identity is None:
        return {}
    # As the row has it, which it is compared with: in lists.
    reaches = msgspec.json.decode(msgspec.json.encode(info.reaches))
    return {"identity": info.identity, "anchors": list(info.anchors), "reaches": reaches}


def refusal(name: str) -> str:
    """The line for a backend that is another one than before, with the ways out."""
    return (
        f"{name}: the backend is another one than before: correct its address; if it is the same, moved or "
        f"restored, run `waypost registries confirm {name} --identity`; else configure it under a new name"
    )


def offer(connection: Connection, registry: Row[Any], identity: str) -> None:
    """Remember which backend answers instead of the known one, and tell it once."""
    columns = tables.registry.c
    found = connection.execute(
        update(tables.registry)
        .where(columns.id == registry.id, columns.offered_identity.is_distinct_from(identity))
        .values(offered_identity=identity)
    )
    if found.rowcount:
        _tell(connection, Action.REGISTRY_REPLACED, registry, SYSTEM, registry.identity, identity)


def confirm(connection: Connection, registry_id: int, identity: str, actor: str) -> None:
    """Believe that the backend that answers as `identity` is the registry's; its history goes on.

    Errors: `StateError` where another one, or none, has answered meanwhile.
    """
    columns = tables.registry.c
    registry = connection.execute(select(tables.registry).where(columns.id == registry_id)).one()
    if registry.offered_identity != identity:
        raise StateError(
            f"registry {registry.name}: no backend of this identity answered lately: look at it and ask again"
        )
    connection.execute(
        update(tables.registry)
        .where(columns.id == registry_id)
        .values(identity=identity, anchors=[], offered_identity=None)
    )
    _tell(connection, Action.REGISTRY_IDENTITY_CONFIRMED, registry, actor, registry.identity, identity)


def _tell(
    connection: Connection, action: Action, registry: Row[Any], actor: str, before: str | None, after: str
) -> None:
    batch = Batch()
    entry = Entry(
        action=action,
        actor=actor,
        registry=registry.name,
        before={"identity": before},
        after={"identity": after},
    )
    batch.record(entry, registry.id)
    batch.append(connection)
