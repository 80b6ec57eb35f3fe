"""Judging a promotion: every check, who agreed, and the evidence that an approval is bound to.

Everything is worked out from the catalogue, the policies and what people said, each time anew: when somebody looks,
when somebody approves, and at the moment of execution.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from adapters import Discovered
from federation.access import EVERYTHING, Permission, Principal, View
from federation.catalogue.reader import Version
from federation.database import now
from federation.errors import InvalidRequestError, StateError
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.plans import Plan
from federation.policies.policy import Policy
from federation.promotions import attested, beyond, checks
from federation.promotions.agreement import Need, met
from federation.promotions.case import Case, Check, CheckReport, CheckResult, run
from federation.promotions.crossing import Crossing, artifacts
from federation.promotions.holders import StageHolders
from federation.promotions.licences import licences
from federation.promotions.people import People
from federation.promotions.rollout import deployed, endpoints

if TYPE_CHECKING:
    from federation.graph.answers import ImpactAnswer
    from federation.graph.graph import Graph

OF_THE_VERSION: tuple[Check, ...] = (
    checks.staged,
    checks.required,
    checks.metrics,
    checks.schema,
    checks.semver,
    licences,
    attested.signed,
    attested.scanned,
    beyond.duplicates,
    beyond.impact,
    deployed,
)
"""What can be said of a version that nobody has proposed."""
OF_PEOPLE: tuple[Check, ...] = (beyond.creator,)
"""Of policies whose stage somebody else leaves."""
CHECKS: tuple[Check, ...] = (*OF_THE_VERSION, checks.reported, checks.windows, *OF_PEOPLE)
"""Of those that guard the stage that the version comes to."""
OWNER = "the owner of something that breaks"
SYSTEM = Principal("system", "system", dict.fromkeys(Permission, EVERYTHING))
"""Makes the plans of promotions: what is asked of people is asked before."""


class Voice(NamedTuple):
    """What one principal said. `evidence` is what an approval was given on, as canonical JSON."""

    id: int
    principal: str
    kind: str
    words: str
    evidence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is judged: a version, the stage that it is to have, who wants it, and what was said to it."""

    version: Version
    stage: str
    kind: str
    proposer: str
    voices: Sequence[Voice] = ()
    reports: Sequence[CheckReport] = ()
    crossing: Crossing | None = None


class PolicyDemand(NamedTuple):
    """A policy that has a say. `whole`: the version comes to the stage that it guards; else only people have a say."""

    policy: Policy
    whole: bool


class SurveyedVersion(NamedTuple):
    """A version, the policies that guard a stage of it, and their checks that keep it back from there."""

    version: Version
    policies: Sequence[str]
    refused: Sequence[CheckResult]

    def within(self, view: View) -> "SurveyedVersion":
        """The same as who sees only a part may read it."""
        return self._replace(refused=_within(self.refused, view))


@dataclass(frozen=True)
class Judgement:
    """What is asked of a promotion, and what of it is there. `plan` None: there is no way to write the stage."""

    proposal: Proposal
    demands: Sequence[PolicyDemand]
    checks: Sequence[CheckResult]
    needs: Sequence[Need]
    plan: Plan | None
    rolls: bool = False
    """Whether traffic comes to it: it may be in the stage by a part of that already."""

    @property
    def refused(self) -> list[CheckResult]:
        """The checks that keep it back, but for those that only time decides."""
        return [one for one in self.checks if not one.is_timed and not self._passes(one)]

    @property
    def early(self) -> list[CheckResult]:
        """The checks that hold only later: a soak, a window."""
        return [one for one in self.checks if one.is_timed and not self._passes(one)]

    @property
    def is_agreed(self) -> bool:
        """Whether everybody who must agree did."""
        return all(need.is_met for need in self.needs)

    @property
    def is_so_already(self) -> bool:
        """Whether nothing comes to a stage or leaves one, and no traffic is moved."""
        is_here = self.plan is not None and self.proposal.crossing is None and not self.rolls
        return is_here and not any(one.before != one.after for one in self.plan.stages)  # type: ignore[union-attr]

    @property
    def says_no(self) -> bool:
        """Whether some check keeps it back now."""
        return bool(self.refused or self.early)

    def within(self, view: View) -> "Judgement":
        """The same as who sees only a part may read it: what was decided beyond that is told as a verdict."""
        return replace(self, checks=_within(self.checks, view))

    @property
    def waits_for(self) -> list[str]:
        """What is not there yet, one line each."""
        lines = [f"{one.name}: {one.seen} (expected: {one.expected})" for one in (*self.refused, *self.early)]
        return lines + [
            f"{need.count - len(need.given)} more of {need.whom} (policy {need.policy})"
            for need in self.needs
            if not need.is_met
        ]

    @cached_property
    def evidence(self) -> Mapping[str, Any]:
        """What an approval is bound to: flat, so that what changed can be named."""
        record = self.proposal.version.record
        found: dict[str, Any] = {
            "version": record.key.native_id,
            "artifact": record.artifact_digest,
            "stage": self.proposal.stage,
        }
        found |= {f"policy {policy.name}": policy.digest for policy, _ in self.demands}
        return found | {
            f"{one.policy} {one.name}".strip(): [one.verdict, one.facts]
            for one in self.checks
            if not one.is_timed
        }

    @cached_property
    def canonical(self) -> str:
        """The evidence as canonical JSON."""
        return msgspec.json.encode(self.evidence, order="deterministic").decode()

    @property
    def digest(self) -> str:
        """SHA-256 of the evidence, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def changed(self) -> list[str]:
        """What is not as some approval had it, by name."""
        found: dict[str, None] = {}
        for voice in self.proposal.voices:
            if voice.kind != "approve" or voice.evidence == self.canonical:
                continue
            then = msgspec.json.decode(voice.evidence)
            names = sorted({*then, *self.evidence})
            now = msgspec.json.decode(self.canonical)
            found |= dict.fromkeys(name for name in names if then.get(name) != now.get(name))
        return list(found)

    def _passes(self, check: CheckResult) -> bool:
        policy = next((one.policy for one in self.demands if one.policy.name == check.policy), None)
        return _passes(check, policy)


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks every policy about proposals, by what one transaction sees."""

    connection: Connection
    places: WriteTargets
    people: People
    at: datetime
    graph: "Callable[[], Graph]"
    holders: StageHolders

    def judge(self, proposal: Proposal) -> Judgement:
        """What is asked of a promotion, and what of it is there."""
        if proposal.crossing is not None:
            return self._crossing(proposal, proposal.crossing)
        version, policies = proposal.version, self._policies(proposal.version)
        ours = [one for one in policies if one.stage == proposal.stage]
        back, archives = proposal.kind == "rollback", any(one.archive_previous for one in ours)
        become = Become(proposal.stage, alone=back, archives=archives and not back)
        found: list[CheckResult] = []
        plan = self._plan(RequestedChange(version.reference, become), found)
        demands = [PolicyDemand(one, True) for one in ours]
        demands += [
            PolicyDemand(one, False) for one in policies if one not in ours and self._touches(one, plan)
        ]
        if proposal.kind == "emergency":
            demands = []
        if proposal.kind == "promotion":
            affected = self._affected(version, lambda: plan, ours)
            for policy, whole in demands:
                case = self._case(policy, version, lambda: plan, affected, proposal.reports)
                found += run(CHECKS if whole else OF_PEOPLE, case)
        needs = list(_needs(proposal.kind, demands, found))
        rolls = proposal.kind == "promotion" and any(one.rollout.steps for one in ours)
        rolls = rolls and any(endpoints(self.connection, version))
        judged = Judgement(proposal, demands, found, needs, plan, rolls)
        return replace(judged, needs=self._met(judged, proposal.voices))

    def survey(self, version: Version, stage: str) -> SurveyedVersion | None:
        """What the policies that guard a stage say of a version, whoever would propose it; None where none is on it."""
        ours = [one for one in self._policies(version) if one.stage == stage]
        if not ours:
            return None

        @cache
        def planned() -> Plan | None:
            return self._plan(RequestedChange(version.reference, Become(stage)), [])

        affected = self._affected(version, planned, ours)
        found = [
            one
            for policy in ours
            for one in run(OF_THE_VERSION, self._case(policy, version, planned, affected, ()))
            if not _passes(one, policy)
        ]
        return SurveyedVersion(version, [policy.name for policy in ours], found)

    def _affected(
        self, version: Version, planned: Callable[[], Plan | None], policies: Sequence[Policy]
    ) -> "Callable[[], ImpactAnswer | None]":
        return cache(lambda: beyond.affected(self.graph, version, planned(), policies))

    def _case(
        self,
        policy: Policy,
        version: Version,
        planned: Callable[[], Plan | None],
        affected: "Callable[[], ImpactAnswer | None]",
        reports: Sequence[CheckReport],
    ) -> Case:
        return Case(
            self.connection,
            policy,
            version,
            planned,
            affected,
            self.holders.beside,
            reports,
            self.people,
            self.places.adapters,
            self.at,
        )

    def could_agree(self, judged: Judgement, principal: str) -> bool:
        """Whether a principal's word would count for one of the needs, were it the only one."""
        alone = self._met(judged, [Voice(0, principal, "approve", "", "", self.at)])
        return any(self.people.person(principal) in need.given for need in alone)

    def waits_for(self, proposal: Proposal, principal: str) -> bool:
        """Whether a person could approve it now, and did not."""
        if self.has_agreed(proposal, principal):
            return False
        judged = self.judge(proposal)
        return not judged.refused and not judged.is_agreed and self.could_agree(judged, principal)

    def has_agreed(self, proposal: Proposal, principal: str) -> bool:
        """Whether a person approved it, whatever they signed in with."""
        said = (one.principal for one in proposal.voices if one.kind == "approve")
        return self.people.person(principal) in map(self.people.person, said)

    def _policies(self, version: Version) -> list[Policy]:
        tags = {**version.model_record.tags, **version.record.tags}
        return [
            one
            for one in self.places.policies(self.connection)
            if one.covers(version.registry, version.team, version.model, tags)
        ]

    def _crossing(self, proposal: Proposal, crossing: Crossing) -> Judgement:
        """The role decides who registers a version; policies guard the stages that it comes to afterwards."""
        version = proposal.version
        found = [artifacts(self.connection, self.places.adapters, version, crossing.into)]
        change = RequestedChange(crossing.target, crossing.registration(version))
        return Judgement(proposal, [], found, [], self._plan(change, found, promoting=False))

    def _plan(
        self, change: RequestedChange, checks: list[CheckResult], *, promoting: bool = True
    ) -> Plan | None:
        try:
            return Asking(self.connection, SYSTEM, self.places, promoting=promoting).plan(change)
        except (InvalidRequestError, StateError) as error:
            checks.append(
                CheckResult.of("plan", False, "it can be written", str(error), "the plan", error.code)
            )
            return None

    def _touches(self, policy: Policy, plan: Plan | None) -> bool:
        """Whether somebody comes to the stage that a policy guards or leaves it."""
        return plan is not None and any(
            one.before != one.after and policy.stage in (one.before, one.after) for one in plan.stages
        )

    def _met(self, judged: Judgement, voices: Sequence[Voice]) -> list[Need]:
        """The needs, each with those of these voices that count."""
        version, people = judged.proposal.version, self.people
        said = [voice.principal for voice in voices if voice.kind == "approve"]
        counting: dict[str, list[set[str]]] = {}
        for policy, _ in judged.demands:
            out = self._apart(judged, policy)
            counting[policy.name] = [
                {
                    people.person(one)
                    for one in said
                    if people.may(one, need.among, version.registry, version.team)
                }
                - out
                for need in judged.needs
                if need.policy == policy.name
            ]
        return list(met(judged.needs, counting))

    def _apart(self, judged: Judgement, policy: Policy) -> set[str]:
        """The people who do not count for a policy."""
        proposal = judged.proposal
        of_it = (one for one in judged.checks if (one.name, one.policy) == ("creator", policy.name))
        out = {who for one in of_it for who in one.facts}
        if "proposer" in policy.separate and proposal.kind == "promotion":
            out.add(self.people.person(proposal.proposer))
        return out

    def who_could(self, judged: Judgement) -> Judgement:
        """The same, each need with who could still agree. It takes a look at everybody: for one that is shown."""
        version, people = judged.proposal.version, self.people
        apart = {policy.name: self._apart(judged, policy) for policy, _ in judged.demands}
        needs = []
        for need in judged.needs:
            found = people.eligible(need.among, version.registry, version.team)
            left = found - apart[need.policy] - set(need.given)
            needs.append(replace(need, could=tuple(sorted(map(people.called, left)))))
        return replace(judged, needs=needs)


def judge_of(connection: Connection, adapters: Discovered, graph: "Callable[[], Graph]") -> Judge:
    """Who judges by what is known in one transaction, at this moment."""
    places, holders = WriteTargets(adapters), StageHolders(connection)
    return Judge(connection, places, People(connection), now(), graph, holders)


def _within(checks: Sequence[CheckResult], view: View) -> Sequence[CheckResult]:
    if view == EVERYTHING:
        return checks
    wide = {"seen": "decided over all registries", "source": "all registries"}
    return [msgspec.structs.replace(one, **wide) if one.is_wide else one for one in checks]


def _passes(check: CheckResult, policy: Policy | None) -> bool:
    if check.verdict != "unknown":
        return check.verdict == "yes"
    return policy is not None and policy.unknown == "allow"


def _needs(kind: str, demands: Sequence[PolicyDemand], checks: Sequence[CheckResult]) -> Iterator[Need]:
    for policy, _ in demands:
        if kind == "rollback":
            yield Need(policy.name, policy.rollback.approvals, policy.rollback.among)
        elif kind == "promotion":
            yield from (Need(policy.name, one.count, one.among) for one in policy.approvals)
    for one in checks:
        yield from (Need(one.policy, 1, (owner,), label=OWNER) for owner in one.agreeing)
