"""How a promotion's row changes: each change with its journal entry, in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from federation.database import now
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.promotions.judgement import Judgement
from federation.promotions.tables import OPEN, promotion

ENDS = {
    "done": Action.PROMOTION_DONE,
    "failed": Action.PROMOTION_FAILED,
    "void": Action.PROMOTION_VOID,
    "rejected": Action.PROMOTION_REJECTED,
    "expired": Action.PROMOTION_EXPIRED,
    "cancelled": Action.PROMOTION_CANCELLED,
}


def locked(connection: Connection, promotion_id: int) -> Row[Any] | None:
    """The row, which nobody else changes until this transaction ends."""
    query = select(promotion).where(promotion.c.id == promotion_id)
    return connection.execute(query.with_for_update()).one_or_none()


def change(connection: Connection, row: Row[Any], **values: Any) -> None:
    """Write some columns."""
    connection.execute(update(promotion).where(promotion.c.id == row.id).values(values))


def later(connection: Connection, row: Row[Any], at: datetime) -> None:
    """Look again then."""
    change(connection, row, due_at=at)


def tell(
    batch: Batch,
    row: Row[Any],
    registry: str,
    action: Action,
    actor: str = SYSTEM,
    *,
    details: Mapping[str, Any] | None = None,
    withheld: Mapping[str, str | None] | None = None,
) -> None:
    """The entry of one step."""
    entry = Entry(
        action=action,
        actor=actor,
        ref=row.ref,
        registry=registry,
        targets={"version": row.version_id, "model": row.model_id},
        details={"promotion": row.id, "kind": row.kind, "to": row.to_stage, **(details or {})},
        commitments=batch.withhold(withheld or {}),
    )
    batch.record(entry, row.registry_id)


def end(
    connection: Connection,
    batch: Batch,
    row: Row[Any],
    registry: str,
    state: str,
    message: str = "",
    *,
    actor: str = SYSTEM,
    details: Mapping[str, Any] | None = None,
    review: str = "",
) -> None:
    """The promotion has ended. `message` may name people, so the entry only commits to it."""
    change(connection, row, state=state, message=message, finished_at=now(), review=review)
    tell(batch, row, registry, ENDS[state], actor, details=details, withheld={"message": message or None})


def told(judged: Judgement) -> dict[str, Any]:
    """What an entry says of the evidence: its digest, and those of the policies."""
    policies = {policy.name: policy.digest for policy, _ in judged.demands}
    return {"evidence": judged.digest, "policies": policies}


def is_open(row: Row[Any]) -> bool:
    """Whether it has not ended."""
    return row.state in OPEN
