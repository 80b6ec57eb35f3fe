"""The way back: who held a stage before, by the timeline alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from federation import tables
from federation.catalogue.models import Model
from federation.catalogue.reader import VERSION, Version, as_version
from federation.errors import StateError
from federation.promotions.tables import promotion


def predecessor(
    connection: Connection, model: Model, stage: str, to: str | None
) -> tuple[Version, list[str]]:
    """The version that held a stage last before those that hold it now, and why others were passed over.

    `to` names one, which must have held it. A version that was rolled away from is passed over until it is promoted
    again. Errors: `StateError`.
    """
    passed: list[str] = []
    left = _left(connection, model.id, stage)
    for version, held_until in _former(connection, model.id, stage):
        name = str(version.reference)
        if to is not None and version.record.version != to:
            continue
        if version.deleted_at is not None:
            passed.append(f"{name} was deleted")
        elif version.record.state is not None:
            passed.append(f"{name} cannot be used: {version.record.state}")
        elif to is None and left.get(version.id, held_until) > held_until:
            passed.append(f"{name} was rolled away from")
        elif version.stage == stage:
            passed.append(f"{name} is in {stage} now")
        else:
            return version, passed
    never = "no other version held it" if to is None else "it did not hold it"
    why = "; ".join(passed if to is not None and passed else [*passed, f"{never}, as far as is known"])
    wanted = f"{model.reference}:{to}" if to is not None else f"{model.reference}"
    raise StateError(
        f"there is no way back to {stage} of {wanted}: {why}. A promotion brings any version there",
        code="no-way-back",
    )


def _former(connection: Connection, model_id: int, stage: str) -> Iterator[tuple[Version, datetime]]:
    """The versions that held a stage, with when they did last, newest first."""
    spans, versions = tables.span.c, tables.version.c
    until = func.max(func.coalesce(type_coerce(spans.ended_by, BigInteger), 2**62))
    held = (
        select(spans.version_id, until.label("until"), func.max(spans.began_by).label("began"))
        .where(spans.model_id == model_id, spans.kind == "stage", spans.value == stage)
        .group_by(spans.version_id)
    ).subquery()
    query = (
        VERSION.add_columns(held.c.until, held.c.began)
        .join(held, held.c.version_id == versions.id)
        .order_by(held.c.until.desc(), versions.id.desc())
    )
    for row in connection.execute(query):
        yield as_version(row), row.began


def _left(connection: Connection, model_id: int, stage: str) -> dict[int, Any]:
    """The versions that rollbacks replaced, with when."""
    one = promotion.c
    query = select(one.replaced, one.finished_at).where(
        one.model_id == model_id, one.to_stage == stage, one.kind == "rollback", one.state == "done"
    )
    found: dict[int, Any] = {}
    for row in connection.execute(query.order_by(one.finished_at)):
        found |= dict.fromkeys(msgspec.json.decode(row.replaced), row.finished_at)
    return found
