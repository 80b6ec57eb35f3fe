"""`/production`: everything that is, or on a day was, in production."""

from itertools import groupby
from typing import Any

from litestar import Response
from litestar.params import FromQuery

from federation.database import now
from gateway.api.history_out import Stage, production_out
from gateway.api.requests import AnyRequest, GivenView, GivenWaypost
from gateway.pages.page import form_of, list_at, listed
from gateway.parameters import read_as_of

PAGE, OF_A_FILE = 200, 5000


@list_at("/production")
def production_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    as_of: FromQuery[str | None] = None,
    hour: FromQuery[str] = "",
    stage: FromQuery[Stage] = "production",
    registry: FromQuery[str | None] = None,
    team: FromQuery[str | None] = None,
    cursor: FromQuery[int] = 0,
) -> Response[Any]:
    """What held a stage at a time, as far as Waypost had seen by then."""
    form = form_of(request)
    limit = PAGE if form == "html" else OF_A_FILE
    asked = f"{as_of}T{hour}" if as_of and hour else as_of
    time, skipped = read_as_of(asked or None) or now(), max(0, cursor)
    held = waypost.catalogue.held(
        view, stage, time, registry=registry or None, team=team or None, limit=limit, skip=skipped
    )
    found = production_out(waypost.identity, stage, time, held, skipped, limit)
    return listed(
        request,
        "production.html",
        found,
        found.versions,
        form=form,
        title="In production",
        found=found,
        groups=[(name, list(some)) for name, some in groupby(found.versions, key=lambda one: one.registry)],
        as_of=as_of or "",
        hour=hour,
        stage=stage,
        registry=registry or "",
        team=team or "",
        most=OF_A_FILE,
    )
