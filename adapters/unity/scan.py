"""One scan: every model is listed, and those whose row has changed are read whole, with their aliases and versions.

A new version or alias moves nothing that is listed. So an incremental scan reads some of the others again too, in turn,
as many as `reads_per_scan` says: of a catalogue of so many models each of them, of a larger one each after some scans.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from adapters.digests import BUCKETS, UNKNOWN, BucketDigests, bucket, digest_of
from adapters.errors import BadRecordError, InvalidError
from adapters.payloads import Raw
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Readers, awaited, one_of_many
from adapters.unity.keys import of_model
from adapters.unity.reads import Reader, WholeModel


class _ToRead(NamedTuple):
    """A model that has to be read; the last one of its bucket brings the bucket's digest, and the turn behind it."""

    row: Raw
    bucket: int
    digest: str | None
    turn: int | None


class Scan:
    """A scan from where `state`, a watermark or mark, says that the last one stood; None: of everything."""

    def __init__(self, reader: Reader, state: str | None, *, is_full: bool, budget: int) -> None:
        self._reader, self._is_full, self._budget = reader, is_full, 0 if is_full else budget
        self._turn, self._digests = _parsed(state)
        self._readers = Readers(reader.api.config.concurrency)
        self._again: set[int] = set()
        """Buckets of which the next scan reads everything again."""

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        with self._readers:
            buckets = yield from self._buckets()
            for due, future in self._readers.ahead(
                self._due(buckets), lambda due: self._reader.whole(due.row)
            ):
                model = yield from one_of_many(awaited(future), of_model(due.row).name)
                if isinstance(model, WholeModel):
                    yield from self._given(model)
                    self._again |= {due.bucket} if model.may_pass else set()
                elif model is not None:
                    yield model
                if due.digest is not None:
                    self._digests[due.bucket] = due.digest
                    self._turn = self._turn if due.turn is None else due.turn
                    yield Mark(str(self))
            for place in self._again:
                self._digests[place] = UNKNOWN
            return str(self)

    def __str__(self) -> str:
        return f"{self._turn}/{self._digests}"

    def _buckets(self) -> Generator[Found, None, list[list[Raw]]]:
        """The rows of all models, by bucket."""
        api, rows = self._reader.api, dict[str, Raw]()
        pages = api.models()
        while (page := (yield from awaited(self._readers.submit(next, pages, None)))) is not None:
            for raw in page:
                try:
                    at = of_model(raw)
                    if api.config.reads(at.name):
                        rows[at.model.native_id] = raw
                except BadRecordError as bad:
                    yield bad
        buckets: list[list[Raw]] = [[] for _ in range(BUCKETS)]
        for ident in sorted(rows):
            buckets[bucket(ident)].append(rows[ident])
        return buckets

    def _due(self, buckets: list[list[Raw]]) -> Iterator[_ToRead]:
        """What has changed, and what has its turn: from where the last turn ended, once around."""
        left, begin = self._budget, self._turn
        for step in range(BUCKETS):
            place = (begin + step) % BUCKETS
            rows, digest = buckets[place], digest_of(buckets[place])
            is_turn = left > 0
            if not rows:
                self._digests[place] = digest
            if digest == self._digests[place]:
                if not is_turn:
                    continue
                left -= len(rows)
            turn = (place + 1) % BUCKETS if is_turn else None
            yield from (
                _ToRead(row, place, *((digest, turn) if row is rows[-1] else (None, None))) for row in rows
            )

    def _given(self, model: WholeModel) -> Iterator[Found]:
        yield from self._reader.records(model)
        if not self._is_full and model.versions_unread is None:
            yield Listing("version", of=of_model(model.row).model)
        elif model.versions_unread is not None:
            yield BadRecordError(model.versions_unread, native=of_model(model.row).name)


def _parsed(state: str | None) -> tuple[int, BucketDigests]:
    turn, slash, digests = ("0", "/", None) if state is None else state.partition("/")
    if not slash or not turn.isdecimal() or int(turn) >= BUCKETS:
        raise InvalidError("this watermark or mark is not of the unity adapter: scan everything")
    return int(turn), BucketDigests.of(digests)
