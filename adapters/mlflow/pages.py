"""Pages of a listing in an order that a change leaves as it is, so that no row of them is torn.

MLflow counts pages from the top (its page token is an offset) and reads tags and aliases by later statements with
the same order, offset and limit. In the order of the newest change whatever changes in between moves to the top and
comes without them, from anywhere in a page. In the order of names or of creation a row stays where it is: only what
is made, deleted or renamed moves others, by one, over the edges of a page. So pages overlap, and a row is given from
a page that has it further inside. Where more has moved than that allows, the page before is read again, from further
up.

Where a page begins is known before the one in front of it is read, so the next is asked for as soon as one has come:
MLflow answers in the same order as if each was awaited.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, Self

from adapters.errors import AdapterError, BadRecordError
from adapters.mlflow.client import Arrived, Listed
from adapters.parsing import parse_json
from adapters.payloads import excerpt
from adapters.scanning import Steps

SEAM = 10
"""Rows at each edge of a page that are given from another one: so many may come or go between two statements. A small
page has smaller edges.
"""
Ask = Callable[[str | None, int], Listed]
"""Reads so many rows at a token of MLflow's."""
Fetch = Callable[[str | None, int, Arrived], Listed]
"""Reads so many rows at a token of MLflow's, in the one order of the listing, and tells when the answer came."""


class Spot(NamedTuple):
    """Where a listing goes on: at this token, behind the rows with these marks. The default is its beginning."""

    token: str | None = None
    behind: tuple[str, ...] = ()


class Given(NamedTuple):
    """The rows that a page gives, and where the next one goes on; None at the end."""

    rows: list[Any]
    next: Spot | None
    is_final: bool = True
    """False: they may be given again, so nobody can go on behind them yet."""


class _Looked(NamedTuple):
    """A page as it was read from an offset: what may be given stands at `begin` to `end`. `moved`: too much has come or
    gone in front for what was given before it to be whole.
    """

    at: int
    found: Listed
    marks: list[str]
    begin: int
    end: int
    moved: bool

    def given(self) -> Given:
        goes_on = Spot(token_of(self.at + self.end), tuple(self.marks[: self.end]))
        return Given(self.found.rows[self.begin : self.end], goes_on if self.found.next else None)


class Wanted(NamedTuple):
    """A page: its token, and how many rows."""

    token: str | None
    rows: int


class _Coming(NamedTuple):
    """A page on its way. `arrived`: whether another one follows it, known before it is parsed."""

    wanted: Wanted
    page: "Future[Listed]"
    arrived: "Future[bool]"


class Prefetch:
    """Reads pages, as a context: what is on its way when it ends is left."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        # Two: one parses what has come, the other asks for the next.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="prefetch")
        self._coming: _Coming | None = None
        self._was_right = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, token: str | None, rows: int) -> Listed:
        """This page alone. Errors: those of what it was made with."""
        return self._fetch(token, rows, bool)

    def begin(self, token: str | None, rows: int) -> "Future[Listed]":
        """The same, while something else is done."""
        return self._pool.submit(self.ask, token, rows)

    def read(self, wanted: Wanted, then: Wanted | None) -> Listed:
        """This page; as soon as its answer has come, `then` is asked for, unless there is no more, or once another page
        was wanted than that. Errors: as of `ask`.
        """
        coming, self._coming = self._coming, None
        if coming is None or coming.wanted != wanted:
            self._was_right &= coming is None
            coming = self._begin(wanted)
        if then is not None and self._was_right:
            following = then
            coming.arrived.add_done_callback(lambda more: self._go_on(following) if more.result() else None)
        return coming.page.result()

    def _go_on(self, wanted: Wanted) -> None:
        with suppress(RuntimeError):  # it has ended
            self._coming = self._begin(wanted)

    def _begin(self, wanted: Wanted) -> _Coming:
        arrived: Future[bool] = Future()

        def tell(more: bool) -> None:
            if not arrived.done():
                arrived.set_result(more)

        return _Coming(wanted, self._pool.submit(self._fetch, *wanted, tell), arrived)


def pages(
    fetch: Fetch, size: int, most: int, stuck: Callable[[], AdapterError], place: Spot
) -> Iterator[Given]:
    """The pages of about `size` new rows from a place on; MLflow gives `most` at once. `stuck` makes the error for a
    listing that leads nowhere. Errors: any `AdapterError`.
    """
    with Prefetch(fetch) as fetched:
        yield from _pages(fetched, size, most, stuck, place)


def _pages(
    fetched: Prefetch, size: int, most: int, stuck: Callable[[], AdapterError], place: Spot
) -> Iterator[Given]:
    steps, before, seam = Steps(stuck), Spot(), min(SEAM, (size + 1) // 2)
    while True:
        offset = 0 if place.token is None else offset_of(place.token)
        if offset is None:
            yield from following(fetched.ask(place.token, size), fetched.ask, size, stuck)
            return
        above = 2 * seam
        while (page := _read(fetched, place, size, most, seam, above)).moved:
            place, above = before, above + size
        if not _is_offset(page.found.next):
            yield from following(page.found, fetched.ask, size, stuck)
            return
        given = page.given()
        if given.next is None and page.at:
            first = fetched.begin(token_of(page.at), 1)  # asked for while the last ones are taken in
            yield given._replace(next=place, is_final=False)
            if _has_held(first.result(), page):
                yield Given([], None)
                return
        else:
            yield given
            if given.next is None:
                return
        steps.take(None, is_empty=not given.rows or page.at + page.end <= offset)
        before, place = place, given.next or place


def following(found: Listed, ask: Ask, size: int, stuck: Callable[[], AdapterError]) -> Iterator[Given]:
    """This page and those behind it, as MLflow's tokens lead to them. Errors: any `AdapterError`."""
    steps = Steps(stuck)
    while True:
        yield Given(found.rows, None if found.next is None else Spot(found.next))
        if found.next is None:
            return
        steps.take(found.next)
        found = ask(found.next, size)


def _read(fetched: Prefetch, place: Spot, size: int, most: int, seam: int, above: int) -> _Looked:
    """The page of a place, from so many rows above it, with edges of `seam` rows."""
    offset, behind = offset_of(place.token) or 0, frozenset(place.behind)
    at = max(0, offset - above)
    asked = min(size + seam + offset - at, most)
    # The next one goes on behind the edge of this one, from above it; whether tokens are offsets the first page shows.
    then = Wanted(token_of(at + asked - 3 * seam), min(size + 3 * seam, most)) if offset else None
    found = fetched.read(Wanted(token_of(at), asked), then)
    reached = at + len(found.rows) - seam
    if len(found.rows) < asked and reached <= offset and found.next and _is_offset(found.next):
        # So little comes at once that nothing is further inside.
        at, seam, found = offset, 0, fetched.ask(token_of(offset), size)
    marks = [identity_mark(row) for row in found.rows]
    begin = max((number for number, mark in enumerate(marks, 1) if mark in behind), default=0)
    end = len(marks) if found.next is None else len(marks) - seam
    return _Looked(at, found, marks, begin, end, moved=at > 0 and begin < seam)


def _has_held(first: Listed, last: _Looked) -> bool:
    """Whether the last page still begins as it did: any other is checked by the one behind it."""
    return [identity_mark(row) for row in first.rows] == last.marks[:1]


def at_edge(rows: Sequence[Any]) -> Any:
    """The row with which the edge at the end of a page begins; None where it has no rows."""
    return rows[-SEAM:][0] if rows else None


def _is_offset(token: str | None) -> bool:
    """Whether a token of MLflow's is an offset, or the end."""
    return token is None or offset_of(token) is not None


def identity_mark(row: Any) -> str:
    """What a row is, short enough for a page token."""
    return _mark(row, "name", "version", "creation_timestamp")


def mark_of(row: Any) -> str:
    """What a row is and when it changed, as short."""
    return _mark(row, "name", "version", "creation_timestamp", "last_updated_timestamp")


def _mark(row: Any, *fields: str) -> str:
    said = [row.get(field) for field in fields] if isinstance(row, dict) else excerpt(row)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def offset_of(token: str | None) -> int | None:
    """The offset in a page token of MLflow's; None where it is none, as those of another server."""
    try:
        found = parse_json(base64.b64decode(token or "", validate=True), "a page token")
        offset = found["offset"] if isinstance(found, dict) and found.keys() == {"offset"} else None
    except (ValueError, BadRecordError):
        return None
    return offset if isinstance(offset, int) and offset > 0 else None


def token_of(offset: int) -> str | None:
    """MLflow's page token for an offset; none for the beginning, whose token it refuses."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode() if offset else None
