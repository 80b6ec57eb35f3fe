"""Which version of a model held which stage and alias, since when and by whom."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from federation import tables
from federation.access import View
from federation.catalogue.reader import incarnation_of, latest_model
from federation.prepared import EVERY, Prepared
from federation.references import Reference, decode_part, encode_part

_versions = tables.version.c


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which a version held a stage or alias, with the intervals of its begin and end."""

    version: str
    incarnation: int
    kind: str
    value: str
    began_after: datetime | None
    began_by: datetime
    ended_after: datetime | None
    ended_by: datetime | None
    source: str
    began_actor: str | None
    ended_actor: str | None

    def holds_at(self, time: datetime) -> bool:
        """Whether it is known to have held at that time, as far as Waypost had seen by then."""
        return self.began_by <= time and (self.ended_by is None or time < self.ended_by)


_spans = tables.span.c
_OF_MODEL, _OF_VERSION, _OF_VALUE = (
    Prepared(
        select(tables.span, _versions.version, _versions.native_id)
        .join(tables.version, _versions.id == _spans.version_id)
        .where(_spans.model_id == bindparam("of_model", 0), *narrower)
        .order_by(_spans.ended_by.is_not(None), _spans.began_by.desc(), _spans.id.desc())
        .limit(bindparam("most", 0))
    )
    for narrower in (
        (),
        (_versions.version == bindparam("of_version", ""),),
        (_spans.kind == bindparam("of_kind", ""), _spans.value == bindparam("of_value", "")),
    )
)


def read_timeline(
    connection: Connection, view: View, reference: Reference, *, most: int | None = None
) -> list[Span]:
    """Who held which stage and alias of a model (or of the one version named), newest first; of more than `most` those
    that still hold and the newest of the others. Errors: `UnknownError`.
    """
    model = latest_model(connection, view, reference)
    if reference.version is not None:
        rows = _OF_VERSION.rows(
            connection, of_model=model.id, of_version=encode_part(reference.version), most=most or EVERY
        )
    elif (value := reference.alias or reference.stage) is not None:
        kind = "stage" if reference.alias is None else "alias"
        rows = _OF_VALUE.rows(connection, of_model=model.id, of_kind=kind, of_value=value, most=most or EVERY)
    else:
        rows = _OF_MODEL.rows(connection, of_model=model.id, most=most or EVERY)
    return [
        Span(
            decode_part(row.version), incarnation_of(row.native_id), row.kind, row.value, row.began_after,
            row.began_by, row.ended_after, row.ended_by, row.source, row.began_actor, row.ended_actor,
        )
        for row in sorted(rows, key=lambda row: (row.began_by, row.id), reverse=True)
    ]  # fmt: skip
