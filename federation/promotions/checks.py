"""The checks: each says yes, no or unknown, what was expected, what was seen, and where.

A check also has facts: what it was decided by, as canonical values. They are the evidence that an approval is bound
to. What only time changes (how long, which hour) has none: it must hold when the promotion is carried out.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from adapters import VersionRecord
from federation import tables
from federation.catalogue.contracts import compare
from federation.catalogue.reader import Version
from federation.policies.policy import Bound, Policy, read_duration

Verdict = Literal["yes", "no", "unknown"]
SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:[-+][0-9A-Za-z.+-]+)?")
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

    @classmethod
    def of(
        cls, name: str, holds: bool, expected: str, seen: str, source: str, facts: Any = None
    ) -> "CheckResult":
        """One that is known to hold or not."""
        return cls(name, "yes" if holds else "no", expected, seen, source, facts=facts)


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


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at: a version, who has the stage now, and what outside systems reported."""

    connection: Connection
    version: Version
    production: Version | None
    reports: Sequence[CheckReport]
    at: datetime

    @property
    def record(self) -> VersionRecord:
        """The version's record."""
        return self.version.record

    def unread(self, *fields: str) -> str | None:
        """Why one of these fields could not be read; None where all were."""
        lack = self.record.unread
        if lack is None or not any(name.split(".")[0] in fields for name in lack.fields):
            return None
        return f"it could not be read lately: {lack.reason}"


def run(policy: Policy, case: Case) -> Iterator[CheckResult]:
    """Everything that a policy asks of a version itself."""
    found = (
        *_stage(policy, case),
        *(_required(name, case) for name in policy.require),
        *(_metric(bound, case) for bound in policy.bounds()),
        *_schema(policy, case),
        *_semver(policy, case),
        *(_reported(name, case) for name in policy.require_checks),
        *_windows(policy, case),
    )
    for one in found:
        yield msgspec.structs.replace(one, policy=policy.name)


def _stage(policy: Policy, case: Case) -> Iterator[CheckResult]:
    if not policy.from_stage:
        return
    stage = case.version.stage
    yield CheckResult.of(
        "from_stage", stage == policy.from_stage, policy.from_stage, stage, "the catalogue", stage
    )
    if policy.soak:
        since = _since(case, policy.from_stage)
        held = None if since is None else case.at - since
        seen = "it is not there" if held is None else f"{held.total_seconds() / 3600:.1f} h"
        holds = held is not None and held >= read_duration(policy.soak)
        yield CheckResult(
            "soak",
            "yes" if holds else "no",
            f"{policy.soak} in {policy.from_stage}",
            seen,
            "the timeline",
            is_timed=True,
        )


def _since(case: Case, stage: str) -> datetime | None:
    """Since when a version has certainly held a stage."""
    spans = tables.span.c
    query = select(spans.began_by).where(
        spans.version_id == case.version.id,
        spans.kind == "stage",
        spans.value == stage,
        spans.ended_by.is_(None),
    )
    found: datetime | None = case.connection.execute(query).scalar()
    return found


def _required(name: str, case: Case) -> CheckResult:
    value = _value(name, case)
    fields = {"commit": "lineage", "dataset": "lineage", "run": "lineage"}
    field = fields.get(name, name.partition(".")[0] + "s" * ("." in name))
    source = f"the record of {case.version.reference}"
    if not value and (why := case.unread(field)) is not None:
        return CheckResult(f"require.{name}", "unknown", "it is there", why, source, facts=None)
    seen = "it is missing" if not value else _short(str(value))
    return CheckResult.of(f"require.{name}", bool(value), "it is there", seen, source, _fact(value))


def _value(name: str, case: Case) -> object:
    record, model = case.record, case.version.model_record
    kind, _, key = name.partition(".")
    match kind:
        case "tag":
            return record.tags.get(key) or model.tags.get(key)
        case "metric":
            return None if key not in record.metrics else repr(record.metrics[key])
        case "param":
            return record.params.get(key)
        case "owner":
            return _name(record.owner or model.owner)
        case "creator":
            return _name(record.creator)
        case "license":
            return record.license or model.license
        case "description":
            return record.description or model.description
        case "commit":
            return record.lineage.commit
        case "run":
            return record.lineage.run_id
        case "dataset":
            return ", ".join(f"{one.name}#{one.digest or ''}" for one in record.lineage.datasets)
        case "schema":
            return None if record.schema is None else f"{len(record.schema.inputs)} inputs"
    return getattr(record, kind)


def _metric(bound: Bound, case: Case) -> CheckResult:
    name, expected = f"metric.{bound.text}", bound.text
    source = f"the metrics of {case.version.reference}"
    if bound.metric not in case.record.metrics:
        if (why := case.unread("metrics")) is not None:
            return CheckResult(name, "unknown", expected, why, source)
        return CheckResult.of(
            name, False, expected, f"there is no metric {bound.metric}", source, [None, None]
        )
    value = case.record.metrics[bound.metric]
    if bound.production is None:
        return CheckResult.of(
            name, bound.holds(value, None), expected, f"{value:g}", source, [repr(value), None]
        )
    now = case.production
    if now is None:
        seen = f"{value:g}; nothing else is in production"
        return CheckResult.of(name, not math.isnan(value), expected, seen, source, [repr(value), None])
    other, of = now.record.metrics.get(bound.production), now.record.key.native_id
    source = f"{source} and of {now.reference}"
    if other is None or math.isnan(other):
        seen = f"{value:g}; {now.reference} has no metric {bound.production}"
        return CheckResult(name, "unknown", expected, seen, source, facts=[repr(value), of, None])
    seen = f"{value:g}, and {other:g} in production"
    return CheckResult.of(
        name, bound.holds(value, other), expected, seen, source, [repr(value), of, repr(other)]
    )


def _schema(policy: Policy, case: Case) -> Iterator[CheckResult]:
    if policy.schema:
        found = _compared(case)
        yield msgspec.structs.replace(found, name="schema", expected="whoever uses production can go on")


def _semver(policy: Policy, case: Case) -> Iterator[CheckResult]:
    """A breaking schema wants a greater major number than what is in production has."""
    if not policy.semver:
        return
    expected, source = "a new major version where the schema breaks", f"the name of {case.version.reference}"
    mine = SEMVER.fullmatch(case.record.version)
    if mine is None:
        seen = f"{case.record.version} is no semantic version"
        yield CheckResult.of("semver", False, expected, seen, source, case.record.version)
        return
    found = _compared(case)
    if found.verdict != "no" or case.production is None:
        yield msgspec.structs.replace(found, name="semver", expected=expected)
        return
    before = SEMVER.fullmatch(case.production.record.version)
    if before is None:
        seen = f"{case.production.reference} is no semantic version"
        yield CheckResult("semver", "unknown", expected, seen, source, facts=found.facts)
        return
    seen = f"{before[0]} becomes {mine[0]}; {found.seen}"
    yield CheckResult.of("semver", int(mine[1]) > int(before[1]), expected, seen, source, found.facts)


def _compared(case: Case) -> CheckResult:
    """Whether who calls production now can call the version instead."""
    now = case.production
    if now is None:
        return CheckResult.of("", True, "", "nothing else is in production", "the catalogue", [None])
    source = f"the schemas of {now.reference} and {case.version.reference}"
    found, of = compare(now.schema, case.version.schema), now.record.key.native_id
    if not found.known:
        return CheckResult("", "unknown", "", "a schema is not known", source, facts=[of, None])
    breaks = [str(one) for one in found.backward]
    seen = "; ".join(breaks[:SHOWN]) or "nothing breaks"
    more = f" and {len(breaks) - SHOWN} more" if len(breaks) > SHOWN else ""
    return CheckResult.of("", not breaks, "", seen + more, source, [of, breaks])


def _reported(name: str, case: Case) -> CheckResult:
    """What an outside system said. Until it says something of this very artifact, the answer is no."""
    known = next((one for one in case.reports if one.name == name), None)
    source, digest = "PUT /promotions/{id}/checks/{name}", case.record.artifact_digest or ""
    if known is None:
        return CheckResult.of(f"check.{name}", False, "yes", "nobody has reported it yet", source, None)
    if known.digest != digest:
        return CheckResult.of(
            f"check.{name}", False, "yes", "it was reported of another artifact", source, None
        )
    figures = ", ".join(f"{key} {value:g}" for key, value in sorted(known.figures.items()))
    seen = " ".join(filter(None, [known.verdict, figures and f"({figures})", known.url]))
    facts = [known.verdict, known.url, {key: repr(value) for key, value in known.figures.items()}]
    verdict: Verdict = "yes" if known.verdict == "yes" else "no" if known.verdict == "no" else "unknown"
    return CheckResult(f"check.{name}", verdict, "yes", seen, source, facts=facts)


def _windows(policy: Policy, case: Case) -> Iterator[CheckResult]:
    if policy.windows:
        verdict: Verdict = "yes" if policy.is_open(case.at) else "no"
        expected = " or ".join(policy.windows)
        seen = case.at.strftime("%a %H:%M UTC").lower()
        yield CheckResult("windows", verdict, expected, seen, "the clock", is_timed=True)


def _name(person: object) -> str | None:
    return None if person is None else str(person)


def _fact(value: object) -> object:
    return None if not value else str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
