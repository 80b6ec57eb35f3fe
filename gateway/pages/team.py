"""`/team`: what a team has to look at, each part a list of its own that is also there as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Response
from litestar.params import FromQuery

from federation.search.answer import Hit, SearchRequest
from gateway.api.events_out import ChangesOut, changes_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.pages.page import page, pages_at
from gateway.parameters import read_since
from gateway.team import SEARCHED, ListSpec, TeamOverview

SHOWN = 5
"""Rows of each part."""


@dataclass(frozen=True, slots=True)
class TeamList:
    """One list: how many there are, the first of them, and the search that finds all."""

    title: str
    query: str
    total: int
    hits: Sequence[Hit]


@pages_at("/team")
def team_page(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, team: FromQuery[str] = ""
) -> Response[str]:
    """Everything of one team: the caller's, or one that is chosen; where there is none, of all that is seen."""
    overview = TeamOverview.of(waypost, principal, team)
    return page(
        request,
        "team.html",
        title=f"Team {overview.team}" if overview.team else "All teams",
        team=overview.team,
        teams=overview.teams,
        lists=[_found(overview, one) for one in SEARCHED],
        changes=_changes(overview),
        on=overview.on,
        waiting=overview.waiting(),
        failing=overview.failing(),
    )


def _found(overview: TeamOverview, one: ListSpec) -> TeamList:
    asked = overview.query(one)
    wanted = SearchRequest(q=asked, limit=SHOWN, strict=True, group="version")
    found = overview.waypost.search.query(overview.view, wanted)
    return TeamList(one.title, asked, found.total, found.hits)


def _changes(overview: TeamOverview) -> ChangesOut:
    events = overview.waypost.events
    wanted = events.selected(overview.view, (), overview.on, read_since("yesterday"))
    return changes_out(events.latest(overview.view, wanted, None, SHOWN), SHOWN)
