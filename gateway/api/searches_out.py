"""What the API takes and answers about saved searches."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from federation.search.answer import Group
from federation.searches.searches import SavedSearch, SearchSpec


class SearchIn(msgspec.Struct, forbid_unknown_fields=True):
    """A search to keep under a name; `team`: for a team, else for yourself. `strict` and `literal` as `GET /search`
    takes them."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    q: str
    sort: str = "relevance"
    group: Group = "model"
    strict: bool = False
    literal: str = ""
    team: str | None = None
    """The team that it is kept for; null: yourself."""

    def spec(self) -> SearchSpec:
        """As the room takes it."""
        return SearchSpec(**msgspec.structs.asdict(self))


class SavedSearchOut(msgspec.Struct):
    """A search that is kept. `address` leads to what it finds now; `team` is null where it is your own."""

    id: str
    name: str
    team: str | None
    q: str
    sort: str
    group: str
    strict: bool
    literal: str
    address: str
    saved_by: str
    created_at: datetime
    changed_at: datetime


class SearchesOut(msgspec.Struct):
    """Your own searches, then those of teams."""

    searches: Sequence[SavedSearchOut]


def search_out(one: SavedSearch) -> SavedSearchOut:
    """As the API answers it."""
    return SavedSearchOut(
        one.id, one.name, one.team, one.q, one.sort, one.group, one.strict, one.literal,
        f"/searches/{one.id}", one.saved_by, one.created_at, one.changed_at,
    )  # fmt: skip


def searches_out(found: Sequence[SavedSearch]) -> SearchesOut:
    """As the API answers them."""
    return SearchesOut([search_out(one) for one in found])
