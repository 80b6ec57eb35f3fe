"""`/team`: what a team has to look at, each part a list of its own that is also there as CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromQuery

from federation.access import Principal
from federation.promotions.promotions import ChosenPromotions
from federation.search.answer import Hit, SearchRequest
from gateway.api.events_out import ChangesOut, changes_out
from gateway.pages.page import page, pages_at
from gateway.parameters import read_since
from gateway.waypost import Waypost

SHOWN = 5
"""Rows of each part."""
NEWEST = 200
"""Promotions that are looked through for those that wait."""
TEAM = "team:"
LISTS: Mapping[str, str] = {
    "In production": "stage:production",
    "Without an owner": "-owner:*",
    "Without a description or card": "-has:description",
    "Without lineage": "-has:lineage",
    "Stale: the registry was not read lately": "is:stale",
}
"""What is found by a search, and by which."""


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
    view = principal.view
    states = waypost.registries.list(view)
    teams = sorted({one.team for one in states})
    mine = sorted(scope.removeprefix(TEAM) for _, scope in principal.roles if scope.startswith(TEAM))
    chosen = team or next((one for one in mine if one in teams), "")
    own = {one.name for one in states if chosen in ("", one.team)}
    waiting = [
        one
        for one in waypost.promotions.list(view, ChosenPromotions("waiting"), NEWEST)
        if one.ref.partition("/")[0] in own
    ]
    return page(
        request,
        "team.html",
        title=f"Team {chosen}" if chosen else "All teams",
        team=chosen,
        teams=teams,
        lists=[_found(waypost, principal, title, query, chosen) for title, query in LISTS.items()],
        changes=_changes(waypost, principal, chosen),
        on=f"{TEAM}{chosen}" if chosen else "",
        waiting=waiting,
        failing=[one for one in states if one.name in own and one.state != "ok"],
    )


def _found(waypost: Waypost, principal: Principal, title: str, query: str, team: str) -> TeamList:
    escaped = team.replace("\\", "\\\\").replace('"', '\\"')
    asked = f'{query} team:"{escaped}"' if team else query
    wanted = SearchRequest(q=asked, limit=SHOWN, strict=True)
    found = waypost.search.query(principal.view, wanted)
    return TeamList(title, asked, found.total, found.hits)


def _changes(waypost: Waypost, principal: Principal, team: str) -> ChangesOut:
    on = f"{TEAM}{team}" if team else ""
    wanted = waypost.events.selected(principal.view, (), on, read_since("yesterday"))
    return changes_out(waypost.events.latest(principal.view, wanted, None, SHOWN), SHOWN)


HANDLERS = team_page
