"""Searches that people keep: each with a name and an address, for oneself or for a team.

One's own are seen by nobody else. Those of a team are seen by whoever sees one of its registries, and changed by
whoever holds a role on the team, or on everything, that may declare dependencies. What a search finds is decided by the
view of whoever runs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from federation import tables as spine
from federation.access import ALL, EVERYTHING, ROLES, Permission, Principal
from federation.database import now, reading, writing
from federation.errors import DeniedError, InvalidRequestError, StateError, UnknownError
from federation.identity.credentials import new_id
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.search import language
from federation.search.answer import Group
from federation.search.sorting import read_sort
from federation.searches import tables

LONGEST_NAME = 80
MOST = 200
"""So many are kept for one person, and for one team."""
TEAM = "team:"


class SavedSearchError(InvalidRequestError):
    """A search that cannot be kept as it is. One line with cause and remedy."""

    code = "invalid-saved-search"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """A search to keep; `team` None: for oneself. `strict` and `literal` as in a `SearchRequest`, the parts of
    `literal` with commas between."""

    name: str
    q: str
    sort: str = "relevance"
    group: Group = "model"
    strict: bool = False
    literal: str = ""
    team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch(SearchSpec):
    """A search that is kept. `saved_by` is the principal who kept it last."""

    id: str
    saved_by: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Searches:
    """The saved searches of one gateway."""

    engine: Engine

    def seen(self, principal: Principal) -> list[SavedSearch]:
        """One's own, then those of teams, each by name."""
        with reading(self.engine) as connection:
            return _seen(connection, principal)

    def find(self, principal: Principal, id_or_name: str) -> SavedSearch:
        """The one with this id, or else with this name: one's own before those of teams. Errors: `UnknownError`."""
        with reading(self.engine) as connection:
            return _find(connection, principal, id_or_name)

    def teams(self, principal: Principal) -> list[str]:
        """The teams for which the principal may keep and remove searches."""
        with reading(self.engine) as connection:
            return sorted(team for team in _teams(connection, principal) if _may_keep(principal, team))

    def save(self, principal: Principal, spec: SearchSpec) -> tuple[SavedSearch, bool]:
        """Keep a search; another one of this name and for the same people is replaced, and keeps its address. Says
        whether it is a new one.

        Errors: `SavedSearchError`, `QuerySyntaxError`, `SearchError`, `UnknownError` for a team that the principal
        does not see, `DeniedError`, `StateError` where there are too many.
        """
        _check(spec)
        with writing(self.engine) as connection:
            scope = _scope(connection, principal, spec.team)
            return _save(connection, principal, spec, scope)

    def remove(self, principal: Principal, id_or_name: str) -> None:
        """Keep a search no longer. Errors: `UnknownError`, `DeniedError`."""
        with writing(self.engine) as connection:
            found = _find(connection, principal, id_or_name)
            scope = _scope(connection, principal, found.team)
            connection.execute(delete(tables.saved_search).where(tables.saved_search.c.id == found.id))
            _tell(connection, Action.SEARCH_REMOVED, principal, found, scope)


def _check(spec: SearchSpec) -> None:
    if (
        not 0 < len(spec.name) <= LONGEST_NAME
        or spec.name != spec.name.strip()
        or not spec.name.isprintable()
    ):
        raise SavedSearchError(
            f"a name has 1 to {LONGEST_NAME} printable characters, none of them a blank at an end"
        )
    if spec.group not in get_args(Group):
        raise SavedSearchError(f"hits are grouped by model or version, not by {spec.group}")
    language.parse(spec.q)
    read_sort(spec.sort)


def _save(
    connection: Connection, principal: Principal, spec: SearchSpec, scope: str
) -> tuple[SavedSearch, bool]:
    kept = tables.saved_search.c
    moment = now()
    values = {
        "q": spec.q, "sort": spec.sort, "grouping": spec.group, "strict": spec.strict, "literal": spec.literal,
        "saved_by": principal.id, "changed_at": moment,
    }  # fmt: skip
    same = kept.scope == scope, kept.name == spec.name
    known = connection.execute(select(kept.id).where(*same)).scalar()
    if known is None:
        if connection.execute(select(func.count()).where(kept.scope == scope)).scalar_one() >= MOST:
            raise StateError(f"there are {MOST} saved searches already: remove one first")
        known = new_id("q")
        first = {"id": known, "scope": scope, "name": spec.name, "created_at": moment}
        connection.execute(insert(tables.saved_search).values({**first, **values}))
        is_new = True
    else:
        connection.execute(update(tables.saved_search).where(*same).values(values))
        is_new = False
    row = connection.execute(select(tables.saved_search).where(kept.id == known)).one()
    saved = _saved(row)
    _tell(connection, Action.SEARCH_SAVED, principal, saved, scope)
    return saved, is_new


def _seen(connection: Connection, principal: Principal) -> list[SavedSearch]:
    kept = tables.saved_search.c
    query = select(tables.saved_search).order_by(kept.name, kept.id)
    if principal.view != EVERYTHING:
        teams = {f"{TEAM}{team}" for team in _teams(connection, principal)}
        query = query.where(kept.scope.in_([principal.id, *sorted(teams)]))
    else:
        query = query.where((kept.scope == principal.id) | kept.scope.startswith(TEAM, autoescape=True))
    found = [_saved(row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: one.team is not None)


def _find(connection: Connection, principal: Principal, id_or_name: str) -> SavedSearch:
    found = _seen(connection, principal)
    for one in [
        *(one for one in found if one.id == id_or_name),
        *(one for one in found if one.name == id_or_name),
    ]:
        return one
    raise UnknownError()


def _teams(connection: Connection, principal: Principal) -> set[str]:
    """The teams of which the principal sees a registry."""
    known = spine.registry.c
    return set(connection.execute(select(known.team).where(principal.view.clause(known.id))).scalars())


def _may_keep(principal: Principal, team: str) -> bool:
    """Whether a role on the team, or on everything, lets the principal write. What registries a team has is not asked:
    the answer would tell of those that the principal does not see."""
    held = [role for role, scope in principal.roles if scope in (ALL, f"{TEAM}{team}")]
    return Permission.DECLARE in principal.grants and any(Permission.DECLARE in ROLES[role] for role in held)


def _scope(connection: Connection, principal: Principal, team: str | None) -> str:
    """The scope in which the principal may change something. Errors: `UnknownError`, `DeniedError`."""
    if team is None:
        return principal.id
    if not _may_keep(principal, team):
        if team not in _teams(connection, principal):
            raise UnknownError()
        raise DeniedError(Permission.DECLARE, f"team {team}")
    return f"{TEAM}{team}"


def _tell(
    connection: Connection, action: Action, principal: Principal, search: SavedSearch, scope: str
) -> None:
    batch = Batch()
    said = {"name": search.name, "query": search.q or None}
    details: dict[str, Any] = {"search": search.id, "for": scope}
    entry = Entry(
        action=action, actor=principal.id, details=details,
        commitments=batch.withhold(said, subject=principal.id),
    )  # fmt: skip
    batch.record(entry)
    batch.append(connection)


def _saved(row: Any) -> SavedSearch:
    team = row.scope.removeprefix(TEAM) if row.scope.startswith(TEAM) else None
    return SavedSearch(
        id=row.id, name=row.name, q=row.q, sort=row.sort, group=row.grouping, strict=row.strict, literal=row.literal,
        team=team, saved_by=row.saved_by, created_at=row.created_at, changed_at=row.changed_at,
    )  # fmt: skip


def forget(connection: Connection, principal_id: str) -> None:
    """Remove what a person kept for themselves."""
    connection.execute(delete(tables.saved_search).where(tables.saved_search.c.scope == principal_id))


def forget_naming(connection: Connection, names: Callable[[str], bool]) -> int:
    """Remove every search whose words name somebody; says how many."""
    kept = tables.saved_search.c
    rows = connection.execute(select(kept.id, kept.name, kept.q, kept.literal)).all()
    gone = [row.id for row in rows if any(map(names, row[1:]))]
    connection.execute(delete(tables.saved_search).where(kept.id.in_(gone)))
    return len(gone)
