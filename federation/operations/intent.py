"""Writing down what is wanted: the operation's row and its journal entry, in one commit, before any backend is
called. The row is the job; from here on it is carried out whatever happens to the process that wrote it.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select, update

from adapters import Key
from federation.database import now
from federation.errors import InvalidRequestError, StateError
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_all_dated
from federation.operations.tables import operation
from federation.operations.wanted import Wanted, kind_of, to_json, told
from federation.references import Reference

KEYS_KEPT = timedelta(hours=24)
"""How long an `Idempotency-Key` is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is to be written down, checked. `target_id` is the surrogate id of what it is about, if that exists;
    `before` is what the backend must hold where it writes, by the names of the write.
    """

    registry_id: int
    registry: str
    ref: Reference
    wanted: Wanted
    target: Key
    target_id: int | None
    etag: str | None = None
    before: Mapping[str, str | None] | None = None


Steps = Sequence[Intent]
"""The intents of one plan, at least one: each is carried out when the one before it was made."""


class Asker(NamedTuple):
    """Who asks, with the `Idempotency-Key`, and what was asked for: `digest` tells a repetition from a change."""

    actor: str
    key: str | None
    digest: bytes


def digest_of(*parts: object) -> bytes:
    """The digest of what was asked for, from everything that makes a difference."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).digest()


def repeated(connection: Connection, asker: Asker) -> Row[Any] | None:
    """The operation that was asked for with this key before, None where there is none or no key.

    Errors: `InvalidRequestError` when something else was asked for with it, `StateError` when that has not finished.
    """
    if asker.key is None:
        return None
    asked = operation.c
    row = connection.execute(
        select(operation).where(asked.actor == asker.actor, asked.key == asker.key)
    ).one_or_none()
    if row is None:
        return None
    if row.digest != asker.digest:
        raise InvalidRequestError(
            "this Idempotency-Key was used for another request: take a new one for each change",
            code="idempotency-key-reused",
        )
    if row.finished_at is None:
        raise StateError(
            f"operation {row.id} with this Idempotency-Key is not finished: ask again, or look at /operations/{row.id}",
            code="idempotency-key-in-flight",
        )
    return row


def under_way(connection: Connection, asker: Asker) -> Row[Any] | None:
    """The first step of what the same principal asked for, while that has not ended."""
    asked = operation.c
    query = select(operation).where(
        asked.finished_at.is_(None),
        asked.actor == asker.actor,
        asked.digest == asker.digest,
        asked.follows.is_(None),
    )
    return connection.execute(query.order_by(asked.id).limit(1)).one_or_none()


def record(
    connection: Connection, plans: Sequence[tuple[Steps, Asker]], batch: Batch
) -> list[list[Row[Any]]]:
    """Write the rows of plans, one for each step, and put their entries into a batch, which is appended last."""
    flat = [(intent, asker, place == 0) for steps, asker in plans for place, intent in enumerate(steps)]
    of_registry: dict[int, list[int]] = {}
    for place, (intent, _, _) in enumerate(flat):
        of_registry.setdefault(intent.registry_id, []).append(place)
    rows: dict[int, Row[Any]] = {}
    for registry_id, places in of_registry.items():
        values = [_values(*flat[place]) for place in places]
        written = insert_all_dated(connection, operation, values, registry_id=registry_id)
        rows |= zip(places, written, strict=True)
    of_plan: list[list[Row[Any]]] = []
    for place, (intent, asker, is_first) in enumerate(flat):
        if is_first:
            of_plan.append([])
        else:
            _chain(connection, rows[place - 1].id, rows[place].id)
        of_plan[-1].append(rows[place])
        _tell(batch, intent, asker, rows[place])
    return of_plan


def _chain(connection: Connection, first: int, then: int) -> None:
    connection.execute(update(operation).where(operation.c.id == then).values(follows=first))


def _values(intent: Intent, asker: Asker, is_first: bool) -> dict[str, Any]:
    """Of a plan, the first step has the key: whoever repeats it is told of that one."""
    at = now()
    before = None if intent.before is None else msgspec.json.encode(intent.before).decode()
    return {
        "registry_id": intent.registry_id,
        "actor": asker.actor,
        "kind": kind_of(intent.wanted),
        "ref": str(intent.ref),
        "wanted": to_json(intent.wanted),
        "target_kind": intent.target.kind,
        "target_id": intent.target_id,
        "native_id": intent.target.native_id,
        "ordering_key": intent.ref.model,
        "etag": intent.etag,
        "token": f"waypost-{secrets.token_hex(12)}",
        "key": asker.key if is_first else None,
        "digest": asker.digest,
        "state": "queued",
        "tries": 0,
        "due_at": at,
        "before": before,
        "requested_at": at,
    }


def _tell(batch: Batch, intent: Intent, asker: Asker, row: Row[Any]) -> None:
    plain, withheld = told(intent.wanted)
    batch.record(
        Entry(
            action=Action.OPERATION_REQUESTED,
            actor=asker.actor,
            ref=str(intent.ref),
            registry=intent.registry,
            targets={} if intent.target_id is None else {intent.target.kind: intent.target_id},
            details={"operation": row.id, "kind": row.kind, **plain},
            commitments=batch.withhold(withheld),
        ),
        intent.registry_id,
    )


def forget_keys(connection: Connection) -> None:
    """Forget the keys of operations that ended long ago; the operations themselves stay."""
    asked = operation.c
    connection.execute(
        update(operation)
        .where(asked.key.is_not(None), asked.finished_at < now() - KEYS_KEPT)
        .values(key=None)
    )
