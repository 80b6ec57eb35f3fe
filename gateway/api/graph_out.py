"""What the API takes and answers about declared edges, and the lists over the graph that there are."""

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from federation.graph.graph import INSIGHTS, Declared, Deprecation, Going, Kind, explained
from gateway.meant import reference_meant

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


class DeprecationsOut(msgspec.Struct):
    """The models that are to go, the next one first."""

    deprecations: list[Deprecation]


class InsightOut(msgspec.Struct):
    """One of the lists there are."""

    name: str
    explains: str


class InsightsOut(msgspec.Struct):
    """The lists there are."""

    insights: list[InsightOut]


def dependency_out(made: Declared) -> DependencyOut:
    """A declared edge as JSON."""
    return DependencyOut(**{name: getattr(made, name) for name in DependencyOut.__struct_fields__})


def declared_out(page: list[Declared], next_cursor: str | None) -> DeclaredOut:
    """A page of declared edges as JSON."""
    return DeclaredOut([dependency_out(one) for one in page], next_cursor)


def insights_out() -> InsightsOut:
    """The lists there are, as JSON."""
    return InsightsOut([InsightOut(name, explained(name)) for name in INSIGHTS])
