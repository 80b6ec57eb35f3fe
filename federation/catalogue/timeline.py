"""Which version of a model held which stage and alias, since when and by whom."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from federation import tables
from federation.access import View
from federation.catalogue.reader import incarnation_of, latest_model
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


def read_timeline(
    connection: Connection, view: View, reference: Reference, *, most: int | None = None
) -> list[Span]:
    """Who held which stage and alias of a model (or of the one version named), newest first; of more than `most` those
    that still hold and the newest of the others. Errors: `UnknownError`.
    """
    model = latest_model(connection, view, reference)
    spans = tables.span.c
    query = (
        select(tables.span, _versions.version, _versions.native_id)
        .join(tables.version, _versions.id == spans.version_id)
        .where(spans.model_id == model.id)
        .order_by(spans.ended_by.is_not(None), spans.began_by.desc(), spans.id.desc())
        .limit(most)
    )
    if reference.version is not None:
        query = query.where(_versions.version == encode_part(reference.version))
    if reference.alias is not None:
        query = query.where(spans.kind == "alias", spans.value == reference.alias)
    if reference.stage is not None:
        query = query.where(spans.kind == "stage", spans.value == reference.stage)
    return [
        Span(
            decode_part(row.version), incarnation_of(row.native_id), row.kind, row.value, row.began_after,
            row.began_by, row.ended_after, row.ended_by, row.source, row.began_actor, row.ended_actor,
        )
        for row in sorted(connection.execute(query), key=lambda row: (row.began_by, row.id), reverse=True)
    ]  # fmt: skip
