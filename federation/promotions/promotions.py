"""Promotions as the gateway asks for them: what a policy asks, proposing, agreeing, and the way back.

What is written here are proposals and what people say to them; the worker carries them out (`execution`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from adapters import Discovered
from federation.access import Permission, Principal, View
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.models import read_model
from federation.catalogue.reader import Version, is_bare
from federation.database import now, reading, writing
from federation.errors import DeniedError, InvalidRequestError, StateError, UnknownError
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.operations.admission import WriteTarget, WriteTargets, place_of
from federation.operations.wanted import check_text
from federation.promotions.agreement import Need
from federation.promotions.case import CheckReport, CheckResult
from federation.promotions.crossing import Crossing, arrived, carried, destinations, no_destination
from federation.promotions.history import predecessor
from federation.promotions.judgement import Judge, Judgement, Proposal, SurveyedVersion, Voice, judge_of
from federation.promotions.opened import OpenedPromotion
from federation.promotions.people import People
from federation.promotions.proposing import write_proposal
from federation.promotions.reader import (
    ChosenPromotions,
    Promotion,
    PromotionOrigin,
    origin_of,
    proposal_of,
    read_in_order,
    read_promotion,
    read_promotions,
    read_reports,
    read_voices,
    shares_now,
)
from federation.promotions.responses import PromotionResponse, VoidError, Word
from federation.promotions.tables import promotion, report
from federation.references import STAGES, Reference, parse
from federation.registries.configured import lock
from federation.registries.states import read_registry

if TYPE_CHECKING:
    from federation.graph.graph import Graph

__all__ = [
    "CheckReport",
    "CheckResult",
    "ChosenPromotions",
    "Judgement",
    "Need",
    "Promotion",
    "PromotionOrigin",
    "Promotions",
    "ShownPromotion",
    "SurveyedVersion",
    "Voice",
    "Word",
]
LONGEST = 4000
"""Characters of a reason or comment."""
MOST_WAITING = 200
"""Of so many of the newest it is looked whom they wait for."""


@dataclass(frozen=True, slots=True)
class ShownPromotion:
    """A promotion with what was said to it, and what is asked of it now; None where it has ended. `names`: what
    principals are called. `origin`: what it goes on from, from another registry. `shares`: what the version has
    now of the traffic that a rollout moves, by endpoint.
    """

    promotion: Promotion
    voices: Sequence[Voice]
    reports: Sequence[CheckReport]
    judgement: Judgement | None
    names: Mapping[str, str]
    origin: PromotionOrigin | None
    shares: Mapping[str, float]


class Promotions:
    """The face of this room. Safe to share between threads. `wrote` is called after each commit, for the worker;
    `carried` are the tags, with wildcards, that go along to another registry.
    """

    def __init__(
        self,
        engine: Engine,
        adapters: Discovered,
        graph: "Callable[[], Graph]",
        wrote: Callable[[], None] = lambda: None,
        carried: Sequence[str] = ("*",),
    ) -> None:
        self._engine = engine
        self._carried = carried
        self._graph = graph
        self._adapters = adapters
        self._tell = wrote

    def plan(
        self, principal: Principal, reference: Reference, stage: str, *, into: str | None = None
    ) -> Judgement:
        """Every check of a promotion that nobody has proposed; `into`: what registering it there would do. Errors:
        `UnknownError`, `GoneError`, `InvalidRequestError`.
        """
        _check_stage(stage)
        with reading(self._engine) as connection:
            version, judge = _version(connection, principal.view, reference), self._judge(connection)
            proposal = Proposal(version, stage, "promotion", principal.id)
            if into is not None:
                proposal, _ = self._crossing(judge, principal, proposal, into)
            return judge.who_could(judge.judge(proposal)).within(principal.view)

    def survey(
        self, view: View, stage: str, under: str, after: Reference | None, limit: int
    ) -> tuple[list[SurveyedVersion], Reference | None]:
        """What the policies that guard a stage say of each version that they are on, in the order of names: of a
        registry or model, or (empty) of all. At most `limit` versions are looked at; the last of them is from where to
        go on, where there are more. Errors: `InvalidRequestError`.
        """
        _check_stage(stage)
        with reading(self._engine) as connection:
            judge = self._judge(connection)
            versions = read_in_order(connection, view, under, after, limit)
            found = (judge.survey(one, stage) for one in versions)
            onward = versions[-1].reference if len(versions) == limit else None
            return [one.within(view) for one in found if one is not None], onward

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

    def propose_into(
        self, principal: Principal, reference: Reference, into: str, stage: str, reason: str
    ) -> ShownPromotion:
        """Register a version in another registry (`into`, or a model there), and propose it for a stage there. Asked
        again it is the same promotion, and the same version as long as that lives. Errors: as `propose`.
        """
        _check_stage(stage)
        with writing(self._engine) as connection:
            version = _version(connection, principal.view, reference)
            proposal = Proposal(version, stage, "promotion", principal.id)
            proposal, place = self._crossing(self._judge(connection), principal, proposal, into)
            assert proposal.crossing is not None
            name = f"registry {place.row.name}"
            principal.require(Permission.REGISTER, place.row.id, name)
            if stage != "none":
                principal.require(Permission.CHANGE, place.row.id, name)
            lock(connection, place.row.id)  # asked twice at once, it is one promotion all the same
            before = arrived(connection, version, place.row.id, proposal.crossing.model)
            if before is None:
                made = self._propose(connection, principal, proposal, reason, place.row.id)
            elif stage in ("none", before.to_stage):
                made = before.id
            else:
                raise StateError(
                    f"promotion {before.id} registers it there already: promote what it makes to {stage}",
                    code="already-proposed",
                )
        self._tell()
        return self.show(principal.view, made)

    def _crossing(
        self, judge: Judge, principal: Principal, proposal: Proposal, into: str
    ) -> tuple[Proposal, WriteTarget]:
        """What registers a version elsewhere. Errors: `UnknownError`, `StateError`, `InvalidRequestError`."""
        name, _, model = into.partition("/")
        version = proposal.version
        try:
            registry = read_registry(judge.connection, principal.view, name)
        except UnknownError:
            raise no_destination(destinations(judge.connection, principal.view, version)) from None
        if registry.id == version.registry_id:
            raise InvalidRequestError(f"{version.reference} is in registry {registry.name} already")
        place = place_of(judge.connection, registry.id, judge.places)
        target = parse(into).model if model else version.model
        tags = carried(version, place, self._carried)
        crossing = Crossing(into=registry.name, model=target, tags=tags)
        return replace(proposal, kind="crossing", crossing=crossing), place

    def destinations(self, view: View, reference: Reference) -> list[str]:
        """The other registries in which a version may be registered, by name. Errors: `UnknownError`, `GoneError`."""
        with reading(self._engine) as connection:
            return destinations(connection, view, _version(connection, view, reference))

    def plan_back(self, view: View, reference: Reference, *, to: str | None = None, stage: str) -> Judgement:
        """What a rollback would do, and whom it would ask. Errors: as `roll_back`, but for `DeniedError`."""
        _check_stage(stage)
        with reading(self._engine) as connection:
            proposal = self._way_back(connection, view, reference, to, stage, "")
            return self._judge(connection).judge(proposal).within(view)

    def roll_back(
        self, principal: Principal, reference: Reference, reason: str, *, to: str | None = None, stage: str
    ) -> ShownPromotion:
        """Bring back the version that held a stage before. Errors: `UnknownError`, `StateError`, `DeniedError`."""
        _check_stage(stage)
        with writing(self._engine) as connection:
            proposal = self._way_back(connection, principal.view, reference, to, stage, principal.id)
            made = self._propose(connection, principal, proposal, reason)
        self._tell()
        return self.show(principal.view, made)

    @staticmethod
    def _way_back(
        connection: Connection, view: View, reference: Reference, to: str | None, stage: str, proposer: str
    ) -> Proposal:
        if reference != Reference(reference.registry, reference.model):
            raise InvalidRequestError(
                "a model is rolled back: name it without version or alias; `to` is the version to go back to"
            )
        model = read_model(connection, view, reference, newest=0)
        version, _ = predecessor(connection, model, stage, to)
        return Proposal(version, stage, "rollback", proposer)

    def say(
        self, principal: Principal, promotion_id: int, word: Word, words: str, evidence: str | None = None
    ) -> ShownPromotion:
        """Comment, approve, reject, cancel, review, or stop a rollout. `evidence` is the digest of what was looked at.

        Errors: `UnknownError`, `DeniedError`, `StateError`, `PreconditionError`, `InvalidRequestError`.
        """
        _check_words(words, needed=word in ("comment", "reject", "review", "stop"))
        refusal: StateError | None = None
        with writing(self._engine) as connection:
            opened, _ = self._opened(connection, principal, promotion_id)
            response = PromotionResponse(opened, self._judge(connection), principal)
            try:
                response.give(word, words, evidence)
            except VoidError as error:  # that it is void is written down all the same
                refusal = StateError(str(error), code="void")
            opened.batch.append(connection)
        self._tell()
        if refusal is not None:
            raise refusal
        return self.show(principal.view, promotion_id)

    def report(self, principal: Principal, promotion_id: int, given: CheckReport) -> ShownPromotion:
        """What an outside system says about one of its checks. Errors: `UnknownError`, `DeniedError`, `StateError`."""
        with writing(self._engine) as connection:
            opened, row = self._opened(connection, principal, promotion_id)
            principal.require(Permission.ATTEST, row.registry_id, f"registry {row.registry}")
            proposal = proposal_of(connection, row)
            if not opened.is_open or row.state == "executing" or proposal is None:
                raise StateError(f"promotion {row.id} is {row.state}: nothing more is checked", code="ended")
            asked = self._judge(connection).judge(proposal)
            names = {name for policy, _ in asked.demands for name in policy.require_checks}
            if given.name not in names:
                wanted = ", ".join(sorted(names)) or "none"
                raise StateError(f"no policy asks for the check {given.name!a}: asked for are {wanted}")
            _keep(connection, row, given, proposal.version.record.artifact_digest or "", principal)
            details = {"check": given.name, "verdict": given.verdict}
            opened.tell(Action.PROMOTION_CHECKED, principal.id, details=details)
            opened.later(now())
            opened.batch.append(connection)
        self._tell()
        return self.show(principal.view, promotion_id)

    def show(self, view: View, promotion_id: int) -> ShownPromotion:
        """A promotion as it stands. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            row, found = read_promotion(connection, view, promotion_id)
            proposal = proposal_of(connection, row) if row.state in ("waiting", "approved") else None
            judge = self._judge(connection)
            judged = None
            if proposal is not None:
                judged = judge.who_could(judge.judge(proposal)).within(view)
            voices, reports = read_voices(connection, row.id), read_reports(connection, row.id)
            principals = sorted({found.proposer, *(one.principal for one in voices)})
            names = {one: judge.people.display(one) for one in principals}
            origin = origin_of(connection, view, row)
            shares = shares_now(connection, row, found.rollout)
            return ShownPromotion(found, voices, reports, judged, names, origin, shares)

    def waiting_for(self, principal: Principal) -> Sequence[Promotion]:
        """The open promotions, of the newest, that this person could approve now, newest first."""
        with reading(self._engine) as connection:
            judge, found = self._judge(connection), []
            for one in read_promotions(connection, principal.view, ChosenPromotions("waiting"), MOST_WAITING):
                row, _ = read_promotion(connection, principal.view, one.id)
                proposal = proposal_of(connection, row)
                if proposal is not None and judge.waits_for(proposal, principal.id):
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
        return judge_of(connection, self._adapters, self._graph)

    def _propose(
        self,
        connection: Connection,
        principal: Principal,
        proposal: Proposal,
        reason: str,
        into_id: int | None = None,
    ) -> int:
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
                promotion.c.into_id.is_not_distinct_from(into_id),
                promotion.c.finished_at.is_(None),
            )
        ).scalar()
        if open_one is not None and proposal.kind == "promotion":
            raise StateError(f"promotion {open_one} proposes the same already", code="already-proposed")
        batch = Batch()
        made = write_proposal(connection, batch, judged, reason, into_id)
        batch.append(connection)
        return made

    @staticmethod
    def _opened(
        connection: Connection, principal: Principal, promotion_id: int
    ) -> tuple[OpenedPromotion, Row[Any]]:
        """A promotion that a principal may see, locked, with its row. Errors: `UnknownError`."""
        read_promotion(connection, principal.view, promotion_id)
        opened = OpenedPromotion.of(connection, Batch(), promotion_id)
        assert opened is not None
        return opened, opened.row


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
    if judged.proposal.crossing is not None and judged.refused:
        raise StateError(judged.refused[0].seen, code="no-artifact")
    if judged.is_so_already:
        version = judged.proposal.version
        raise StateError(f"{version.reference} is {version.stage} already", code="nothing-to-do")


def _require_may(judge: Judge, principal: Principal, judged: Judgement) -> None:
    """Where no policy has a say the role decides, as for any change; a rollback is for those that its policy names.

    Errors: `DeniedError`.
    """
    version, kind = judged.proposal.version, judged.proposal.kind
    if kind in ("emergency", "crossing"):  # each takes a right of its own
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
