"""Judging a promotion: every check, who agreed, and the evidence that an approval is bound to.

Everything is worked out from the catalogue, the policies and what people said, each time anew: when somebody looks,
when somebody approves, and at the moment of execution.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from federation import tables
from federation.access import EVERYTHING, Permission, Principal, View
from federation.catalogue.order import AGE, age
from federation.catalogue.reader import VERSION, Version, as_version
from federation.errors import InvalidRequestError, StateError
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.plans import Plan
from federation.operations.tables import operation
from federation.policies.policy import Policy
from federation.promotions.agreement import Need, met
from federation.promotions.attested import attested
from federation.promotions.beyond import duplicates, impact
from federation.promotions.checks import Case, CheckReport, CheckResult, run
from federation.promotions.licences import licences
from federation.promotions.people import People

if TYPE_CHECKING:
    from federation.graph.graph import Graph

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


class PolicyDemand(NamedTuple):
    """A policy that has a say. `whole`: the version comes to the stage that it guards; else only people have a say."""

    policy: Policy
    whole: bool


@dataclass(frozen=True)
class Judgement:
    """What is asked of a promotion, and what of it is there. `plan` None: there is no way to write the stage."""

    proposal: Proposal
    demands: Sequence[PolicyDemand]
    checks: Sequence[CheckResult]
    needs: Sequence[Need]
    plan: Plan | None

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
        """Whether nothing comes to a stage or leaves one."""
        return self.plan is not None and not any(one.before != one.after for one in self.plan.stages)

    @property
    def says_no(self) -> bool:
        """Whether some check keeps it back now."""
        return bool(self.refused or self.early)

    def within(self, view: View) -> "Judgement":
        """The same as who sees only a part may read it: what was decided beyond that is told as a verdict."""
        if view == EVERYTHING:
            return self
        wide = {"seen": "decided over all registries", "source": "all registries"}
        checks = [msgspec.structs.replace(one, **wide) if one.is_wide else one for one in self.checks]
        return replace(self, checks=checks)

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
        if check.verdict != "unknown":
            return check.verdict == "yes"
        policy = next((one.policy for one in self.demands if one.policy.name == check.policy), None)
        return policy is not None and policy.unknown == "allow"


@dataclass(frozen=True, slots=True)
class Judge:
    """One look, in one transaction."""

    connection: Connection
    places: WriteTargets
    people: People
    at: datetime
    graph: "Callable[[], Graph]"

    def judge(self, proposal: Proposal) -> Judgement:
        """What is asked of a promotion, and what of it is there."""
        version, policies = proposal.version, self._policies(proposal.version)
        ours = [one for one in policies if one.stage == proposal.stage]
        alone = proposal.kind == "rollback" or any(one.archive_previous for one in ours)
        checks: list[CheckResult] = []
        plan = self._plan(version, Become(proposal.stage, alone), checks)
        demands = [PolicyDemand(one, True) for one in ours]
        demands += [
            PolicyDemand(one, False) for one in policies if one not in ours and self._touches(one, plan)
        ]
        if proposal.kind == "emergency":
            demands = []
        if proposal.kind == "promotion":
            for policy in (one.policy for one in demands if one.whole):
                checks += run(policy, self._case(proposal, policy))
                checks += licences(self.connection, policy, version)
                checks += attested(self.connection, policy, version)
                checks += duplicates(self.connection, policy, version)
        needs = list(_needs(proposal.kind, demands))
        for policy in (one.policy for one in demands if one.whole and proposal.kind == "promotion"):
            found, owners = impact(self.connection, policy, version, plan, self.people, self.graph)
            checks += found
            needs += [Need(policy.name, 1, (owner,), label=OWNER) for owner in owners]
        creators = self._creators(proposal, demands, checks)
        return Judgement(proposal, demands, checks, self._met(proposal, demands, needs, creators), plan)

    def could_agree(self, proposal: Proposal, principal: str) -> bool:
        """Whether a principal's word would count for one of the needs, were it the only one."""
        voice = Voice(0, principal, "approve", "", "", self.at)
        alone = self.judge(with_voice(replace(proposal, voices=()), voice))
        return any(self.people.person(principal) in need.given for need in alone.needs)

    def _policies(self, version: Version) -> list[Policy]:
        tags = {**version.model_record.tags, **version.record.tags}
        return [
            one
            for one in self.places.policies(self.connection)
            if one.covers(version.registry, version.team, version.model, tags)
        ]

    def _plan(self, version: Version, wanted: Become, checks: list[CheckResult]) -> Plan | None:
        change = RequestedChange(version.reference, wanted)
        try:
            return Asking(self.connection, SYSTEM, self.places, promoting=True).plan(change)
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

    def _case(self, proposal: Proposal, policy: Policy) -> Case:
        holder = holder_of(self.connection, proposal.version, policy.stage)
        return Case(self.connection, proposal.version, holder, proposal.reports, self.at)

    def _creators(
        self, proposal: Proposal, demands: Sequence[PolicyDemand], checks: list[CheckResult]
    ) -> frozenset[str]:
        """Who made or registered the version; where nobody is known by that name, a check says so."""
        asking = [policy for policy, _ in demands if "creator" in policy.separate]
        if not asking or proposal.kind != "promotion":
            return frozenset()
        version = proposal.version
        registrar = self.connection.execute(
            select(operation.c.actor).where(
                operation.c.registry_id == version.registry_id,
                operation.c.made == str(version.reference),
                operation.c.state == "ok",
            )
        ).scalar()
        found = {self.people.named(version.kind, version.record.creator)} - {None}
        if registrar is not None:
            found.add(self.people.person(registrar))
        seen = "" if found else "nobody known here has the name that the registry gives, or it gives none"
        for policy in asking:
            facts = sorted(map(str, found))
            verdict: Any = "yes" if found else "unknown"
            expected = "who made it is known"
            source = "who is who ([[people]])"
            checks.append(
                CheckResult("creator", verdict, expected, seen or "known", source, policy.name, facts=facts)
            )
        return frozenset(map(str, found))

    def _met(
        self,
        proposal: Proposal,
        demands: Sequence[PolicyDemand],
        needs: Sequence[Need],
        creators: frozenset[str],
    ) -> list[Need]:
        version = proposal.version
        said = [voice.principal for voice in proposal.voices if voice.kind == "approve"]
        counting: dict[str, list[set[str]]] = {}
        for policy, _ in demands:
            out = creators if "creator" in policy.separate else frozenset[str]()
            if "proposer" in policy.separate and proposal.kind == "promotion":
                out = out | {self.people.person(proposal.proposer)}
            counting[policy.name] = [
                {
                    self.people.person(one)
                    for one in said
                    if self.people.may(one, need.among, version.registry, version.team)
                }
                - out
                for need in needs
                if need.policy == policy.name
            ]
        return list(met(needs, counting))


def _needs(kind: str, demands: Sequence[PolicyDemand]) -> Iterator[Need]:
    for policy, _ in demands:
        if kind == "rollback":
            yield Need(policy.name, policy.rollback.approvals, policy.rollback.among)
        elif kind == "promotion":
            yield from (Need(policy.name, one.count, one.among) for one in policy.approvals)


def holder_of(connection: Connection, version: Version, stage: str) -> Version | None:
    """Who has a stage now, but for the version itself: of several the newest."""
    versions = tables.version.c
    query = select(*(versions[name] for name in AGE)).where(
        versions.model_id == version.model_id,
        versions.deleted_at.is_(None),
        versions.stage == stage,
        versions.id != version.id,
    )
    newest = max(connection.execute(query), key=age, default=None)
    if newest is None:
        return None
    return as_version(connection.execute(VERSION.where(versions.id == newest.id)).one())


def with_voice(proposal: Proposal, voice: Voice) -> Proposal:
    """The same with one more voice."""
    return replace(proposal, voices=(*proposal.voices, voice))
