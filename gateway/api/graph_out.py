"""What the API takes and answers about declared edges, and the lists over the graph that there are."""

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from federation.graph.graph import INSIGHTS, Declared, Deprecation, Going, Kind, explained
from gateway.meant import reference_meant
from gateway.names import with_names

if TYPE_CHECKING:
    from federation.access import View
    from gateway.waypost import Waypost


class DependencyIn(msgspec.Struct, forbid_unknown_fields=True):
    """An edge to declare: `consumer` needs `provider`, which may be unknown yet; both are references."""

    consumer: str
    provider: str
    kind: Kind = "depends_on"
    note: str = ""


class DependencyOut(msgspec.Struct):
    """A declared edge as it stands. `said_by` is the opaque id of who declared it."""

    id: int
    consumer: str
    provider: str
    kind: str
    note: str
    said_by: str
    created_at: datetime
    said_by_name: str = ""


class DeclaredOut(msgspec.Struct):
    """Declared edges, oldest first."""

    dependencies: list[DependencyOut]
    next_cursor: str | None


class DeprecationIn(msgspec.Struct, forbid_unknown_fields=True):
    """The day until which a model stays, and the reference of what replaces it."""

    until: date
    replacement: str | None = None
    note: str = ""

    def going(self, waypost: "Waypost", view: "View") -> Going:
        """The same for the face. Errors: as `reference_meant`."""
        instead = reference_meant(waypost, view, self.replacement) if self.replacement else None
        return Going(self.until, instead, self.note)


class DeprecationOut(msgspec.Struct):
    """That a model is to go. `replacement` is empty where there is none, or none that the caller may see."""

    ref: str
    until: date
    replacement: str
    note: str
    said_by: str
    since: datetime
    said_by_name: str = ""


class DeprecationsOut(msgspec.Struct):
    """The models that are to go, the next one first."""

    deprecations: list[DeprecationOut]


class InsightOut(msgspec.Struct):
    """One of the lists there are."""

    name: str
    explains: str


class InsightsOut(msgspec.Struct):
    """The lists there are."""

    insights: list[InsightOut]


def dependency_out(waypost: "Waypost", made: Declared) -> DependencyOut:
    """A declared edge as JSON."""
    return declared_out(waypost, [made], None).dependencies[0]


def declared_out(waypost: "Waypost", page: list[Declared], next_cursor: str | None) -> DeclaredOut:
    """A page of declared edges as JSON."""
    rows = (
        DependencyOut(one.id, one.consumer, one.provider, one.kind, one.note, one.said_by, one.created_at)
        for one in page
    )
    return DeclaredOut(with_names(waypost.identity, rows), next_cursor)


def deprecations_out(waypost: "Waypost", found: list[Deprecation]) -> DeprecationsOut:
    """The models that are to go, as JSON."""
    rows = (
        DeprecationOut(one.ref, one.until, one.replacement, one.note, one.said_by, one.since) for one in found
    )
    return DeprecationsOut(with_names(waypost.identity, rows))


def insights_out() -> InsightsOut:
    """The lists there are, as JSON."""
    return InsightsOut([InsightOut(name, explained(name)) for name in INSIGHTS])
