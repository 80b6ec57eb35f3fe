"""What a team has to look at: a few lists, each of rows of one shape, so that one table, page or command shows any."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from federation.errors import UnknownError
from federation.search.answer import Hit, SearchRequest
from federation.search.syntax import quoted
from gateway.api.events_out import ChangeOut, changes_out
from gateway.parameters import read_since

if TYPE_CHECKING:
    from federation.access import Principal, View
    from federation.promotions.promotions import Promotion
    from federation.registries.registries import RegistryState
    from gateway.waypost import Waypost

AT_ONCE = 200
"""Rows that are read at once; of promotions so many of the newest are looked through for those that wait."""
TEAM = "team:"


@dataclass(frozen=True, slots=True)
class ListSpec:
    """One list: its name in addresses and commands, its title, and where a search finds it, which."""

    name: str
    title: str
    query: str = ""


CHANGED = ListSpec("changed", "Changed since yesterday")
WAITING = ListSpec("waiting", "Promotions that wait")
FAILING = ListSpec("failing", "Registries in trouble")
SEARCHED: Sequence[ListSpec] = (
    ListSpec("production", "In production", "stage:production"),
    ListSpec("without-owner", "Without an owner", "-owner:*"),
    ListSpec("without-card", "Without a description or card", "-has:description"),
    ListSpec("without-lineage", "Without lineage", "-has:lineage"),
    ListSpec("stale", "Stale: the registry was not read lately", "is:stale"),
)
LISTS: Mapping[str, ListSpec] = {one.name: one for one in (CHANGED, *SEARCHED, WAITING, FAILING)}


class TeamRow(msgspec.Struct):
    """One row of any list. `ref`: a version, a model, or in the list of registries one of those."""

    ref: str
    state: str
    """The stage of a version, the state of a registry; of a promotion the stage it is to have; of a change its type."""
    team: str
    registry: str
    owner: str
    time: datetime | None
    """When it changed, was proposed, or was read last."""
    detail: str
    """The aliases of a version, why a registry is in trouble, why a promotion was proposed, or what a change did."""


class TeamListOut(msgspec.Struct):
    """One list with its first rows. `total` is null where there are more than were looked for."""

    name: str
    title: str
    query: str
    """The search that finds the same; empty for what no search finds."""
    total: int | None
    rows: Sequence[TeamRow]


class TeamOut(msgspec.Struct):
    """A team's lists; `team` is empty where they are of every team that is seen."""

    team: str
    teams: Sequence[str]
    """Every team with a registry that is seen."""
    lists: Sequence[TeamListOut]


COLUMNS = TeamRow.__struct_fields__


@dataclass(frozen=True, slots=True)
class TeamOverview:
    """The lists of one team, as one caller may see them; of no team: of all."""

    waypost: "Waypost"
    principal: "Principal"
    team: str
    states: "Sequence[RegistryState]"

    @classmethod
    def of(cls, waypost: "Waypost", principal: "Principal", team: str) -> "TeamOverview":
        """The team that is named, else the caller's own; where there is none, all that is seen."""
        states = waypost.registries.list(principal.view)
        teams = {one.team for one in states}
        mine = sorted(scope.removeprefix(TEAM) for _, scope in principal.roles if scope.startswith(TEAM))
        return cls(waypost, principal, team or next((one for one in mine if one in teams), ""), states)

    @property
    def view(self) -> "View":
        """What the caller may see."""
        return self.principal.view

    @property
    def teams(self) -> list[str]:
        """Every team with a registry that is seen."""
        return sorted({one.team for one in self.states})

    @property
    def own(self) -> "Sequence[RegistryState]":
        """The team's registries."""
        return [one for one in self.states if self.team in ("", one.team)]

    @property
    def on(self) -> str:
        """The team as events are asked for on it."""
        return f"{TEAM}{self.team}" if self.team else ""

    def waiting(self) -> "list[Promotion]":
        """The promotions of the team's registries that wait, the newest first."""
        names = {one.name for one in self.own}
        from federation.promotions.promotions import ChosenPromotions  # whoever writes rows needs none

        found = self.waypost.promotions.list(self.view, ChosenPromotions("waiting"), AT_ONCE)
        return [one for one in found if one.registry in names]

    def failing(self) -> "list[RegistryState]":
        """The team's registries that are in trouble."""
        return [one for one in self.own if one.state != "ok"]

    def query(self, one: ListSpec) -> str:
        """The search that finds a list."""
        return f"{one.query} team:{quoted(self.team)}" if self.team else one.query

    def shown(self, name: str, limit: int) -> TeamListOut:
        """A list with its first rows. Errors: `UnknownError`."""
        one = _named(name)
        rows = list(islice(chain.from_iterable(self.rows(name, min(limit, AT_ONCE))), limit + 1))
        total: int | None = len(rows) if len(rows) <= limit else None
        if one.query:
            wanted = SearchRequest(q=self.query(one), limit=1, strict=True)
            total = self.waypost.search.query(self.view, wanted).total
        return TeamListOut(one.name, one.title, self.query(one) if one.query else "", total, rows[:limit])

    def rows(self, name: str, at_once: int = AT_ONCE) -> Iterator[Sequence[TeamRow]]:
        """All rows of a list, as they are read. Errors: `UnknownError`."""
        one = _named(name)
        if one == CHANGED:
            wanted = self.waypost.events.selected(self.view, (), self.on, read_since("yesterday"))
            teams = {state.name: state.team for state in self.states}
            for lot in self.waypost.events.every(self.view, wanted):
                yield [_of_change(each, teams) for each in changes_out(lot, 0).changes]
        elif one == WAITING:
            teams = {state.name: state.team for state in self.states}
            yield [_of_promotion(each, teams) for each in self.waiting()]
        elif one == FAILING:
            yield list(map(_of_registry, self.failing()))
        else:
            yield from self._found(one, at_once)

    def _found(self, one: ListSpec, at_once: int) -> Iterator[Sequence[TeamRow]]:
        cursor: str | None = None
        while True:
            wanted = SearchRequest(
                q=self.query(one), limit=at_once, cursor=cursor, strict=True, group="version"
            )
            found = self.waypost.search.query(self.view, wanted)
            yield list(map(_of_hit, found.hits))
            cursor = found.next_cursor
            if cursor is None:
                return


def team_out(overview: TeamOverview, limit: int) -> TeamOut:
    """Every list with its first rows."""
    return TeamOut(overview.team, overview.teams, [overview.shown(name, limit) for name in LISTS])


def cells(row: TeamRow) -> Sequence[object]:
    """A row of a table."""
    return [getattr(row, name) for name in COLUMNS]


def _named(name: str) -> ListSpec:
    if name not in LISTS:
        raise UnknownError(f"there is no list {name}: there are {', '.join(LISTS)}")
    return LISTS[name]


def _of_hit(hit: Hit) -> TeamRow:
    time = None if hit.updated is None else datetime.fromisoformat(hit.updated)
    return TeamRow(hit.ref, hit.stage, hit.team, hit.registry, hit.owner, time, ", ".join(hit.aliases))


def _of_change(one: ChangeOut, teams: Mapping[str, str]) -> TeamRow:
    moved = f"{one.before or 'nothing'} → {one.after or 'nothing'}" if one.before or one.after else ""
    detail = moved or ", ".join(one.fields)
    team = teams.get(one.registry or "", "")
    return TeamRow(one.subject, one.type, team, one.registry or "", "", one.time, detail)


def _of_promotion(one: "Promotion", teams: Mapping[str, str]) -> TeamRow:
    return TeamRow(
        one.ref, one.to, teams.get(one.registry, ""), one.registry, "", one.proposed_at, one.reason
    )


def _of_registry(one: "RegistryState") -> TeamRow:
    return TeamRow(one.name, one.state, one.team, one.name, "", one.last_success_at, one.last_error or "")
