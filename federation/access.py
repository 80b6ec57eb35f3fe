"""Who may see what. A `View` is the first argument of every read; nothing is filtered afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, true


@dataclass(frozen=True, slots=True)
class View:
    """What one caller may see: everything (`registry_ids` None), or the registries with these ids."""

    registry_ids: frozenset[int] | None

    @classmethod
    def of(cls, registry_ids: Iterable[int]) -> "View":
        """A view of these registries only."""
        return cls(frozenset(registry_ids))

    def sees(self, registry_id: int) -> bool:
        """Whether this registry is in the view."""
        return self.registry_ids is None or registry_id in self.registry_ids

    def clause(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition that keeps a query inside the view, for the column that holds the registry's id."""
        return true() if self.registry_ids is None else column.in_(sorted(self.registry_ids))


EVERYTHING = View(None)
NOTHING = View(frozenset())
