"""Checks of the version itself: its fields, figures and schema, where it has been, and what others reported of it."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, select

from adapters import ModelRecord, VersionRecord
from federation import tables
from federation.catalogue.cards import CardPart, card_of
from federation.catalogue.contracts import compare
from federation.policies.policy import Bound, read_duration
from federation.promotions.case import Case, CheckResult, few

SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:[-+][0-9A-Za-z.+-]+)?")


def staged(case: Case) -> Iterator[CheckResult]:
    """Whether the version is in the stage that it must come from, and has been for so long."""
    policy, stage = case.policy, case.version.stage
    if not policy.from_stage:
        return
    wanted = policy.from_stage
    yield CheckResult.of("from_stage", stage == wanted, wanted, stage, "the catalogue", stage)
    if policy.soak:
        since = _since(case, wanted)
        held = None if since is None else case.at - since
        seen = "it is not there" if held is None else f"{held.total_seconds() / 3600:.1f} h"
        holds = held is not None and held >= read_duration(policy.soak)
        expected = f"{policy.soak} in {wanted}"
        yield CheckResult.of("soak", holds, expected, seen, "the timeline", is_timed=True)


_span = tables.span.c
_SINCE = select(_span.began_by).where(
    _span.version_id == bindparam("version"),
    _span.kind == "stage",
    _span.value == bindparam("stage"),
    _span.ended_by.is_(None),
)


def _since(case: Case, stage: str) -> datetime | None:
    """Since when a version has certainly held a stage."""
    asked = {"version": case.version.id, "stage": stage}
    found: datetime | None = case.connection.execute(_SINCE, asked).scalar()
    return found


def required(case: Case) -> Iterator[CheckResult]:
    """Whether every field is there that must be."""
    return (_required(name, case) for name in case.policy.require)


def _required(name: str, case: Case) -> CheckResult:
    kind, dot, key = name.partition(".")
    value = _NAMED[kind](case, key) if dot else _FIELDS[name](case.record, case.version.model_record)
    source = f"the record of {case.version.reference}"
    if not value and (why := case.unread(*_STANDS_IN.get(kind, (name,)))) is not None:
        return CheckResult.of(f"require.{name}", None, "it is there", why, source)
    seen = _short(str(value)) if value else "it is missing"
    return CheckResult.of(
        f"require.{name}", bool(value), "it is there", seen, source, str(value) if value else None
    )


_FIELDS: Mapping[str, Callable[[VersionRecord, ModelRecord], object]] = {
    "owner": lambda record, model: record.owner or model.owner,
    "creator": lambda record, _: record.creator,
    "license": lambda record, model: record.license or model.license,
    "description": lambda record, model: record.description or model.description,
    "framework": lambda record, _: record.framework,
    "artifact_digest": lambda record, _: record.artifact_digest,
    "commit": lambda record, _: record.lineage.commit,
    "run": lambda record, _: record.lineage.run_id,
    "dataset": lambda record, _: ", ".join(
        f"{one.name}#{one.digest or ''}" for one in record.lineage.datasets
    ),
    "schema": lambda record, _: record.schema and f"{len(record.schema.inputs)} inputs",
}
"""The fields of `policy.FIELDS`."""
_NAMED: Mapping[str, Callable[[Case, str], object]] = {
    "tag": lambda case, key: case.record.tags.get(key) or case.version.model_record.tags.get(key),
    "metric": lambda case, key: repr(case.record.metrics[key]) if key in case.record.metrics else None,
    "param": lambda case, key: case.record.params.get(key),
    "card": lambda case, key: _text(card_of(case.version, case.adapters).get(key)),
}
_STANDS_IN: Mapping[str, tuple[str, ...]] = {
    "commit": ("lineage",),
    "run": ("lineage",),
    "dataset": ("lineage",),
    "tag": ("tags",),
    "metric": ("metrics",),
    "param": ("params",),
    # Where a backend's own card cannot be read, neither can the figures in it.
    "card": ("description", "tags", "metrics", "params"),
}
"""Fields of a record that must have been read for something to be known as missing, where they are called otherwise."""


def _text(part: CardPart | None) -> str | None:
    return None if part is None else part.text


def metrics(case: Case) -> Iterator[CheckResult]:
    """Whether each figure keeps its bound, also against what is in production now."""
    return (_metric(bound, case) for bound in case.policy.bounds())


def _metric(bound: Bound, case: Case) -> CheckResult:
    name, expected = f"metric.{bound.text}", bound.text
    source = f"the metrics of {case.version.reference}"
    if bound.metric not in case.record.metrics:
        if (why := case.unread("metrics")) is not None:
            return CheckResult.of(name, None, expected, why, source)
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
        return CheckResult.of(name, None, expected, seen, source, [repr(value), of, None])
    seen = f"{value:g}, and {other:g} in production"
    return CheckResult.of(
        name, bound.holds(value, other), expected, seen, source, [repr(value), of, repr(other)]
    )


def schema(case: Case) -> Iterator[CheckResult]:
    """Whether who calls production now can go on."""
    if case.policy.schema:
        found = _compared(case)
        yield msgspec.structs.replace(found, name="schema", expected="whoever uses production can go on")


def semver(case: Case) -> Iterator[CheckResult]:
    """A breaking schema wants a greater major number than what is in production has."""
    if not case.policy.semver:
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
        yield CheckResult.of("semver", None, expected, seen, source, found.facts)
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
        return CheckResult.of("", None, "", "a schema is not known", source, [of, None])
    breaks = [str(one) for one in found.backward]
    return CheckResult.of("", not breaks, "", few(breaks) or "nothing breaks", source, [of, breaks])


def reported(case: Case) -> Iterator[CheckResult]:
    """Whether outside systems said yes."""
    return (_reported(name, case) for name in case.policy.require_checks)


def _reported(name: str, case: Case) -> CheckResult:
    """What an outside system said. Until it says something of this very artifact, the answer is no."""
    known = next((one for one in case.reports if one.name == name), None)
    check, source = f"check.{name}", "PUT /promotions/{id}/checks/{name}"
    if known is None:
        return CheckResult.of(check, False, "yes", "nobody has reported it yet", source)
    if known.digest != (case.record.artifact_digest or ""):
        return CheckResult.of(check, False, "yes", "it was reported of another artifact", source)
    figures = ", ".join(f"{key} {value:g}" for key, value in sorted(known.figures.items()))
    seen = " ".join(filter(None, [known.verdict, figures and f"({figures})", known.url]))
    facts = [known.verdict, known.url, {key: repr(value) for key, value in known.figures.items()}]
    holds = {"yes": True, "no": False}.get(known.verdict)
    return CheckResult.of(check, holds, "yes", seen, source, facts)


def windows(case: Case) -> Iterator[CheckResult]:
    """Whether it may be carried out at this hour."""
    if case.policy.windows:
        expected, seen = " or ".join(case.policy.windows), f"{case.at:%a %H:%M}".lower() + " UTC"
        is_open = case.policy.is_open(case.at)
        yield CheckResult.of("windows", is_open, expected, seen, "the clock", is_timed=True)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
