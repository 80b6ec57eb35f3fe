"""What was in production then, in every registry the caller sees."""

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.params import FromQuery, Parameter, QueryParameter
from litestar.response import Stream

from federation.database import now
from federation.files import blocks
from gateway.api import formats
from gateway.api.history_out import Stage, held_csv, production_out
from gateway.api.requests import READ, GivenView, GivenWaypost
from gateway.parameters import read_as_of


@get("/production", opt=READ, sync_to_thread=True, operation_class=formats.TableOperation)
def show_production(
    waypost: GivenWaypost,
    view: GivenView,
    as_of: FromQuery[str | None] = None,
    stage: FromQuery[Stage] = "production",
    registry: FromQuery[str | None] = None,
    team: FromQuery[str | None] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=5000)]] = 1000,
    cursor: FromQuery[Annotated[int, Parameter(ge=0, le=2**31)]] = 0,
    form: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
) -> Response[Any] | Stream:
    """Everything that was in production (or held another `stage`) at a time, as a list or, whole, as CSV."""
    time = read_as_of(as_of) or now()
    if form == "csv":
        every = waypost.catalogue.every_held(view, stage, time, registry=registry, team=team)
        lines = blocks(line.encode() for line in held_csv(waypost.identity, every))
        return Stream(lines, media_type="text/csv")
    found = waypost.catalogue.held(view, stage, time, registry=registry, team=team, limit=limit, skip=cursor)
    return Response(production_out(waypost.identity, stage, time, found, cursor, limit))
