"""What the API answers about what was: who held which stage and alias, and what was in production on a day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from federation.catalogue.catalogue import HeldStage, Span
from federation.identity.identity import Identity
from federation.references import Reference
from federation.spreadsheet import csv_row
from gateway.names import with_names

Stage = Literal["production", "staging", "archived"]
COLUMNS = (
    "ref", "registry", "team", "model", "version", "stage", "certain", "began_after", "began_by", "ended_after",
    "ended_by", "source", "began_actor", "ended_actor", "incarnation", "began_actor_name",
    "ended_actor_name", "owner",
)  # fmt: skip
AT_ONCE = 500
"""Rows of a table whose names are looked up together."""


class SpanOut(msgspec.Struct):
    """A stretch of time in which a version held a stage or alias.

    It began after `began_after` (null: nobody looked before) and not later than `began_by`, and ended likewise.
    """

    ref: str
    version: str
    incarnation: int
    kind: str
    value: str
    began_after: datetime | None
    began_by: datetime
    ended_after: datetime | None
    ended_by: datetime | None
    source: str
    began_actor: str | None
    ended_actor: str | None
    began_actor_name: str | None = None
    """What the actor is called, until that is erased."""
    ended_actor_name: str | None = None


class TimelineOut(msgspec.Struct):
    """Who held what, newest first."""

    ref: str
    as_of: datetime | None
    spans: Sequence[SpanOut]


class HeldOut(msgspec.Struct):
    """A version that held the stage. It began after `began_after` (null: nobody looked before) and not later than
    `began_by`, and ended likewise (null: not yet). `certain` is false where the time asked for lies inside one of
    these intervals.
    """

    ref: str
    registry: str
    team: str
    model: str
    version: str
    stage: str
    certain: bool
    began_after: datetime | None
    began_by: datetime
    ended_after: datetime | None
    ended_by: datetime | None
    source: str
    began_actor: str | None
    ended_actor: str | None
    incarnation: int
    owner: str | None
    """Whoever owns the version, or else its model."""
    began_actor_name: str | None = None
    """What the actor is called, until that is erased."""
    ended_actor_name: str | None = None


class ProductionOut(msgspec.Struct):
    """Everything that held a stage at a time; `next_cursor` goes on where this ends."""

    stage: str
    as_of: datetime
    versions: Sequence[HeldOut]
    next_cursor: str | None


def timeline_out(
    identity: Identity, reference: Reference, at: datetime | None, spans: Sequence[Span]
) -> TimelineOut:
    """The spans of what a reference names as JSON."""
    refs = (str(Reference(reference.registry, reference.model, span.version)) for span in spans)
    shown = with_names(identity, (span_out(*one) for one in zip(spans, refs, strict=True)))
    return TimelineOut(str(reference), at, shown)


def span_out(span: Span, ref: str) -> SpanOut:
    """A span as JSON; `ref` is the version's."""
    fields = {name: getattr(span, name) for name in SpanOut.__struct_fields__ if hasattr(span, name)}
    return SpanOut(ref=ref, **fields)


def held_out(held: HeldStage) -> HeldOut:
    """A version that held a stage as JSON."""
    rest = {one.name: getattr(held, one.name) for one in fields(held) if one.name != "reference"}
    reference = held.reference
    return HeldOut(
        ref=str(reference),
        registry=reference.registry,
        model=reference.model,
        version=reference.version or "",
        **rest,
    )


def production_out(
    identity: Identity, stage: str, time: datetime, found: Sequence[HeldStage], skipped: int, limit: int
) -> ProductionOut:
    """A page of what held a stage as JSON."""
    more = str(skipped + limit) if len(found) == limit else None
    return ProductionOut(stage, time, with_names(identity, map(held_out, found)), more)


def held_csv(identity: Identity, every: Iterable[HeldStage]) -> Iterator[str]:
    """What held a stage, as lines of CSV."""
    yield csv_row(COLUMNS)
    rows = iter(every)
    while some := list(islice(rows, AT_ONCE)):
        for out in with_names(identity, map(held_out, some)):
            yield csv_row(getattr(out, name) for name in COLUMNS)
