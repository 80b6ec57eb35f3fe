"""The catalogue as it was at a time: a model with its versions at a time, and everything that held a stage.

A sync sees intervals, so what held at a time is *certain* where it had begun by then and not yet ended, and only
*possible* where the time lies inside the interval of its begin or end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Select, and_, bindparam, func, or_, select

from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.models import Model, with_versions_then
from federation.catalogue.reader import find_model, incarnation_of
from federation.database import UTCTime, micros
from federation.errors import UnknownError
from federation.prepared import Prepared, Statement, among, cursor_of, prepare
from federation.references import Reference, decode_part
from federation.standby import Reads


@dataclass(frozen=True, slots=True)
class HeldStage:
    """A version that held a stage at a time, with the intervals in which that must have begun and ended.

    `began_after` None: nobody looked before. `ended_by` None: it still holds it.
    """

    reference: Reference
    team: str
    incarnation: int
    stage: str
    certain: bool
    began_after: datetime | None
    began_by: datetime
    ended_after: datetime | None
    ended_by: datetime | None
    source: str
    began_actor: str | None
    ended_actor: str | None
    owner: str | None


def read_model_then(connection: Connection, view: View, reference: Reference, at: datetime) -> Model:
    """The model a reference named at a time, with the versions, stages and aliases of then; other fields as they
    are now. Errors: `UnknownError`.
    """
    row = find_model(connection, view, reference, at)
    if row is None:
        raise UnknownError()
    found = with_versions_then(connection, row, at)
    aliases = {alias: one.version for one in reversed(found.versions) for alias in one.aliases}
    return replace(found, record=replace(found.record, aliases=aliases))


def read_held(
    connection: Connection,
    view: View,
    stage: str,
    at: datetime,
    *,
    registry: str | None = None,
    team: str | None = None,
    limit: int = 1000,
    skip: int = 0,
) -> list[HeldStage]:
    """What held a stage at a time, certainly or possibly, by team, registry and model."""
    # Registry by registry, in the order of the answer: so a page is made without sorting all there is.
    pick = _picks(connection.dialect)
    asked = {"stage": stage, "at": micros(at)}
    cursor = cursor_of(connection)
    found: list[int] = []
    for id_ in connection.execute(_chosen(view, registry, team)).scalars().all():
        if skip:
            ((there,),) = pick.number.bare(cursor, {**asked, "registry": id_})
            if there <= skip:
                skip -= there
                continue
        wanted = {**asked, "registry": id_, "most": limit - len(found), "skipped": skip}
        found += (row[0] for row in pick.ids.bare(cursor, wanted))
        skip = 0
        if len(found) == limit:
            break
    rows = {row.id: row for row in _WHOLE.rows(connection, ids=found)}
    return [_held(rows[id_], at) for id_ in found]


class HeldPicks(NamedTuple):
    """What is asked of each registry: which spans held a stage at a time, in order of the models, and how many."""

    ids: Statement
    number: Statement


@lru_cache
def _picks(dialect: Dialect) -> HeldPicks:
    spans, models, at = tables.span.c, tables.model.c, bindparam("at", type_=UTCTime)
    held = select(spans.id).where(
        spans.registry_id == bindparam("registry", 0),
        spans.kind == "stage",
        spans.value == bindparam("stage", ""),
        or_(spans.began_by <= at, and_(spans.began_after.is_not(None), spans.began_after < at)),
        or_(spans.ended_by.is_(None), spans.ended_by > at),
    )
    ordered = held.join(tables.model, models.id == spans.model_id).order_by(models.name, spans.id)
    return HeldPicks(
        prepare(dialect, ordered.limit(bindparam("most", 0)).offset(bindparam("skipped", 0))),
        prepare(dialect, select(func.count().label("held")).select_from(held.subquery())),
    )


_spans, _versions, _models, _registries = (
    table.c for table in (tables.span, tables.version, tables.model, tables.registry)
)
_WHOLE = Prepared(
    select(
        tables.span,
        _versions.version,
        _versions.native_id,
        _models.name,
        _registries.name.label("registry"),
        _registries.team,
        _versions.body,
        _models.body.label("model_body"),
    )
    .join(tables.version, _versions.id == _spans.version_id)
    .join(tables.model, _models.id == _spans.model_id)
    .join(tables.registry, _registries.id == _spans.registry_id)
    .where(among(_spans.id, "ids"))
)
"""Spans by id, with what is told of each."""


def _chosen(view: View, registry: str | None, team: str | None) -> Select[int]:
    """The ids of the registries of a view with this name or team, by team and name."""
    registries = tables.registry.c
    query = select(registries.id).where(view.clause(registries.id)).order_by(registries.team, registries.name)
    if registry is not None:
        query = query.where(registries.name == registry)
    return query if team is None else query.where(registries.team == team)


def every_held(reads: Reads, view: View, stage: str, at: datetime, **chosen: Any) -> Iterator[HeldStage]:
    """The same without a limit; each page in a transaction of its own, so that a slow reader holds none open."""
    page, skip = 5000, 0
    while True:
        with reads.reading() as connection:
            found = read_held(connection, view, stage, at, limit=page, skip=skip, **chosen)
        yield from found
        if len(found) < page:
            return
        skip += page


def _held(row: Any, at: datetime) -> HeldStage:
    not_ended = row.ended_by is None or (row.ended_after is not None and at <= row.ended_after)
    return HeldStage(
        Reference(row.registry, decode_part(row.name), decode_part(row.version)),
        row.team,
        incarnation_of(row.native_id),
        row.value,
        row.began_by <= at and not_ended,
        row.began_after,
        row.began_by,
        row.ended_after,
        row.ended_by,
        row.source,
        row.began_actor,
        row.ended_actor,
        codec.owner_of(row.body) or codec.owner_of(row.model_body),
    )
