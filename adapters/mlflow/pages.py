"""Pages that overlap, so that what moves between two of them is noticed.

MLflow counts pages from the top (its page token is an offset), newest change first. A delete moves everything
behind it up by one, over the edge of a page that was read already; a change moves it down, and MLflow reads tags
and aliases by later statements with the same order and limit, so that rows at an edge come without them. So a
page begins with the last rows of the one before, and is read from further up until one of them is met: what
stands behind that one has been on no page yet. A row that is met twice is given again where it says more.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapters.errors import AdapterError, TransientError
from adapters.mlflow.client import Listed
from adapters.scanning import Steps

SEAM = 10
"""Rows of a page that the next one begins with."""
MOST_STEPS = 8
"""How often a page is read from further up. Each time twice as far, so the top is met before."""
Rows = Mapping[str, Any]
"""The rows of a page by their marks."""


class Joined(NamedTuple):
    """A page: the rows to give, all that were read, by their marks, and MLflow's token of the next one. `again`: it was
    read from further up, so tokens come again.
    """

    rows: list[Any]
    read: Rows
    next: str | None
    again: bool = False

    @property
    def seam(self) -> tuple[str, ...]:
        """What the next page should begin with; nothing where MLflow's token is no offset."""
        return tuple(self.read)[-SEAM:] if offset_of(self.next) is not None else ()


def read_joined(
    ask: Callable[[str | None, int], Listed],
    token: str | None,
    size: int,
    most: int,
    seam: Sequence[str],
    before: Rows | None,
) -> Joined:
    """The page at a token that follows one which ended with `seam`; `before` are that one's rows, where this process
    has read it. `ask` reads `size` rows at a token, of at most `most`. Errors: any `AdapterError`.
    """
    offset = offset_of(token)
    if offset is None or not seam:
        return _joined(ask(token, size), None)
    at = max(1, offset - len(seam))
    for step in range(MOST_STEPS):
        # MLflow refuses the token of offset 0.
        found = ask(token_of(at) if at else None, size if step else min(size + offset - at, most))
        read = _by_mark(found.rows)
        if at == 0 or not read.keys().isdisjoint(seam):
            if before is None and tuple(read)[: len(seam)] == tuple(seam):
                before = dict.fromkeys(seam)
            rows = [row for mark, row in read.items() if _is_news(mark, row, before)]
            return Joined(rows, read, found.next, step > 0)
        at = max(0, at - (size << step))
    raise TransientError("MLflow's listing changes faster than it can be read: it is tried again later")


def pages(
    ask: Callable[[str | None, int], Listed],
    size: int,
    most: int,
    stuck: Callable[[], AdapterError],
    *,
    first: int | None = None,
    place: tuple[str | None, Sequence[str]] = (None, ()),
    overlaps: Callable[[Joined], bool] = lambda found: True,
) -> Iterator[Joined]:
    """The pages of a listing from a place on: a token, and what the page before it ended with. Each begins with the
    last rows of the one before where `overlaps` says so; the `first` may have another size. `stuck` makes the error for
    tokens that lead in a circle. Errors: any `AdapterError`.
    """
    steps, (token, seam), asked = Steps(stuck), place, first or size
    before: Rows | None = None
    while True:
        found = read_joined(ask, token, asked, most, seam, before)
        yield found
        if found.next is None:
            return
        following = found.seam if overlaps(found) else ()
        if found.again:
            steps.again(token if not found.rows and following == seam else None)
        steps.take(found.next)
        token, seam, asked, before = found.next, following, size, found.read


def _joined(found: Listed, before: Rows | None) -> Joined:
    read = _by_mark(found.rows)
    return Joined(found.rows, read, found.next)


def _is_news(mark: str, row: Any, before: Rows | None) -> bool:
    """Whether a row has not been given, or says now what it did not say then."""
    if before is None or mark not in before:
        return True
    then = before[mark]
    if then is None or row == then:
        return False
    return not any(then.get(field) and not row.get(field) for field in ("tags", "aliases"))


def _by_mark(rows: Sequence[Any]) -> dict[str, Any]:
    return {mark_of(row): row for row in rows}


def mark_of(row: Any) -> str:
    """What a row is and when it changed, short enough for a page token."""
    fields = ("name", "version", "creation_timestamp", "last_updated_timestamp")
    said = [row.get(field) for field in fields] if isinstance(row, dict) else row
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def offset_of(token: str | None) -> int | None:
    """The offset in a page token of MLflow's; None where it is none, as those of another server."""
    try:
        found = json.loads(base64.b64decode(token or "", validate=True))
        offset = found["offset"] if isinstance(found, dict) and found.keys() == {"offset"} else None
    except (ValueError, KeyError):
        return None
    return offset if isinstance(offset, int) and offset > 0 else None


def token_of(offset: int) -> str:
    """MLflow's page token for an offset."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()
