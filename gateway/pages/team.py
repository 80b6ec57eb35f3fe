"""`/team`: what a team has to look at, each part a list of its own that is also there as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromQuery

from federation.access import Principal
from federation.search.answer import Hit, SearchRequest
from gateway.api.events_out import ChangesOut, changes_out
from gateway.pages.page import page, pages_at
from gateway.parameters import read_since
from gateway.team import SEARCHED, ListSpec, TeamDesk
from gateway.waypost import Waypost

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
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    team: FromQuery[str] = "",
) -> Response[str]:
    """Everything of one team: the caller's, or one that is chosen; where there is none, of all that is seen."""
    desk = TeamDesk.of(waypost, principal, team)
    return page(
        request,
        "team.html",
        title=f"Team {desk.team}" if desk.team else "All teams",
        team=desk.team,
        teams=desk.teams,
        lists=[_found(desk, one) for one in SEARCHED],
        changes=_changes(desk),
        on=desk.on,
        waiting=desk.waiting(),
        failing=desk.failing(),
    )


def _found(desk: TeamDesk, one: ListSpec) -> TeamList:
    asked = desk.query(one)
    found = desk.waypost.search.query(desk.view, SearchRequest(q=asked, limit=SHOWN, strict=True))
    return TeamList(one.title, asked, found.total, found.hits)


def _changes(desk: TeamDesk) -> ChangesOut:
    events = desk.waypost.events
    wanted = events.selected(desk.view, (), desk.on, read_since("yesterday"))
    return changes_out(events.latest(desk.view, wanted, None, SHOWN), SHOWN)


HANDLERS = team_page
