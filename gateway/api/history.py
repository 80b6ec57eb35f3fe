"""What was in production then, in every registry the caller sees."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, Parameter, QueryParameter
from litestar.response import Stream

from federation.access import Permission, View
from federation.catalogue.past import Held, every_held, read_held
from federation.database import now, reading
from federation.journal.exporting import blocks
from federation.spreadsheet import csv_row
from gateway.api import formats
from gateway.api.requests import needs, read_time
from gateway.waypost import Waypost

Stage = Literal["production", "staging", "archived"]
COLUMNS = (
    "ref", "registry", "team", "model", "version", "stage", "certain", "began_after", "began_by", "ended_after",
    "ended_by", "source", "began_actor", "ended_actor", "incarnation",
)  # fmt: skip


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


class ProductionOut(msgspec.Struct):
    """Everything that held a stage at a time; `next_cursor` goes on where this ends."""

    stage: str
    as_of: datetime
    versions: Sequence[HeldOut]
    next_cursor: str | None


@get("/production", opt=needs(Permission.READ), sync_to_thread=True, operation_class=formats.TableOperation)
def show_production(
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    as_of: FromQuery[str | None] = None,
    stage: FromQuery[Stage] = "production",
    registry: FromQuery[str | None] = None,
    team: FromQuery[str | None] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=5000)]] = 1000,
    cursor: FromQuery[Annotated[int, Parameter(ge=0, le=2**31)]] = 0,
    form: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
) -> Response[Any] | Stream:
    """Everything that was in production (or held another `stage`) at a time, as a list or, whole, as CSV."""
    time = read_time(as_of, "as_of") or now()
    if form == "csv":
        return Stream(_csv(waypost, view, stage, time, registry, team), media_type="text/csv; charset=utf-8")
    with reading(waypost.engine) as connection:
        found = read_held(
            connection, view, stage, time, registry=registry, team=team, limit=limit, skip=cursor
        )
    more = str(cursor + limit) if len(found) == limit else None
    return Response(ProductionOut(stage, time, [held_out(one) for one in found], more))


def held_out(held: Held) -> HeldOut:
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


def _csv(
    waypost: Waypost, view: View, stage: str, time: datetime, registry: str | None, team: str | None
) -> Any:
    def lines() -> Any:
        yield csv_row(COLUMNS).encode()
        for held in every_held(waypost.engine, view, stage, time, registry=registry, team=team):
            out = held_out(held)
            yield csv_row(getattr(out, name) for name in COLUMNS).encode()

    return blocks(lines())


HANDLERS = [show_production]
