"""Reading promotions, as one caller may see them, and making proposals to judge of their rows."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, tuple_

from federation import tables
from federation.access import View
from federation.catalogue.reader import VERSION, Version, as_version
from federation.errors import UnknownError
from federation.prepared import COMPILED, Prepared
from federation.promotions.case import CheckReport
from federation.promotions.crossing import Crossing, read_crossing
from federation.promotions.judgement import Proposal, Voice
from federation.promotions.rollout import Rollout, read_rollout
from federation.promotions.standing import told_stuck
from federation.promotions.tables import promotion, report, voice
from federation.references import Reference, encode_part, parse

_one, _registries = promotion.c, tables.registry.c


class ChosenPromotions(NamedTuple):
    """Which promotions of a list are wanted; None: whatever it is. `before` is an id to go on from."""

    state: str | None = None
    ref: str | None = None
    before: int | None = None
    review: str | None = None
    rolled: bool = False
    """Only those that move traffic."""


class Promotion(msgspec.Struct, kw_only=True):
    """A promotion. `state` is `waiting`, `approved` (only time is missing), `executing`, `stuck` (the backend does not
    answer: a part was made and cannot be undone now, or nobody knows whether it was), and at its end `done`, `failed`,
    `void`, `rejected`, `expired` or `cancelled`.
    """

    id: int
    ref: str
    registry: str
    to: str
    kind: str
    """promotion, crossing (to another registry), rollback or emergency."""
    state: str
    proposer: str
    reason: str
    message: str
    """What became of it; what stands where while it is stuck. Of another registry those are told who may see that."""
    review: str
    """Of an emergency: `open` until somebody else closes it."""
    proposed_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    operations: Sequence[int]
    undone: Sequence[int]
    """The operations that took back what was made."""
    rollout: Rollout | None
    """How far the traffic has come, where it is moved."""
    crossing: Crossing | None
    """How far the registration in another registry has come, for those who may see that one."""


class PromotionOrigin(msgspec.Struct):
    """Where a promotion's version came from: the promotion that registered it here, and the version over there."""

    promotion: int
    ref: str


COPIED = tuple(
    name
    for name in Promotion.__struct_fields__
    if name not in ("to", "operations", "undone", "rollout", "crossing")
)
"""What stands in a row as it is told."""


def read_promotion(connection: Connection, view: View, promotion_id: int) -> tuple[Row[Any], Promotion]:
    """One promotion, and its row. Errors: `UnknownError`."""
    row = connection.execute(_visible(view).where(_one.id == promotion_id)).one_or_none()
    if row is None:
        raise UnknownError()
    return row, _promotion(connection, row, view)


def read_promotions(
    connection: Connection, view: View, chosen: ChosenPromotions, limit: int
) -> list[Promotion]:
    """Promotions, newest first."""
    given = {
        name: value for name, value in chosen._asdict().items() if value is not None and value is not False
    }
    if given.get("state") == "open":
        given["open"] = given.pop("state")
    asked = {name: value for name, value in given.items() if name not in _FLAGS}
    rows = _list(view, frozenset(given)).rows(connection, limit=limit, **asked)
    return [_promotion(connection, row, view) for row in rows]


@lru_cache(COMPILED)
def _list(view: View, given: frozenset[str]) -> Prepared:
    """The promotions that are chosen by what is given."""
    query = _visible(view).order_by(_one.id.desc()).limit(bindparam("limit", 0))
    conditions = _FLAGS | _CHOSEN
    return Prepared(query.where(*(conditions[name] for name in sorted(given))))


_FLAGS: dict[str, ColumnElement[bool]] = {
    "open": _one.finished_at.is_(None),
    "rolled": _one.rollout.is_not(None),
}
_CHOSEN: dict[str, ColumnElement[bool]] = {
    "state": _one.state == bindparam("state", ""),
    "ref": _one.ref == bindparam("ref", ""),
    "review": _one.review == bindparam("review", ""),
    "before": _one.id < bindparam("before", 0),
}


def read_voices(connection: Connection, promotion_id: int) -> list[Voice]:
    """What was said to a promotion, in order."""
    said = voice.c
    query = select(said.id, said.principal, said.kind, said.words, said.evidence, said.at)
    rows = connection.execute(query.where(said.promotion_id == promotion_id).order_by(said.id))
    return [Voice(*row) for row in rows]


def read_reports(connection: Connection, promotion_id: int) -> list[CheckReport]:
    """What outside systems said last about their checks, by name."""
    query = select(report).where(report.c.promotion_id == promotion_id).order_by(report.c.name)
    return [
        CheckReport(
            row.name,
            row.verdict,
            row.url,
            msgspec.json.decode(row.figures),
            row.digest,
            row.principal,
            row.at,
        )
        for row in connection.execute(query)
    ]


def read_in_order(
    connection: Connection, view: View, under: str, after: Reference | None, limit: int
) -> list[Version]:
    """The living versions of a registry or model (empty: of all), in the order of their names, behind one of them.

    Errors: `ReferenceSyntaxError`.
    """
    versions, models = tables.version.c, tables.model.c
    names = (models.name, versions.version)
    places = select(_registries.id, _registries.name).where(view.clause(_registries.id))
    living = (
        select(versions.id)
        .join(tables.model, models.id == versions.model_id)
        .where(versions.deleted_at.is_(None), models.deleted_at.is_(None))
        .order_by(*names)
    )
    if "/" in under:
        within = parse(under)
        places = places.where(_registries.name == within.registry)
        living = living.where(models.name == encode_part(within.model))
    elif under:
        places = places.where(_registries.name == under)
    if after is not None:
        places = places.where(_registries.name >= after.registry)
    ids: list[int] = []
    # One registry after the other: its models are read in the order of their names, and no further than is wanted.
    for place in connection.execute(places.order_by(_registries.name)).all():
        query = living.where(models.registry_id == place.id)
        if after is not None and place.name == after.registry:
            last = (encode_part(after.model), encode_part(after.version or ""))
            query = query.where(models.name >= last[0], tuple_(*names) > tuple_(*last))
        ids += connection.execute(query.limit(limit - len(ids))).scalars()
        if len(ids) == limit:
            break
    rows = connection.execute(VERSION.where(versions.id.in_(ids)).order_by(_registries.name, *names))
    return [as_version(row) for row in rows]


def proposal_of(connection: Connection, row: Row[Any]) -> Proposal | None:
    """What is to be judged; None where the version is gone."""
    living = VERSION.where(
        tables.version.c.id == row.version_id,
        tables.version.c.deleted_at.is_(None),
        tables.model.c.deleted_at.is_(None),
    )
    found = connection.execute(living).one_or_none()
    if found is None:
        return None
    voices, reports = read_voices(connection, row.id), read_reports(connection, row.id)
    crossing = read_crossing(row.crossing)
    return Proposal(as_version(found), row.to_stage, row.kind, row.proposer, voices, reports, crossing)


def origin_of(connection: Connection, view: View, row: Row[Any]) -> PromotionOrigin | None:
    """The promotion that a promotion goes on from, into this registry; None: there is none, or it is not to be seen.

    Only the row of that one says so, at its end.
    """
    query = select(_one.id, _one.ref).where(
        _one.into_id == row.registry_id,
        _one.crossing.endswith(f'"then":{row.id}}}'),
        view.clause(_one.registry_id),
    )
    found = connection.execute(query).one_or_none()
    return None if found is None else PromotionOrigin(found.id, found.ref)


def shares_now(connection: Connection, row: Row[Any], rollout: Rollout | None) -> dict[str, float]:
    """What the version of a rollout has of the traffic of its endpoints, as they were read last, by native ids."""
    if rollout is None:
        return {}
    known, held = tables.endpoint.c, tables.traffic.c
    query = (
        select(known.native_id, held.percent)
        .join(tables.traffic, held.endpoint_id == known.id)
        .where(
            held.version_id == row.version_id,
            known.registry_id == row.registry_id,
            known.native_id.in_(sorted(rollout.former)),
            known.deleted_at.is_(None),
        )
    )
    return {row.native_id: row.percent for row in connection.execute(query)}


def _visible(view: View) -> Select[Any]:
    return (
        select(promotion, _registries.name.label("registry"))
        .join(tables.registry, _registries.id == _one.registry_id)
        .where(view.clause(_one.registry_id))
    )


def _promotion(connection: Connection, row: Any, view: View) -> Promotion:
    operations, undone = (msgspec.json.decode(ids) for ids in (row.steps, row.undone))
    copied = {name: getattr(row, name) for name in COPIED}
    sees_all = row.into_id is None or view.sees(row.into_id)
    if not sees_all:
        copied["message"] = ""
    elif row.state == "stuck":
        copied["message"] = told_stuck(connection, row, row.message)
    return Promotion(
        to=row.to_stage,
        operations=operations,
        undone=undone,
        rollout=read_rollout(row.rollout),
        crossing=read_crossing(row.crossing) if sees_all else None,
        **copied,
    )
