"""A part of a long list, as a page shows it: those in which a text stands, a hundred at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.requests import AnyRequest

ROWS = 100
"""Rows of one page: more than these takes a browser longer to lay out than anybody reads."""


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some rows of a list: those from number `first` on, of `total` in which `find` stands."""

    rows: Sequence[Any]
    total: int
    first: int = 0
    find: str = ""

    @property
    def onward(self) -> int | None:
        """The number of the row that the next part begins with; None at the end."""
        after = self.first + len(self.rows)
        return after if after < self.total else None


def part_of(request: AnyRequest, rows: Sequence[Any], *names: str) -> ListPart:
    """The part of a list that an address asks for by `find`, a text in one of the fields `names`, and `first`."""
    find = request.query_params.get("find", "").strip()
    wanted, number = find.casefold(), request.query_params.get("first", "")
    if wanted:
        rows = [one for one in rows if any(wanted in str(getattr(one, name)).casefold() for name in names)]
    first = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    return ListPart(rows[first : first + ROWS], len(rows), first, find)
