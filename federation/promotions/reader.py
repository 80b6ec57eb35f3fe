"""Reading promotions, as one caller may see them, and making proposals to judge of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, select

from federation import tables
from federation.access import View
from federation.catalogue.reader import VERSION, as_version
from federation.errors import UnknownError
from federation.promotions.checks import CheckReport
from federation.promotions.judgement import Proposal, Voice
from federation.promotions.tables import promotion, report, voice

_one, _registries = promotion.c, tables.registry.c


class ChosenPromotions(NamedTuple):
    """Which promotions of a list are wanted; None: whatever it is. `before` is an id to go on from."""

    state: str | None = None
    ref: str | None = None
    before: int | None = None
    review: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion as it stands. `steps` and `undone` are ids of operations."""

    id: int
    registry: str
    registry_id: int
    ref: str
    stage: str
    kind: str
    state: str
    proposer: str
    reason: str
    message: str
    review: str
    proposed_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    steps: Sequence[int]
    undone: Sequence[int]
    voices: Sequence[Voice] = ()
    reports: Sequence[CheckReport] = ()


def read_promotion(connection: Connection, view: View, promotion_id: int) -> tuple[Row[Any], Promotion]:
    """One promotion with everything that was said to it, and its row. Errors: `UnknownError`."""
    row = connection.execute(_visible(view).where(_one.id == promotion_id)).one_or_none()
    if row is None:
        raise UnknownError()
    return row, _promotion(row, read_voices(connection, row.id), read_reports(connection, row.id))


def read_promotions(
    connection: Connection, view: View, chosen: ChosenPromotions, limit: int
) -> list[Promotion]:
    """Promotions, newest first, without what was said to them."""
    query = _visible(view).order_by(_one.id.desc()).limit(limit)
    if chosen.state == "open":
        query = query.where(_one.finished_at.is_(None))
    elif chosen.state is not None:
        query = query.where(_one.state == chosen.state)
    for column, wanted in ((_one.ref, chosen.ref), (_one.review, chosen.review)):
        if wanted is not None:
            query = query.where(column == wanted)
    if chosen.before is not None:
        query = query.where(_one.id < chosen.before)
    return [_promotion(row) for row in connection.execute(query)]


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
    return Proposal(as_version(found), row.to_stage, row.kind, row.proposer, voices, reports)


def _visible(view: View) -> Select[Any]:
    return (
        select(promotion, _registries.name.label("registry"), _registries.team)
        .join(tables.registry, _registries.id == _one.registry_id)
        .where(view.clause(_one.registry_id))
    )


def _promotion(row: Row[Any], voices: Sequence[Voice] = (), reports: Sequence[CheckReport] = ()) -> Promotion:
    return Promotion(
        id=row.id,
        registry=row.registry,
        registry_id=row.registry_id,
        ref=row.ref,
        stage=row.to_stage,
        kind=row.kind,
        state=row.state,
        proposer=row.proposer,
        reason=row.reason,
        message=row.message,
        review=row.review,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        finished_at=row.finished_at,
        steps=msgspec.json.decode(row.steps),
        undone=msgspec.json.decode(row.undone),
        voices=voices,
        reports=reports,
    )
