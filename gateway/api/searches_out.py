"""What the API takes and answers about saved searches."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import msgspec

from federation.identity.identity import Identity
from federation.search.answer import Group
from federation.searches.searches import SavedSearch, SearchSpec
from gateway.names import with_names


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
    saved_by_name: str = ""
    """What the one who kept it last is called, until that is erased."""


class SearchesOut(msgspec.Struct):
    """Your own searches, then those of teams."""

    searches: Sequence[SavedSearchOut]


def search_out(identity: Identity, one: SavedSearch) -> SavedSearchOut:
    """As the API answers it."""
    return searches_out(identity, [one]).searches[0]


def searches_out(identity: Identity, found: Iterable[SavedSearch]) -> SearchesOut:
    """As the API answers them, with the names of who kept them."""
    rows = (SavedSearchOut(**asdict(one), address=f"/searches/{one.id}") for one in found)
    return SearchesOut(with_names(identity, rows))
