"""History: who held which stage and alias, and when, as far as a sync can know.

A sync sees an interval, not a moment: what it finds changed, changed after the sync before (`after`) and not
later than now (`by`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from federation import bulk, tables
from federation.catalogue.origin import Origin
from federation.database import micros
from federation.prepared import Prepared, among

COLUMNS = (
    "registry_id",
    "model_id",
    "version_id",
    "kind",
    "value",
    "began_after",
    "began_by",
    "source",
    "began_actor",
)
Hold = tuple[str, str]
"""What a version can hold: ("stage", "production") or ("alias", "champion")."""


class Settled(NamedTuple):
    """What a version holds now; nothing when it is gone."""

    version_id: int
    model_id: int
    holds: frozenset[Hold]
    born: datetime | None = None
    """Of one that is seen for the first time: when it was made, as its backend says."""


def write_spans(
    connection: Connection, origin: Origin, settled: Sequence[Settled], *, fresh: bool = False
) -> None:
    """End the spans of what is no longer held and begin those of what is held now. `fresh`: no span is open yet."""
    open_spans = {} if fresh else _open(connection, [version.version_id for version in settled])
    by = micros(origin.by)
    after = {kind: _micros(origin.since_held(kind)) for kind in ("alias", "stage")}

    def begun_after(kind: str, born: datetime | None) -> int | None:
        if born is None or after[kind] is None:  # nobody looked before: so it is for all of an import
            return after[kind]
        return _micros(origin.since_held(kind, born=born))

    ended = [
        (after[hold[0]], by, origin.actor, span_id)
        for version in settled
        for hold, span_id in open_spans.get(version.version_id, {}).items()
        if hold not in version.holds
    ]
    bulk.update(connection, tables.span, ("ended_after", "ended_by", "ended_actor"), ended)
    begun = [
        (
            origin.registry_id,
            version.model_id,
            version.version_id,
            *hold,
            begun_after(hold[0], version.born),
            by,
            origin.source,
            origin.actor,
        )
        for version in settled
        for hold in sorted(version.holds - open_spans.get(version.version_id, {}).keys())
    ]
    bulk.insert(connection, tables.span, COLUMNS, begun)


def _open(connection: Connection, version_ids: Sequence[int]) -> dict[int, dict[Hold, int]]:
    found: dict[int, dict[Hold, int]] = {}
    for version_id, kind, value, span_id in _OPEN.bare(connection, versions=list(version_ids)):
        found.setdefault(version_id, {})[kind, value] = span_id
    return found


_spans = tables.span.c
_OPEN = Prepared(
    select(_spans.version_id, _spans.kind, _spans.value, _spans.id).where(
        among(_spans.version_id, "versions"), _spans.ended_by.is_(None)
    )
)


def _micros(time: datetime | None) -> int | None:
    return None if time is None else micros(time)
