"""Answers of the graph as lines of CSV."""

from collections.abc import Iterable, Iterator, Sequence

from federation.events.events import ToldEvent
from federation.graph.graph import Affected, InsightItem, Needed
from federation.spreadsheet import csv_row
from gateway.api.events_out import ChangeOut, changes_out
from gateway.team import COLUMNS, TeamRow, cells

AFFECTED = (
    "ref", "distance", "breaks", "severity", "stage", "team", "registry", "endpoints", "reason", "via",
)  # fmt: skip
NEEDED = (
    "ref",
    "kind",
    "distance",
    "stage",
    "team",
    "registry",
    "deleted",
    "sources",
    "via",
    "deprecated_until",
)
CHANGE = ("time", "type", "subject", "registry", "before", "after", "fields", "id")
INSIGHT = ("ref", "kind", "stage", "team", "registry", "value", "detail", "refs")


def _csv_lines(columns: Sequence[str], batches: Iterable[Iterable[Sequence[object]]]) -> Iterator[str]:
    """A head line, then the rows in the batches in which they are read."""
    yield csv_row(columns)
    for batch in batches:
        yield "".join(csv_row(row) for row in batch)


def affected_csv(batches: Iterable[Iterable[Affected]]) -> Iterator[str]:
    """Everything that is affected."""
    return _csv_lines(AFFECTED, (map(_affected_row, batch) for batch in batches))


def needed_csv(batches: Iterable[Iterable[Needed]]) -> Iterator[str]:
    """Everything upstream."""
    return _csv_lines(NEEDED, (map(_needed_row, batch) for batch in batches))


def insight_csv(items: Iterable[InsightItem]) -> Iterator[str]:
    """The lines of a list."""
    return _csv_lines(INSIGHT, [map(_insight_row, items)])


def team_csv(batches: Iterable[Iterable[TeamRow]]) -> Iterator[str]:
    """The rows of one of a team's lists."""
    return _csv_lines(COLUMNS, (map(cells, one) for one in batches))


def changes_csv(batches: Iterable[Sequence[ToldEvent]]) -> Iterator[str]:
    """Changes, in the batches in which they are read."""
    return _csv_lines(CHANGE, (map(_change_row, changes_out(batch, 0).changes) for batch in batches))


def _change_row(one: ChangeOut) -> Sequence[object]:
    fields = "; ".join(one.fields)
    return one.time, one.type, one.subject, one.registry, one.before, one.after, fields, one.id


def _affected_row(item: Affected) -> Sequence[object]:
    endpoints = "; ".join(f"{one.registry}/{one.name} {one.percent:g} %" for one in item.endpoints)
    return (
        item.ref, item.distance, item.breaks, item.severity, item.stage, item.team, item.registry, endpoints,
        item.reason, "; ".join(item.via),
    )  # fmt: skip


def _needed_row(item: Needed) -> Sequence[object]:
    sources = "; ".join(f"{one.kind} ({one.origin})" for one in item.sources)
    return (
        item.ref, item.kind, item.distance, item.stage, item.team, item.registry, item.deleted, sources,
        "; ".join(item.via), item.deprecated.until if item.deprecated else None,
    )  # fmt: skip


def _insight_row(item: InsightItem) -> Sequence[object]:
    known = (item.ref, item.kind, item.stage, item.team, item.registry, item.value, item.detail)
    return (*known, "; ".join(item.refs))
