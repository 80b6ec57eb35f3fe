"""What a team has to look at, as lists."""

from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, FromQuery, Parameter

from gateway.api import formats
from gateway.api.formats import Listed
from gateway.api.requests import READ, AnyRequest, GivenPrincipal, GivenWaypost
from gateway.api.rows import team_csv
from gateway.team import TeamListOut, TeamOut, TeamOverview, team_out

Rows = Annotated[int, Parameter(ge=1, le=200, description="at most so many rows of each list")]


@get("/team", opt=READ, sync_to_thread=True)
def show_team(
    waypost: GivenWaypost, principal: GivenPrincipal, team: FromQuery[str] = "", limit: FromQuery[Rows] = 5
) -> TeamOut:
    """What a team has to look at, each list with its first rows: yours, the one that is named, or all that you see."""
    return team_out(TeamOverview.of(waypost, principal, team), limit)


@get("/team/{name:str}", opt=READ, sync_to_thread=True, operation_class=formats.TableOperation)
def show_team_list(
    request: AnyRequest,
    name: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    team: FromQuery[str] = "",
    limit: FromQuery[Rows] = 50,
    format: FromQuery[Listed] = None,  # noqa: A002  the name in the query
) -> Response[TeamListOut]:
    """One of a team's lists: changed, production, without-owner, without-card, without-lineage, stale, waiting or
    failing. CSV has everything, whatever `limit`.
    """
    overview = TeamOverview.of(waypost, principal, team)
    if formats.chosen(request, format, ("json", "csv")) == "csv":
        overview.shown(name, 1)  # what is wrong is an error here, and not in the middle of a table
        return formats.table(team_csv(overview.rows(name)))
    return Response(overview.shown(name, limit), headers=formats.VARY)
