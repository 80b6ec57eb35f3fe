"""A promotion inside the transaction that locks it: each change of its row with its journal entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from federation import tables
from federation.database import now
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.promotions.judgement import Judgement
from federation.promotions.tables import OPEN, promotion, voice

ENDS = {
    "done": Action.PROMOTION_DONE,
    "failed": Action.PROMOTION_FAILED,
    "void": Action.PROMOTION_VOID,
    "rejected": Action.PROMOTION_REJECTED,
    "expired": Action.PROMOTION_EXPIRED,
    "cancelled": Action.PROMOTION_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class OpenedPromotion:
    """A promotion that is being changed: its row is locked, so nobody else changes it until the transaction ends."""

    connection: Connection
    batch: Batch
    row: Row[Any]
    """Of the promotion, with its registry's name."""

    @classmethod
    def of(cls, connection: Connection, batch: Batch, promotion_id: int) -> "OpenedPromotion | None":
        """Lock one; None: there is none."""
        query = (
            select(promotion, tables.registry.c.name.label("registry"))
            .join(tables.registry, tables.registry.c.id == promotion.c.registry_id)
            .where(promotion.c.id == promotion_id)
        )
        row = connection.execute(query.with_for_update(of=promotion)).one_or_none()
        return None if row is None else cls(connection, batch, row)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.row.state in OPEN

    def change(self, **values: Any) -> None:
        """Write some columns."""
        self.connection.execute(update(promotion).where(promotion.c.id == self.row.id).values(values))

    def later(self, at: datetime) -> None:
        """Look again then."""
        self.change(due_at=at)

    def tell(
        self,
        action: Action,
        actor: str = SYSTEM,
        *,
        details: Mapping[str, Any] | None = None,
        withheld: Mapping[str, str | None] | None = None,
    ) -> None:
        """The entry of one step."""
        row = self.row
        entry = Entry(
            action=action,
            actor=actor,
            ref=row.ref,
            registry=row.registry,
            targets={"version": row.version_id, "model": row.model_id},
            details={"promotion": row.id, "kind": row.kind, "to": row.to_stage, **(details or {})},
            commitments=self.batch.withhold(withheld or {}),
        )
        self.batch.record(entry, row.registry_id)

    def say(self, principal: str, kind: str, words: str, at: datetime, evidence: str = "") -> None:
        """Keep what somebody says."""
        values = {"principal": principal, "kind": kind, "words": words, "evidence": evidence, "at": at}
        self.connection.execute(insert(voice).values(promotion_id=self.row.id, **values))

    def end(
        self,
        state: str,
        message: str = "",
        *,
        actor: str = SYSTEM,
        details: Mapping[str, Any] | None = None,
        review: str = "",
    ) -> None:
        """It has ended. `message` may name people, so the entry only commits to it."""
        self.change(state=state, message=message, finished_at=now(), review=review)
        self.tell(ENDS[state], actor, details=details, withheld={"message": message or None})

    def void(self, changed: list[str]) -> str:
        """It has ended, for this is not as it was approved. Returns that in words."""
        message = f"what was approved is no longer so: {', '.join(changed)}"
        self.end("void", message, details={"changed": changed})
        return message


def told(judged: Judgement) -> dict[str, Any]:
    """What an entry says of the evidence: its digest, and those of the policies."""
    policies = {policy.name: policy.digest for policy, _ in judged.demands}
    return {"evidence": judged.digest, "policies": policies}
