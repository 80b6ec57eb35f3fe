"""Reading events, as one caller may see them: what is hidden shows neither in gaps nor in numbers."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from federation import tables
from federation.access import View
from federation.cloudevents import PREFIX
from federation.errors import InvalidRequestError, UnknownError
from federation.events.tables import event
from federation.events.types import TYPES
from federation.references import encode_part, parse
from federation.registry_names import find_registry

NOUNS = frozenset(name.partition(".")[0] for name in TYPES)


class EventQueryError(InvalidRequestError):
    """What is asked for cannot be: a type that there is not, or a selector that is none. One line."""

    def __init__(self, text: str, parameter: str) -> None:
        super().__init__(text)
        self.parameter = parameter

    @property
    def fields(self) -> dict[str, object]:
        return {"parameter": self.parameter}


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event as it is given out; `cloud` is its CloudEvent. `position` is never given out."""

    position: int
    id: str
    time: datetime
    type: str
    subject: str
    data: Mapping[str, Any]
    cloud: Mapping[str, Any]


class Selected(NamedTuple):
    """Which events are wanted; empty asks for any. `on` is `team:NAME`, `registry:NAME` or a model; `models`, where it
    is given, are references of the models alone that are wanted.
    """

    types: Sequence[str] = ()
    on: str = ""
    since: datetime | None = None
    models: Sequence[str] | None = None


def read_types(given: Collection[str]) -> list[str]:
    """The types that are meant, where a noun such as `stage` stands for all of it. Errors: `EventQueryError`."""
    found: list[str] = []
    for name in (one.removeprefix(PREFIX) for one in given):
        if name not in TYPES and name not in NOUNS:
            near = difflib.get_close_matches(name, [*TYPES, *NOUNS], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(NOUNS))}"
            raise EventQueryError(f"there is no type of event called so: {hint}", "type")
        found += [name] if name in TYPES else [one for one in TYPES if one.partition(".")[0] == name]
    return found


def read_events(
    connection: Connection, view: View, wanted: Selected, *, after: int | None, limit: int
) -> Sequence[Any]:
    """At most `limit` events after a position, in order. Errors: `EventQueryError`, `UnknownError`."""
    query = chosen(connection, view, wanted)
    if after is not None:
        query = query.where(event.c.position > after)
    return connection.execute(query.order_by(event.c.position).limit(limit)).all()


def read_latest(
    connection: Connection, view: View, wanted: Selected, *, before: int | None, limit: int
) -> Sequence[Any]:
    """At most `limit` events before a position, the newest first. Errors: `EventQueryError`, `UnknownError`."""
    query = chosen(connection, view, wanted)
    if before is not None:
        query = query.where(event.c.position < before)
    return connection.execute(query.order_by(event.c.position.desc()).limit(limit)).all()


def newest(connection: Connection) -> int:
    """The position of the newest event of all, which is for this process alone to know."""
    return int(connection.execute(select(func.max(event.c.position))).scalar() or -1)


TEAM, REGISTRY = KINDS = "team:", "registry:"
"""How a selector begins that names no model."""


def chosen(connection: Connection, view: View, wanted: Selected) -> Select[Any]:
    """The query for events that are wanted, inside a view. Errors: as `selected`."""
    query = select(event).where(view.clause(event.c.registry_id), *selected(connection, view, wanted.on))
    if wanted.models is not None:
        query = query.where(event.c.model_id.in_(model_ids(connection, view, wanted.models)))
    if wanted.types:
        query = query.where(event.c.type.in_(read_types(wanted.types)))
    return query if wanted.since is None else query.where(event.c.time >= wanted.since)


def selected(
    connection: Connection,
    view: View,
    on: str,
    registry_id: ColumnElement[int] = event.c.registry_id,
    model_id: ColumnElement[int] = event.c.model_id,
) -> list[ColumnElement[bool]]:
    """The condition that a selector stands for, inside a view, for these columns. Errors: `EventQueryError`,
    `UnknownError`.
    """
    if on in ("", "*"):
        return []
    if on.startswith(TEAM):
        registries = tables.registry.c
        of_team = select(registries.id).where(registries.team == on.removeprefix(TEAM))
        return [registry_id.in_(of_team)]
    if on.startswith(REGISTRY):
        return [registry_id == _registry(connection, view, on.removeprefix(REGISTRY))]
    model = parse(on)
    if (model.version, model.alias, model.stage) != (None, None, None):
        raise EventQueryError("on is team:NAME, registry:NAME or a model, without version or alias", "on")
    models, of = tables.model.c, _registry(connection, view, model.registry)
    query = select(models.id).where(models.registry_id == of, models.name == encode_part(model.model))
    ids = connection.execute(query).scalars().all()
    if not ids:
        raise UnknownError()
    return [model_id.in_(ids)]


def model_ids(connection: Connection, view: View, refs: Collection[str]) -> list[int]:
    """The models of a view that these references name."""
    models, known = tables.model.c, tables.registry.c
    names = [(ref.registry, encode_part(ref.model)) for ref in map(parse, refs)]
    query = (
        select(models.id)
        .join(tables.registry, known.id == models.registry_id)
        .where(tuple_(known.name, models.name).in_(names), view.clause(known.id))
    )
    return list(connection.execute(query).scalars())


def _registry(connection: Connection, view: View, name: str) -> int:
    found = find_registry(connection, view, name)
    if found is None:
        raise UnknownError()
    return found
