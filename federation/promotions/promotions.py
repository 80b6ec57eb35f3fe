"""Promotions as the gateway asks for them: what a policy asks, proposing, agreeing, and the way back.

What is written here are proposals and what people say to them; the worker carries them out (`execution`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from adapters import Discovered
from federation.access import Permission, Principal, View
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.models import read_model
from federation.catalogue.reader import Version, is_bare
from federation.database import now, reading, writing
from federation.errors import DeniedError, InvalidRequestError, PreconditionError, StateError
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.operations.admission import WriteTargets
from federation.operations.wanted import check_text
from federation.policies.policy import STAGES, read_duration
from federation.promotions import entries
from federation.promotions.agreement import Need
from federation.promotions.checks import CheckReport, CheckResult
from federation.promotions.history import predecessor
from federation.promotions.judgement import Judge, Judgement, Proposal, Voice
from federation.promotions.people import People
from federation.promotions.reader import (
    ChosenPromotions,
    Promotion,
    proposal_of,
    read_promotion,
    read_promotions,
)
from federation.promotions.tables import promotion, report, voice
from federation.references import Reference

if TYPE_CHECKING:
    from federation.graph.graph import Graph

__all__ = [
    "CheckReport",
    "CheckResult",
    "ChosenPromotions",
    "Judgement",
    "Need",
    "Promotion",
    "Promotions",
    "ShownPromotion",
    "Voice",
]
LONGEST = 4000
"""Characters of a reason or comment."""
MOST_WAITING = 200
"""Of so many of the newest it is looked whom they wait for."""
PROPOSED_FOR = timedelta(hours=72)
"""How long a proposal waits that no policy is about."""
Word = Literal["comment", "approve", "reject", "cancel", "review"]


@dataclass(frozen=True, slots=True)
class ShownPromotion:
    """A promotion with what is asked of it now; None where it has ended. `names`: what principals are called."""

    promotion: Promotion
    judgement: Judgement | None
    names: Mapping[str, str]


class Promotions:
    """The face of this room. Safe to share between threads. `wrote` is called after each commit, for the worker."""

    def __init__(
        self,
        engine: Engine,
        adapters: Discovered,
        graph: "Callable[[], Graph]",
        wrote: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._graph = graph
        self._adapters = adapters
        self._tell = wrote

    def plan(self, principal: Principal, reference: Reference, stage: str) -> Judgement:
        """Every check of a promotion that nobody has proposed. Errors: `UnknownError`, `GoneError`,
        `InvalidRequestError`.
        """
        _check_stage(stage)
        with reading(self._engine) as connection:
            version = _version(connection, principal.view, reference)
            judged = self._judge(connection).judge(Proposal(version, stage, "promotion", principal.id))
            return judged.within(principal.view)

    def propose(
        self, principal: Principal, reference: Reference, stage: str, reason: str, *, emergency: bool = False
    ) -> ShownPromotion:
        """Propose to bring a version to a stage. In an emergency it is carried out at once, and is to be reviewed.

        Errors: as `plan`, `DeniedError`, `StateError`.
        """
        _check_stage(stage)
        kind = "emergency" if emergency else "promotion"
        with writing(self._engine) as connection:
            version = _version(connection, principal.view, reference)
            proposal = Proposal(version, stage, kind, principal.id)
            needed = Permission.EMERGENCY if emergency else Permission.TAG
            principal.require(needed, version.registry_id, f"registry {version.registry}")
            made = self._propose(connection, principal, proposal, reason)
        self._tell()
        return self.show(principal.view, made)

    def roll_back(
        self, principal: Principal, reference: Reference, reason: str, *, to: str | None = None, stage: str
    ) -> ShownPromotion:
        """Bring back the version that held a stage before. Errors: `UnknownError`, `StateError`, `DeniedError`."""
        _check_stage(stage)
        with writing(self._engine) as connection:
            base = Reference(reference.registry, reference.model)
            model = read_model(connection, principal.view, base, newest=0)
            version, _ = predecessor(connection, model, stage, to)
            proposal = Proposal(version, stage, "rollback", principal.id)
            made = self._propose(connection, principal, proposal, reason)
        self._tell()
        return self.show(principal.view, made)

    def say(
        self, principal: Principal, promotion_id: int, word: Word, words: str, evidence: str | None = None
    ) -> ShownPromotion:
        """Comment, approve, reject, cancel or review. `evidence` is the digest of what was looked at.

        Errors: `UnknownError`, `DeniedError`, `StateError`, `PreconditionError`, `InvalidRequestError`.
        """
        _check_words(words, needed=word in ("comment", "reject", "review"))
        refusal: StateError | None = None
        with writing(self._engine) as connection:
            found, _ = read_promotion(connection, principal.view, promotion_id)
            row = entries.locked(connection, found.id)
            assert row is not None
            desk = _Desk(
                connection, self._judge(connection), Batch(), row, found.registry, found.team, principal
            )
            try:
                desk.take(word, words, evidence)
            except _VoidError as error:  # that it is void is written down all the same
                refusal = StateError(str(error), code="void")
            desk.batch.append(connection)
        self._tell()
        if refusal is not None:
            raise refusal
        return self.show(principal.view, promotion_id)

    def report(self, principal: Principal, promotion_id: int, given: CheckReport) -> ShownPromotion:
        """What an outside system says about one of its checks. Errors: `UnknownError`, `DeniedError`, `StateError`."""
        with writing(self._engine) as connection:
            found, _ = read_promotion(connection, principal.view, promotion_id)
            principal.require(Permission.ATTEST, found.registry_id, f"registry {found.registry}")
            row = entries.locked(connection, found.id)
            assert row is not None
            proposal = proposal_of(connection, row)
            if not entries.is_open(row) or row.state == "executing" or proposal is None:
                raise StateError(f"promotion {row.id} is {row.state}: nothing more is checked", code="ended")
            asked = self._judge(connection).judge(proposal)
            names = {name for policy, _ in asked.demands for name in policy.require_checks}
            if given.name not in names:
                wanted = ", ".join(sorted(names)) or "none"
                raise StateError(f"no policy asks for the check {given.name!a}: asked for are {wanted}")
            batch = Batch()
            _keep(connection, row, given, proposal.version.record.artifact_digest or "", principal)
            details = {"check": given.name, "verdict": given.verdict}
            entries.tell(batch, row, found.registry, Action.PROMOTION_CHECKED, principal.id, details=details)
            entries.later(connection, row, now())
            batch.append(connection)
        self._tell()
        return self.show(principal.view, promotion_id)

    def show(self, view: View, promotion_id: int) -> ShownPromotion:
        """A promotion as it stands. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            row, found = read_promotion(connection, view, promotion_id)
            proposal = proposal_of(connection, row) if row.state in ("waiting", "approved") else None
            judge = self._judge(connection)
            judged = None if proposal is None else judge.judge(proposal).within(view)
            principals = {found.proposer, *(one.principal for one in found.voices)}
            return ShownPromotion(
                found, judged, {one: judge.people.display(one) for one in sorted(principals)}
            )

    def waiting_for(self, principal: Principal) -> Sequence[Promotion]:
        """The open promotions, of the newest, that this person could approve now, newest first."""
        with reading(self._engine) as connection:
            judge, found = self._judge(connection), []
            for one in read_promotions(connection, principal.view, ChosenPromotions("waiting"), MOST_WAITING):
                row, _ = read_promotion(connection, principal.view, one.id)
                proposal = proposal_of(connection, row)
                if proposal is not None and _waits_for(judge, proposal, principal.id):
                    found.append(one)
            return found

    def to_review(self) -> int:
        """How many emergencies nobody else has looked at."""
        query = select(func.count()).where(promotion.c.review == "open")
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def unsatisfiable(self) -> list[str]:
        """A line for each policy that asks for more people than could agree to it, as far as is known."""
        from federation.promotions.satisfiable import lines

        with reading(self._engine) as connection:
            return lines(connection, WriteTargets(self._adapters).policies(connection), People(connection))

    def list(self, view: View, chosen: ChosenPromotions, limit: int) -> list[Promotion]:
        """Promotions, newest first."""
        with reading(self._engine) as connection:
            return read_promotions(connection, view, chosen, limit)

    def _judge(self, connection: Connection) -> Judge:
        return Judge(connection, WriteTargets(self._adapters), People(connection), now(), self._graph)

    def _propose(self, connection: Connection, principal: Principal, proposal: Proposal, reason: str) -> int:
        """Write a proposal down; its id. Errors: `StateError`, `DeniedError`, `InvalidRequestError`."""
        _check_words(reason, needed=True)
        version = proposal.version
        judge = self._judge(connection)
        judged = judge.judge(proposal)
        _require_way(judged)
        _require_may(judge, principal, judged)
        open_one = connection.execute(
            select(promotion.c.id).where(
                promotion.c.version_id == version.id,
                promotion.c.to_stage == proposal.stage,
                promotion.c.finished_at.is_(None),
            )
        ).scalar()
        if open_one is not None and proposal.kind == "promotion":
            raise StateError(f"promotion {open_one} proposes the same already", code="already-proposed")
        at = now()
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
            "proposer": principal.id,
            "reason": reason,
            "message": "",
            "review": "",
            "proposed_at": at,
            "expires_at": at + expires,
            "due_at": at,
            "steps": "[]",
            "replaced": "[]",
            "undone": "[]",
        }
        row = insert_dated(connection, promotion, values, registry_id=version.registry_id)
        batch = Batch()
        entries.tell(
            batch,
            row,
            version.registry,
            Action.PROMOTION_PROPOSED,
            principal.id,
            details=entries.told(judged),
            withheld={"reason": reason},
        )
        batch.append(connection)
        return int(row.id)


class _VoidError(Exception):
    """What was approved is no longer so."""


@dataclass(slots=True)
class _Desk:
    """One thing said to one promotion, inside the transaction that locks it."""

    connection: Connection
    judge: Judge
    batch: Batch
    row: Row[Any]
    registry: str
    team: str
    principal: Principal

    def take(self, word: Word, words: str, evidence: str | None) -> None:
        """Errors: `DeniedError`, `StateError`, `PreconditionError`, `_VoidError`."""
        match word:
            case "comment":
                self._write("comment", words, Action.PROMOTION_COMMENTED)
            case "review":
                self._review(words)
            case "cancel":
                self._cancel(words)
            case "approve" | "reject":
                self._vote(word, words, evidence)

    def _review(self, words: str) -> None:
        if self.row.review != "open":
            raise StateError(f"promotion {self.row.id} waits for no review", code="nothing-to-review")
        people = self.judge.people
        self.principal.require(Permission.CHANGE, self.row.registry_id, f"registry {self.registry}")
        if people.person(self.principal.id) == people.person(self.row.proposer):
            raise DeniedError("review", "what you did yourself: somebody else closes it")
        entries.change(self.connection, self.row, review="closed")
        self._write("review", words, Action.PROMOTION_REVIEWED)

    def _cancel(self, words: str) -> None:
        self._require_open()
        people = self.judge.people
        if people.person(self.principal.id) != people.person(self.row.proposer):
            self.principal.require(Permission.CHANGE, self.row.registry_id, f"registry {self.registry}")
        self._write("cancel", words, None)
        entries.end(
            self.connection, self.batch, self.row, self.registry, "cancelled", words, actor=self.principal.id
        )

    def _vote(self, word: str, words: str, evidence: str | None) -> None:
        self._require_open()
        proposal = proposal_of(self.connection, self.row)
        if proposal is None:
            raise StateError(f"{self.row.ref} was deleted", code="deleted")
        judged = self.judge.judge(proposal)
        if changed := judged.changed():
            message = f"what was approved is no longer so: {', '.join(changed)}"
            entries.end(
                self.connection, self.batch, self.row, self.registry, "void", message,
                details={"changed": changed},
            )  # fmt: skip
            raise _VoidError(f"promotion {self.row.id} is void: {message}. Propose it again")
        if evidence is not None and evidence != judged.digest:
            raise PreconditionError("the evidence is another one than was shown: look at it again")
        mine = Voice(0, self.principal.id, "approve", words, judged.canonical, self.judge.at)
        self._require_eligible(proposal, judged, mine, word)
        if word == "reject":
            self._write("reject", words, None)
            entries.end(
                self.connection, self.batch, self.row, self.registry, "rejected", words,
                actor=self.principal.id,
            )  # fmt: skip
            return
        if judged.refused:
            first = judged.within(self.principal.view).refused[0]
            raise StateError(
                f"nobody can approve this while {first.name} says {first.verdict}: {first.seen}",
                code="refused",
            )
        self._write("approve", words, Action.PROMOTION_AGREED, judged)
        entries.later(self.connection, self.row, self.judge.at)

    def _require_eligible(self, proposal: Proposal, judged: Judgement, mine: Voice, word: str) -> None:
        """Errors: `DeniedError`, `StateError` where this person approved already or nobody more is asked for."""
        people = self.judge.people
        person = people.person(mine.principal)
        said = {people.person(one.principal) for one in proposal.voices if one.kind == "approve"}
        if word == "approve" and person in said:
            raise StateError("you approved this already: a person counts once", code="already-approved")
        if not self.judge.could_agree(proposal, mine.principal):
            asked = "; ".join(f"{need.count} of {need.whom}" for need in judged.needs) or "nobody"
            out = sorted({word for policy, _ in judged.demands for word in policy.separate})
            but = f", and not the {' or '.join(out)}" if out else ""
            raise DeniedError("approve", f"promotion {self.row.id}, which asks for {asked}{but}")
        if word == "approve" and judged.is_agreed:
            raise StateError("everybody who must agree did already", code="agreed")

    def _require_open(self) -> None:
        if self.row.state not in ("waiting", "approved"):
            raise StateError(f"promotion {self.row.id} is {self.row.state}", code="ended")

    def _write(self, kind: str, words: str, action: Action | None, judged: Judgement | None = None) -> None:
        values = {
            "promotion_id": self.row.id,
            "principal": self.principal.id,
            "kind": kind,
            "words": words,
            "evidence": "" if judged is None else judged.canonical,
            "at": self.judge.at,
        }
        self.connection.execute(insert(voice).values(values))
        if action is not None:
            details = {} if judged is None else entries.told(judged)
            entries.tell(
                self.batch, self.row, self.registry, action, self.principal.id,
                details=details, withheld={"words": words or None},
            )  # fmt: skip


def _waits_for(judge: Judge, proposal: Proposal, principal: str) -> bool:
    """Whether a person could approve it now, and did not."""
    people = judge.people
    said = {people.person(one.principal) for one in proposal.voices if one.kind == "approve"}
    if people.person(principal) in said:
        return False
    judged = judge.judge(proposal)
    return not judged.refused and not judged.is_agreed and judge.could_agree(proposal, principal)


def _keep(
    connection: Connection, row: Row[Any], given: CheckReport, digest: str, principal: Principal
) -> None:
    if given.digest and given.digest != digest:
        raise StateError(f"{row.ref} has the artifact {digest or 'unknown'}, not {given.digest[:200]}")
    connection.execute(delete(report).where(report.c.promotion_id == row.id, report.c.name == given.name))
    values = {
        "promotion_id": row.id,
        "name": given.name,
        "verdict": given.verdict,
        "url": given.url,
        "figures": msgspec.json.encode(given.figures).decode(),
        "digest": digest,
        "principal": principal.id,
        "at": given.at,
    }
    connection.execute(insert(report).values(values))


def _version(connection: Connection, view: View, reference: Reference) -> Version:
    """Errors: `UnknownError`, `GoneError`, `InvalidRequestError` for a bare model."""
    if is_bare(reference):
        raise InvalidRequestError("say which version: registry/model:version, …@alias or …@stage:staging")
    return find_or_read_version(connection, view, reference)


def _require_way(judged: Judgement) -> None:
    """Errors: `StateError` where the stage cannot be written, or is so already."""
    if judged.plan is None:
        wrong = next(one for one in judged.checks if one.name == "plan")
        raise StateError(wrong.seen, code=str(wrong.facts))
    if judged.is_so_already:
        version = judged.proposal.version
        raise StateError(f"{version.reference} is {version.stage} already", code="nothing-to-do")


def _require_may(judge: Judge, principal: Principal, judged: Judgement) -> None:
    """Where no policy has a say the role decides, as for any change; a rollback is for those that its policy names.

    Errors: `DeniedError`.
    """
    version, kind = judged.proposal.version, judged.proposal.kind
    if kind == "emergency":
        return
    if not judged.demands:
        principal.require(Permission.CHANGE, version.registry_id, f"registry {version.registry}")
    for policy, _ in judged.demands if kind == "rollback" else ():
        among = policy.rollback.among
        if not judge.people.may(principal.id, among, version.registry, version.team):
            raise DeniedError("rollback", f"{version.model} (policy {policy.name} names {', '.join(among)})")


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise InvalidRequestError(f"a stage is one of {', '.join(STAGES)}, not {stage[:40]!a}")


def _check_words(words: str, *, needed: bool) -> None:
    if needed and not words.strip():
        raise InvalidRequestError("say why, in words")
    if len(words) > LONGEST:
        raise InvalidRequestError(f"at most {LONGEST} characters")
    check_text({"words": words})


def reported(name: str, verdict: str, url: str, figures: Mapping[str, float], digest: str) -> CheckReport:
    """A report as it comes in, of this moment."""
    at: datetime = now()
    return CheckReport(name, verdict, url, figures, digest, "", at)
