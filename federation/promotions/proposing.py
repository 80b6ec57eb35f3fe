"""Writing a proposal down."""

from datetime import timedelta

from sqlalchemy import Connection

from federation.database import now
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.policies.policy import read_duration
from federation.promotions.judgement import Judgement
from federation.promotions.opened import OpenedPromotion, told
from federation.promotions.tables import promotion

PROPOSED_FOR = timedelta(hours=72)
"""How long a proposal waits that no policy is about."""


def write_proposal(
    connection: Connection, batch: Batch, judged: Judgement, reason: str, into_id: int | None = None
) -> int:
    """Its row, with the entry in a batch; the id."""
    proposal, at = judged.proposal, now()
    version = proposal.version
    whole = [policy for policy, is_whole in judged.demands if is_whole]
    expires = min((read_duration(policy.expires) for policy in whole), default=PROPOSED_FOR)
    values = {
        "registry_id": version.registry_id,
        "model_id": version.model_id,
        "version_id": version.id,
        "ref": str(version.reference),
        "to_stage": proposal.stage,
        "kind": proposal.kind,
        "state": "waiting",
        "proposer": proposal.proposer,
        "reason": reason,
        "message": "",
        "review": "",
        "proposed_at": at,
        "expires_at": at + expires,
        "due_at": at,
        "steps": "[]",
        "replaced": "[]",
        "undone": "[]",
        "into_id": into_id,
        "crossing": None if proposal.crossing is None else proposal.crossing.to_json(),
    }
    row = insert_dated(connection, promotion, values, registry_id=version.registry_id)
    opened = OpenedPromotion.of(connection, batch, row.id)
    assert opened is not None
    action = Action.PROMOTION_PROPOSED
    opened.tell(action, proposal.proposer, details=told(judged), withheld={"reason": reason})
    return int(row.id)
