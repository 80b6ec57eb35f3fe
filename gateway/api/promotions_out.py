"""What the API takes and answers about policies and promotions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from federation.operations.operations import Meaning, StageChange
from federation.policies.policies import Standing, asks
from federation.promotions.promotions import (
    CheckReport,
    CheckResult,
    Judgement,
    Promotion,
    PromotionOrigin,
    ShownPromotion,
    SurveyedVersion,
    reported,
)
from federation.references import Reference
from gateway.api.operations_out import StepOut, steps_out
from gateway.meant import reference_meant
from gateway.names import with_names

if TYPE_CHECKING:
    from federation.access import Principal
    from gateway.waypost import Waypost

Stage = Literal["none", "staging", "production", "archived"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Words = Annotated[str, msgspec.Meta(max_length=4000)]
PromotionState = Literal[
    "open", "waiting", "approved", "executing", "stuck", "done", "failed", "void", "rejected", "expired",
    "cancelled",
]  # fmt: skip
MOST_FIGURES = 100


class PromotionIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is proposed: bring a version to a stage. `dry_run`: only say what would be asked for."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    to: Stage
    into: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)] | None = None
    """Another registry, or a model there, that it is registered in; the stage is proposed for it there then."""
    reason: Words = ""
    dry_run: bool = False
    emergency: bool = False
    """Carry it out at once; somebody else reviews it. Takes the permission `emergency`."""


class RollbackIn(msgspec.Struct, forbid_unknown_fields=True):
    """Bring back who held a stage of a model before; `to` names the version."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    """Its reference: registry/model."""
    reason: Words = ""
    to: Text | None = None
    """The version that comes back; null: who held the stage before."""
    stage: Stage = "production"
    dry_run: bool = False
    """Only say which version would come back, and what that changes."""


class WordsIn(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says. `evidence` is the digest of what was looked at: with another one by now nothing is said."""

    words: Words = ""
    evidence: Text | None = None


class ReportIn(msgspec.Struct, forbid_unknown_fields=True):
    """How an outside check ended. It counts for the artifact that the version has now; `digest` makes sure of it."""

    verdict: Literal["yes", "no", "unknown"]
    url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    figures: Annotated[dict[str, float], msgspec.Meta(max_length=MOST_FIGURES)] = {}
    digest: Annotated[str, msgspec.Meta(max_length=1000)] = ""

    def report(self, name: str) -> CheckReport:
        """The same for the face."""
        return reported(name, self.verdict, self.url, self.figures, self.digest)


class CheckOut(msgspec.Struct):
    """What one check says, and which policy asks for it."""

    name: str
    verdict: str
    expected: str
    seen: str
    source: str
    policy: str


class SurveyedOut(msgspec.Struct):
    """A version, the policies that guard the stage of it, and their checks that keep it back from there."""

    ref: str
    stage: str
    """That it has now."""
    policies: Sequence[str]
    refused: Sequence[CheckOut]


class SurveyOut(msgspec.Struct):
    """What policies say of each version that they are on, in the order of names."""

    to: str
    versions: list[SurveyedOut]
    next_cursor: str | None


class NeedOut(msgspec.Struct, rename={"among": "from"}):
    """So many different people out of these, and how many of them agreed."""

    policy: str
    count: int
    among: Sequence[str]
    given: int
    could: Sequence[str]
    """What those are called who could still agree, as far as people are known."""


class JudgementOut(msgspec.Struct):
    """What is asked of a promotion now. `says_no`: some check keeps it back."""

    ref: str
    version: str
    to: str
    policies: Mapping[str, str]
    """The policies that have a say, with their digests; none: the role decides."""
    says_no: bool
    checks: Sequence[CheckOut]
    needs: Sequence[NeedOut]
    waits_for: Sequence[str]
    """What is not there yet, one line each."""
    evidence: str
    """The digest of what an approval is bound to."""
    steps: Sequence[StepOut]
    """What is written on the backend."""
    stages: Sequence[StageChange]
    meanings: Sequence[Meaning]
    is_so_already: bool = False
    """Whether nothing would change: to propose it is refused."""


class VoiceOut(msgspec.Struct):
    """What somebody said: `kind` is comment, approve, reject, cancel, review or stop."""

    by: str
    name: str
    kind: str
    words: str
    at: datetime


class ProposedOut(Promotion):
    """A promotion, with what its proposer is called."""

    proposer_name: str = ""


class SeenOut(ProposedOut):
    """A promotion with what was said to it, and what is asked of it now while it waits."""

    said: Sequence[VoiceOut] = ()
    reports: Sequence[CheckReport] = ()
    judgement: JudgementOut | None = None
    origin: PromotionOrigin | None = None
    """Where a promotion registered its version from, for those who may see that one; null: nowhere."""
    shares: Mapping[str, float] = {}
    """Percent that the version has now of the traffic that a rollout moves, by endpoint, as it was read last."""


class PromotionsOut(msgspec.Struct):
    """Promotions, newest first."""

    promotions: list[ProposedOut]
    next_cursor: str | None


class PolicyOut(msgspec.Struct):
    """A policy that holds. `asks` says in words what it asks for; `body` is as the configuration has it."""

    name: str
    on: str
    stage: str
    digest: str
    since: datetime
    asks: Sequence[str]
    body: Mapping[str, Any]


class PoliciesOut(msgspec.Struct):
    """The policies that may be about something in your view. `unsatisfiable` names, for operators, those that ask for
    more people than could agree; null for everybody else.
    """

    policies: list[PolicyOut]
    unsatisfiable: list[str] | None


def judgement_out(found: Judgement) -> JudgementOut:
    """A judgement as JSON."""
    plan, proposal = found.plan, found.proposal
    return JudgementOut(
        ref=str(proposal.version.reference),
        version=proposal.version.record.version,
        to=proposal.stage,
        policies={policy.name: policy.digest for policy, _ in found.demands},
        says_no=found.says_no,
        checks=checks_out(found.checks),
        needs=[
            NeedOut(one.policy, one.count, [one.label] if one.label else one.among, len(one.given), one.could)
            for one in found.needs
        ],
        waits_for=found.waits_for,
        evidence=found.digest,
        steps=[] if plan is None else steps_out(plan),
        stages=[] if plan is None else plan.stages,
        meanings=[] if plan is None else plan.meanings,
        is_so_already=found.is_so_already,
    )


def checks_out(found: Sequence[CheckResult]) -> list[CheckOut]:
    """What checks say, as JSON."""
    return [CheckOut(one.name, one.verdict, one.expected, one.seen, one.source, one.policy) for one in found]


def survey_out(to: str, found: Sequence[SurveyedVersion], onward: Reference | None) -> SurveyOut:
    """A page of what policies say of versions, as JSON."""
    versions = [
        SurveyedOut(str(one.version.reference), one.version.stage, one.policies, checks_out(one.refused))
        for one in found
    ]
    return SurveyOut(to, versions, None if onward is None else str(onward))


def seen_out(found: ShownPromotion) -> SeenOut:
    """A promotion with everything about it, as JSON."""
    one = found.promotion
    return SeenOut(
        **msgspec.structs.asdict(one),
        proposer_name=found.names[one.proposer],
        said=[VoiceOut(v.principal, found.names[v.principal], v.kind, v.words, v.at) for v in found.voices],
        reports=found.reports,
        judgement=None if found.judgement is None else judgement_out(found.judgement),
        origin=found.origin,
        shares=found.shares,
    )


def proposed(waypost: "Waypost", principal: "Principal", asked: PromotionIn) -> SeenOut | JudgementOut:
    """Propose what is asked, or say what would be asked for. Errors: those of the face, and `reference_meant`."""
    promotions, reference = waypost.promotions, reference_meant(waypost, principal.view, asked.ref)
    if asked.dry_run:
        return judgement_out(promotions.plan(principal, reference, asked.to, into=asked.into))
    if asked.into is not None:
        return seen_out(promotions.propose_into(principal, reference, asked.into, asked.to, asked.reason))
    made = promotions.propose(principal, reference, asked.to, asked.reason, emergency=asked.emergency)
    return seen_out(made)


def rolled_back(waypost: "Waypost", principal: "Principal", asked: RollbackIn) -> SeenOut | JudgementOut:
    """Roll back as is asked, or say what that would change. Errors: those of the face, and `reference_meant`."""
    promotions, model = waypost.promotions, reference_meant(waypost, principal.view, asked.model)
    if asked.dry_run:
        return judgement_out(promotions.plan_back(principal.view, model, to=asked.to, stage=asked.stage))
    return seen_out(promotions.roll_back(principal, model, asked.reason, to=asked.to, stage=asked.stage))


def promotions_out(waypost: "Waypost", found: Sequence[Promotion], limit: int) -> PromotionsOut:
    """A page of promotions as JSON."""
    more = str(found[-1].id) if found and len(found) == limit else None
    rows = (ProposedOut(**msgspec.structs.asdict(one)) for one in found)
    return PromotionsOut(with_names(waypost.identity, rows), more)


def policy_out(found: Standing) -> PolicyOut:
    """A policy as JSON."""
    one = found.policy
    body = msgspec.json.decode(one.to_json())
    return PolicyOut(one.name, one.on, one.stage, one.digest, found.since, asks(one), body)
