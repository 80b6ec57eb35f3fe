"""What scans have in common: cutting what is found into pages, reading ahead, following page tokens.

A scan is simplest written as a generator of what it finds, one thing after another, which returns its watermark;
`paged` makes pages of it.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from adapters.contract import Page
from adapters.errors import (
    AdapterError,
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    TransientError,
    line_of,
)
from adapters.records import (
    Attached,
    Deleted,
    Listing,
    Mark,
    Record,
    Stale,
    Watermark,
)

T = TypeVar("T")
Item = TypeVar("Item")
R = TypeVar("R", bound=Record | Deleted)
Found = Record | Deleted | BadRecordError | Attached | Listing | Stale | Mark | None
"""What a scan finds. A `Mark`: it can go on here, behind everything given so far. None: it is waited for."""
PAGE_SECONDS = 10.0
"""A page that took longer is handed over although it is not full."""
SOON = 0.1
"""The same for a page of an incremental scan, where what follows has to be waited for: news are few."""
EMPTY_PAGE_SECONDS = 45.0
"""How long a page waits for its first record before it is handed over empty."""
MOST_EMPTY = 8
"""Pages of a listing without anything, one after the other, before it is taken for one that does not end."""
MOST_SAME = 8
"""So often a page with the same records may come in one scan: what moves meanwhile is given again."""
_SIGNS, _REMARKS = (Listing, Mark, Stale), (Listing, BadRecordError, Attached, Stale)
LOOK = 0.2
"""Seconds between two looks at something that is being waited for."""


def paged(
    found: Generator[Found, None, Watermark | None], limit: int, *, soon: bool = False
) -> Iterator[Page]:
    """Pages of at most `limit` records of what a scan finds. A page ends at the last mark that fits into it.
    `soon`: what is there is handed over while the rest is waited for.

    What was found before an error is given before the error is raised.
    """
    page = _Filling(SOON if soon else PAGE_SECONDS)
    try:
        while True:
            try:
                item = next(found)
            except StopIteration as end:
                yield page.last(end.value)
                return
            except AdapterError:
                if page.items:
                    yield page.cut()
                raise
            while page.count == limit and (item is None or _counts(item)):
                yield page.cut()
            if page.is_late(waiting=item is None):
                yield page.cut()
            page.add(item)
    finally:
        found.close()


def read_state(state: Watermark | Mark, shape: TypeAdapter[T]) -> T:
    """What a watermark or mark says that is JSON of this shape. Errors: `InvalidError` for any other."""
    try:
        return shape.validate_json(state)
    except ValidationError:
        raise InvalidError("this watermark or mark is not of this adapter: begin the scan again") from None


@dataclass(frozen=True, slots=True)
class _ReadUntil:
    at: float | None


_READ_UNTIL = TypeAdapter(_ReadUntil)


def read_until(watermark: Watermark | None) -> float | None:
    """When the scan began that left the watermark `{"at": TIME}`, by the backend's clock; None: it is not known, and
    everything is read. Errors: `InvalidError` for another one.
    """
    return None if watermark is None else read_state(watermark, _READ_UNTIL).at


def attempt(read: Callable[..., R], *given: Any) -> R | BadRecordError:
    """A record or what is gone, or the error that says why it cannot be understood."""
    try:
        return read(*given)
    except BadRecordError as error:
        return error


def attempt_all(read: Callable[..., Iterable[R]], *given: Any) -> Iterator[R | BadRecordError]:
    """The records that `read` gives. Where it fails because of what the backend said, or in its own code on account of
    it (a name that is not there, a word for a number), the error says so in place of the rest, as for what may not be
    read; what is gone by now is left out. `native` names the first of `given`.
    """
    try:
        yield from understood(read, *given)
    except (AuthError, BadRecordError, NotFoundError) as error:
        if (bad := _of_one(error, _named(given))) is not None:
            yield bad


def understood(read: Callable[..., Iterable[T]], *given: Any) -> Iterator[T]:
    """What `read` gives. Errors: those of `read`, but a `BadRecordError` where it fails in its own code on account of
    what the backend said.
    """
    try:
        yield from read(*given)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        line = f"{_named(given)} cannot be understood: {type(error).__name__} in {line_of(error)}"
        raise BadRecordError(line, native=_named(given)[:200]) from None


def _named(given: tuple[Any, ...]) -> str:
    return " ".join(map(str, given[:1])) or "the listing"


def _counts(item: Found) -> bool:
    return item is not None and not isinstance(item, _SIGNS)


class _Filling:
    """A page while it fills."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds for which it waits for more once it holds something."""
        self.items: list[Any] = []
        self.count = 0
        self._patience = patience
        self._marked: tuple[int, Mark | None] = (0, None)
        self._began = monotonic()

    def add(self, item: Found) -> None:
        if isinstance(item, Mark):
            self._marked = (len(self.items), item) if self.items else self._marked
        elif item is not None:
            self.items.append(item)
            self.count += _counts(item)

    def is_late(self, *, waiting: bool) -> bool:
        """Whether to hand over what is there, be it nothing."""
        took = monotonic() - self._began
        if self.items:
            return took > (self._patience if waiting else PAGE_SECONDS)
        return waiting and took > EMPTY_PAGE_SECONDS

    def cut(self) -> Page:
        """The page up to the last mark, where there is one; what is behind it begins the next page."""
        at, mark = self._marked
        at = at or len(self.items)
        page = _page(self.items[:at], mark=mark)
        self.items = self.items[at:]
        self.count = sum(map(_counts, self.items))
        self._marked, self._began = (0, None), monotonic()
        return page

    def last(self, watermark: Watermark | None) -> Page:
        return _page(self.items, watermark=watermark)


def _page(items: list[Any], **more: Any) -> Page:
    listed = tuple(item for item in items if isinstance(item, Listing))
    bad = tuple(item for item in items if isinstance(item, BadRecordError))
    attached = tuple(item for item in items if isinstance(item, Attached))
    stale = tuple(item.line for item in items if isinstance(item, Stale))
    records = tuple(item for item in items if not isinstance(item, _REMARKS))
    return Page(records, bad, listed, attached=attached, stale=stale, **more)


class Ahead(Generic[T]):
    """What an iterator gives, read in a thread of its own while the one before it is being used."""

    def __init__(self, source: Iterator[T], depth: int = 1) -> None:
        """Begins at once, and is never more than `depth` ahead."""
        self._source = source
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._coming = deque(self._pool.submit(next, source, self) for _ in range(depth))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        coming = self._next()
        if coming is None or (item := coming.result()) is self:
            self.close()
            raise StopIteration
        return item  # type: ignore[no-any-return]

    def awaited(self) -> Iterator[T | None]:
        """What is read, one after the other; None while it is waited for."""
        while (coming := self._next()) is not None:
            item = yield from awaited(coming)
            if item is self:
                break
            yield item
        self.close()

    def _next(self) -> "Future[Any] | None":
        """What comes next; None behind the end."""
        if not self._coming:
            return None
        self._coming.append(self._pool.submit(next, self._source, self))
        return self._coming.popleft()

    def close(self) -> None:
        """Read nothing more."""
        self._coming.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)


class Readers:
    """The threads of one scan, as a context: what is still to be read when it ends is left."""

    def __init__(self, threads: int, before: Callable[[], object] = bool) -> None:
        """`before` is called in the thread before each thing that is read."""
        self._threads, self._before = threads, before
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")
        self.is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, read: Callable[..., T], *given: Any) -> "Future[T]":
        """What is read by one of the threads. Errors: those of `before` and `read`, by the future."""

        def work() -> T:
            self._before()
            return read(*given)

        return self._pool.submit(work)

    def ahead(
        self, items: Iterable[Item], read: Callable[[Item], T], depth: int | None = None
    ) -> "Iterator[tuple[Item, Future[T]]]":
        """What is being read of each, in order; never more than `depth` before its turn (twice as many as threads)."""
        window: deque[tuple[Item, Future[T]]] = deque()
        for item in items:
            window.append((item, self.submit(read, item)))
            if len(window) > (2 * self._threads if depth is None else depth):
                yield window.popleft()
        while window:
            yield window.popleft()


def one_of_many(
    outcome: Generator[None, None, T], native: str
) -> Generator[None, None, T | BadRecordError | None]:
    """One thing of a scan, whose failure does not end the scan: the error of what cannot be understood or may not be
    read, None for what is gone by now.
    """
    try:
        return (yield from outcome)
    except (AuthError, BadRecordError, NotFoundError) as error:
        return _of_one(error, native)


def _of_one(error: AuthError | BadRecordError | NotFoundError, native: str) -> BadRecordError | None:
    """What a failure that concerns one thing is in a scan; None: the thing is gone."""
    match error:
        case NotFoundError():
            return None
        case AuthError():
            return BadRecordError(f"{native}: {error}", native=native)
    return error


def awaited(future: Future[T], look: Callable[[], object] = bool) -> Generator[None, None, T]:
    """The outcome of a future; says at once and now and then that it is still being waited for, unless `look` ends that
    by an error.
    """
    while not future.done():
        look()
        yield None
        with suppress(TimeoutError, CancelledError):
            future.exception(timeout=LOOK)
    try:
        return future.result()
    except CancelledError:
        raise TransientError("the scan was closed while it was being read") from None


@dataclass(slots=True)
class Rounds:
    """The pages of a scan so far, for whoever follows it."""

    _marks: set[Mark] = field(default_factory=set)
    _same: Counter[int] = field(default_factory=Counter)

    def closes(self, page: Page) -> bool:
        """Whether the scan goes round in a circle: a mark that came before, or one page again and again."""
        if page.mark is not None:
            is_known = page.mark in self._marks
            self._marks.add(page.mark)
            return is_known
        keys = hash(tuple(record.key for record in page.records))
        self._same[keys] += bool(page.records)
        return self._same[keys] > MOST_SAME


@dataclass(slots=True)
class Steps:
    """The page tokens that a listing has led to. `stuck` makes the error for one that leads back, or nowhere."""

    stuck: Callable[[], AdapterError]
    _seen: set[str] = field(default_factory=set)
    _empty: int = 0

    def take(self, token: str | None, *, is_empty: bool = False) -> None:
        """Go to this token (None: to a place that may come again) behind a page that gave something, or `is_empty`.

        Errors: those of `stuck`.
        """
        self._empty = self._empty + 1 if is_empty else 0
        if token in self._seen or self._empty > MOST_EMPTY:
            raise self.stuck()
        self._seen |= set() if token is None else {token}

    def again(self, token: str | None = None) -> None:
        """The listing was read from further up: what it leads to may come again, except back to where it stands."""
        self._seen = set() if token is None else {token}
