"""What checks look at, and what each of them says.

A check is a function from a case to results: yes, no or unknown, what was expected, what was seen, and where. A result
also has facts: what it was decided by, as canonical values. They are the evidence that an approval is bound to. What
only time changes (how long, which hour) has none: it must hold when the promotion is carried out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection

from adapters import Discovered, VersionRecord
from federation.catalogue.reader import Version
from federation.operations.plans import Plan
from federation.policies.policy import Policy
from federation.promotions.people import People
from federation.statements.kinds import Verdict
from federation.statements.statements import ArtifactStatement, read_statements

if TYPE_CHECKING:
    from federation.graph.answers import ImpactAnswer

SHOWN = 3
"""Reasons that a check names."""


class CheckResult(msgspec.Struct, frozen=True):
    """What one check says. `policy` asks for it; `source` is where what was seen stands."""

    name: str
    verdict: Verdict
    expected: str
    seen: str
    source: str
    policy: str = ""
    facts: Any = None
    is_timed: bool = False
    """Only time decides it: it is no evidence."""
    is_wide: bool = False
    """It was decided over all registries: who does not see all of them is told the verdict alone."""
    agreeing: tuple[str, ...] = ()
    """People who must agree because of it."""

    @classmethod
    def of(
        cls,
        name: str,
        holds: bool | None,
        expected: str,
        seen: str,
        source: str,
        facts: Any = None,
        **more: Any,
    ) -> "CheckResult":
        """One that holds or not; None: nobody knows."""
        verdict: Verdict = "unknown" if holds is None else "yes" if holds else "no"
        return cls(name, verdict, expected, seen, source, facts=facts, **more)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What an outside system said last about one of its checks, and of which artifact."""

    name: str
    verdict: str
    url: str
    figures: Mapping[str, float]
    digest: str
    principal: str
    at: datetime


@dataclass(frozen=True)
class Case:
    """What the checks of one policy look at. `planned` gives the plan, None where the stage cannot be written;
    `affected` whom that hits, None where nobody knows; `holder` the version that has a stage now beside this one.
    """

    connection: Connection
    policy: Policy
    version: Version
    planned: Callable[[], Plan | None]
    affected: "Callable[[], ImpactAnswer | None]"
    holder: Callable[[Version, str], Version | None]
    reports: Sequence[CheckReport]
    people: People
    adapters: Discovered
    at: datetime

    @property
    def record(self) -> VersionRecord:
        """The version's record."""
        return self.version.record

    @cached_property
    def production(self) -> Version | None:
        """Who has the guarded stage now, but for the version itself."""
        return self.holder(self.version, self.policy.stage)

    @cached_property
    def statements(self) -> Sequence[ArtifactStatement]:
        """What was stated of the artifact that the version has, newest first."""
        return [one for one in read_statements(self.connection, self.version) if one.is_current]

    def unread(self, *fields: str) -> str | None:
        """Why one of these fields could not be read; None where all were."""
        lack = self.record.unread
        if lack is None or not any(name.split(".")[0] in fields for name in lack.fields):
            return None
        return f"it could not be read lately: {lack.reason}"


Check = Callable[[Case], Iterator[CheckResult]]


def run(checks: Sequence[Check], case: Case) -> Iterator[CheckResult]:
    """What these checks say, each for the policy that asks."""
    for check in checks:
        for one in check(case):
            yield msgspec.structs.replace(one, policy=case.policy.name)


def few(lines: Sequence[str], joined: str = "; ") -> str:
    """The first of many lines, and how many more there are."""
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return joined.join(lines[:SHOWN]) + more
