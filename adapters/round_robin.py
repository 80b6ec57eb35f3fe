"""Scans of backends that list models cheaply, and of which new versions, say, move nothing that is listed.

What has changed of a row is read whole by the next scan. Besides that an incremental scan reads some of the others
again, in turn, as many as its budget says: of a backend with so many models each, of a larger one each after some.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from adapters.digests import BUCKETS, UNKNOWN, BucketDigests, bucket, digest_of
from adapters.errors import BadRecordError, InvalidError
from adapters.payloads import Raw
from adapters.records import Mark, Watermark
from adapters.scanning import Found, Readers, awaited, one_of_many

T = TypeVar("T")
EMPTY = digest_of(())


class _DueRow(NamedTuple):
    """A row that has to be read; the last one of its bucket brings its digest and the bucket to go on with."""

    ident: str
    row: Raw
    bucket: int
    digest: str | None
    following: int | None


@dataclass
class RoundRobinScan(Generic[T]):
    """A scan from where `state`, a watermark or mark, says that the last one stood; None: of everything.

    `pages` lists rows, `ident` names one (None: it is not read), `read` reads it whole (None: it is gone by now),
    `give` tells what was read, and `may_pass` whether something of it could not be read that may be the next time.
    """

    state: str | None
    budget: int
    readers: Readers
    pages: Callable[[], Iterator[list[Raw]]]
    ident: Callable[[Raw], str | None]
    read: Callable[[Raw], T | None]
    give: Callable[[T], Iterator[Found]]
    may_pass: Callable[[T], bool]
    _again: set[int] = field(default_factory=set)
    """Buckets of which the next scan reads everything again."""

    def __post_init__(self) -> None:
        self._begin, self._digests = _parsed(self.state)

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        with self.readers:
            buckets = yield from self._buckets()
            for due, future in self.readers.ahead(self._due(buckets), lambda due: self.read(due.row)):
                whole = yield from one_of_many(awaited(future), due.ident)
                if isinstance(whole, BadRecordError):
                    yield whole
                elif whole is not None:
                    yield from self.give(whole)
                    self._again |= {due.bucket} if self.may_pass(whole) else set()
                if due.digest is not None:
                    self._digests[due.bucket] = due.digest
                    self._begin = self._begin if due.following is None else due.following
                    yield Mark(str(self))
            for place in self._again:
                self._digests[place] = UNKNOWN
            return str(self)

    def __str__(self) -> str:
        return f"{self._begin}/{self._digests}"

    def _buckets(self) -> Generator[Found, None, list[list[tuple[str, Raw]]]]:
        """All rows, by bucket."""
        pages, rows = self.pages(), dict[str, Raw]()
        while (page := (yield from awaited(self.readers.submit(next, pages, None)))) is not None:
            for raw in page:
                try:
                    ident = self.ident(raw)
                except BadRecordError as bad:
                    yield bad
                else:
                    rows |= {} if ident is None else {ident: raw}
        buckets: list[list[tuple[str, Raw]]] = [[] for _ in range(BUCKETS)]
        for ident in sorted(rows):
            buckets[bucket(ident)].append((ident, rows[ident]))
        return buckets

    def _due(self, buckets: list[list[tuple[str, Raw]]]) -> Iterator[_DueRow]:
        """What has changed, and what is read again: from where the last scan left off, once around."""
        left, begin = self.budget, self._begin
        for step in range(BUCKETS):
            place = (begin + step) % BUCKETS
            rows = buckets[place]
            digest, is_again = digest_of([row for _, row in rows]) if rows else EMPTY, left > 0
            if not rows:
                self._digests[place] = digest
            if digest == self._digests[place]:
                if not is_again:
                    continue
                left -= len(rows)
            last = (digest, (place + 1) % BUCKETS if is_again else None)
            for ident, row in rows:
                yield _DueRow(ident, row, place, *(last if row is rows[-1][1] else (None, None)))


def _parsed(state: str | None) -> tuple[int, BucketDigests]:
    begin, slash, digests = ("0", "/", None) if state is None else state.partition("/")
    if not slash or not begin.isdecimal() or int(begin) >= BUCKETS:
        raise InvalidError("this watermark or mark is of another adapter or release: scan everything")
    return int(begin), BucketDigests.of(digests)
