"""Watches: what people want to be told of, and the inbox of what came of it.

Whoever watches a model, a team or a registry is told of its events, and of what happens to whatever it needs: that it
is deprecated, deleted or archived, that an alias of it moves, or that it fails a policy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, false, or_, select

from federation import tables
from federation.access import Principal, View
from federation.database import now
from federation.errors import InvalidRequestError, StateError, UnknownError
from federation.events import feed
from federation.events.feed import EventQueryError, Selected
from federation.events.tables import event, watch
from federation.graph.tables import edge, node
from federation.graph.words import SELECTORS, NodeKind
from federation.journal.actions import Action
from federation.numbering import insert_dated

SEARCH = "search:"
Found = Callable[[View, str], Sequence[str]]
"""The models that a search finds, by reference. Errors: those of the search language."""
SHOWN = timedelta(days=30)
"""How far back an inbox goes; `/changes` goes back to the beginning."""
MOST = 200
"""What one person may watch."""
GRAVE = (
    Action.MODEL_DEPRECATED,
    Action.MODEL_DELETED,
    Action.MODEL_RENAMED,
    Action.VERSION_DELETED,
    Action.ALIAS_MOVED,
    Action.ALIAS_REMOVED,
    Action.PROMOTION_VOID,
    Action.PROMOTION_REJECTED,
    Action.POLICY_BYPASSED,
)
"""What of something that is needed is told to whoever watches what needs it; and that a version is archived."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that one person watches: `on` is `team:NAME`, `registry:NAME`, a model, or `search:` and a query."""

    id: int
    on: str
    created_at: datetime


def add(connection: Connection, actor: Principal, on: str, found: Found) -> Watched:
    """Watch something; twice is once. Errors: `EventQueryError`, `UnknownError`, `StateError`, those of searches."""
    if on in ("", "*"):
        raise EventQueryError("watch what? team:NAME, registry:NAME, a model, or search:QUERY", "on")
    _conditions(connection, actor.view, on, found)
    known = listed(connection, actor)
    if (same := next((one for one in known if one.on == on), None)) is not None:
        return same
    if len(known) >= MOST:
        raise StateError(
            f"you watch {MOST} things: watch a team, or stop watching something", code="too-many-watches"
        )
    values = {"principal_id": actor.id, "selector": on, "created_at": now()}
    return _watch(insert_dated(connection, watch, values))


def remove(connection: Connection, actor: Principal, ident: int) -> None:
    """Watch something no longer. Errors: `UnknownError`."""
    mine = delete(watch).where(watch.c.id == ident, watch.c.principal_id == actor.id)
    if not connection.execute(mine).rowcount:
        raise UnknownError()


def listed(connection: Connection, actor: Principal) -> list[Watched]:
    """What somebody watches, in the order they began."""
    query = select(watch).where(watch.c.principal_id == actor.id).order_by(watch.c.id)
    return [_watch(row) for row in connection.execute(query)]


def read_inbox(
    connection: Connection, actor: Principal, found: Found, before: int | None, limit: int
) -> list[Any]:
    """The events that somebody watches, the newest first; since they began to watch them or not.

    Only lately, so that whoever watches what is quiet waits for no search through years.
    """
    view = actor.view
    mine: list[ColumnElement[bool]] = []
    needing: list[ColumnElement[bool]] = []
    for one in listed(connection, actor):
        try:
            events, versions = _conditions(connection, view, one.on, found)
        except (UnknownError, InvalidRequestError):
            continue  # it is gone, or hidden by now
        mine.append(events)
        needing.append(versions)
    if not mine:
        return []
    told = or_(*mine, and_(_is_grave(), _is_needed(view, or_(false(), *needing))))
    since = select(event.c.position).where(event.c.time >= now() - SHOWN).order_by(event.c.time).limit(1)
    first = connection.execute(since).scalar()
    if first is None:
        return []
    query = feed.chosen(connection, view, Selected()).where(told, event.c.position >= first)
    if before is not None:
        query = query.where(event.c.position < before)
    return list(connection.execute(query.order_by(event.c.position.desc()).limit(limit)).all())


def _conditions(
    connection: Connection, view: View, on: str, found: Found
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Of events, and of versions that are watched. Errors: as `add`."""
    versions = tables.version.c
    if on.startswith(SEARCH):
        ids = feed.model_ids(connection, view, found(view, on.removeprefix(SEARCH)))
        return event.c.model_id.in_(ids), versions.model_id.in_(ids)
    of_versions = feed.selected(connection, view, on, versions.registry_id, versions.model_id)
    return and_(*feed.selected(connection, view, on)), and_(*of_versions)


def _is_grave() -> ColumnElement[bool]:
    archived = and_(event.c.type == Action.STAGE_CHANGED.value, event.c.data.like('%"after":"archived"%'))
    return or_(event.c.type.in_([action.value for action in GRAVE]), archived)


def _is_needed(view: View, watched: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the model of an event is needed by a version that is watched, as the graph knows now."""
    source, target, versions = node.alias("consumer"), node.alias("needed"), tables.version.c
    its = tables.version.alias("its")
    by_watched = (
        select(edge.c.id)
        .join(target, target.c.id == edge.c.target)
        .join(source, and_(source.c.id == edge.c.source, source.c.kind == int(NodeKind.VERSION)))
        .join(tables.version, versions.id == source.c.scope)
        .where(~edge.c.gone, watched, view.clause(versions.registry_id))
    )
    selectors = target.c.kind.in_([int(kind) for kind in SELECTORS])
    as_model = by_watched.where(selectors, target.c.scope == event.c.model_id)
    as_version = by_watched.join(its, its.c.id == target.c.scope).where(
        target.c.kind == int(NodeKind.VERSION), its.c.model_id == event.c.model_id
    )
    return and_(event.c.model_id != 0, or_(as_model.exists(), as_version.exists()))


def _watch(row: Any) -> Watched:
    return Watched(row.id, row.selector, row.created_at)
