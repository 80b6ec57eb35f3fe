"""One scan of a project and location: which models it reads, and in which order.

A scan goes over the models by creation, each with all its versions, then over the endpoints. Its cursor is the whole
state, so a scan can be continued by another process; the reading ahead that makes it fast is not part of it.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from adapters.contract import Page
from adapters.errors import AdapterError, AuthError, BadRecordError, NotFoundError, TransientError
from adapters.quota import BudgetSpentError
from adapters.records import Listing, Record
from adapters.vertex.cursor import START, Cursor, Position, micros
from adapters.vertex.keys import model_id_of, model_key, version_number
from adapters.vertex.reader import Reader
from adapters.vertex.records import Origins, to_endpoint, to_model, to_version

PAGE_SECONDS = 10.0
"""A page that took longer is handed over although it is not full."""
EMPTY_PAGE_SECONDS = 45.0
"""How long a page waits for its first record."""
_END = 1 << 62

T = TypeVar("T")
Step = tuple[Position, Record | BadRecordError | Listing | None]
"""What comes next and where it stands; None while it is still awaited."""
WAITING: Step = (START, None)


@dataclass(slots=True)
class _Gathered:
    """A page while it fills."""

    records: list[Record] = field(default_factory=list)
    bad: list[BadRecordError] = field(default_factory=list)
    listed: list[Listing] = field(default_factory=list)

    def add(self, found: Record | BadRecordError | Listing) -> None:
        if isinstance(found, BadRecordError):
            self.bad.append(found)
        elif isinstance(found, Listing):
            self.listed.append(found)
        else:
            self.records.append(found)

    def page(self, token: str | None, watermark: str | None = None) -> Page:
        return Page(tuple(self.records), token, watermark, tuple(self.bad), tuple(self.listed))


class Sweep:
    """A scan under way: give its pages one after the other with `take`."""

    def __init__(self, reader: Reader, cursor: Cursor, read_ahead: int) -> None:
        """`read_ahead` is how many models are read before their turn, at most twice the concurrency."""
        self.reader, self.cursor = reader, cursor
        self._depth = min(read_ahead, 2 * reader.client.config.concurrency)
        self._pool = ThreadPoolExecutor(reader.client.config.concurrency, thread_name_prefix="vertex-scan")
        self._steps = self._walk()
        self._ahead: Step | None = None
        self.closed = False

    def take(self, limit: int) -> Page:
        """The next page of at most `limit` records.

        What fails after the first record ends the page early: the next call begins with it. Errors: AdapterError,
        where nothing could be read; a TransientError after waiting leaves the scan as it is, to be asked again.
        """
        got, start = _Gathered(), self.cursor
        try:
            ended = self._gather(got, limit)
        except AdapterError:
            self.close()
            if not got.records:
                raise
            return got.page(self.cursor.to_token())
        if ended:
            self.close()
            return got.page(None, self.cursor.to_watermark())
        if self.cursor == start:
            raise TransientError("Vertex AI has been asked and not yet answered: ask again", retry_after=1.0)
        return got.page(self.cursor.to_token())

    def close(self) -> None:
        """Stop reading ahead."""
        self.closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _gather(self, got: _Gathered, limit: int) -> bool:
        """Fill the page; whether the scan has ended."""
        began = time.monotonic()
        while (step := self._peek()) is not None:
            position, found = step
            waited = time.monotonic() - began
            if found is None:
                self._ahead = None
                full = len(got.records) == limit
                if full or waited > (PAGE_SECONDS if got.records else EMPTY_PAGE_SECONDS):
                    return False
                continue
            if len(got.records) == limit and not isinstance(found, BadRecordError | Listing):
                return False
            got.add(found)
            self.cursor = replace(self.cursor, at=position)
            self._ahead = None
        return True

    def _peek(self) -> Step | None:
        if self._ahead is None:
            self._ahead = next(self._steps, None)
        return self._ahead

    def _walk(self) -> Iterator[Step]:
        if self.cursor.at.stage < 1:
            yield from self._models()
        yield from self._endpoints()

    def _models(self) -> Iterator[Step]:
        heads = self._heads()
        for place, future in self._read_ahead(heads):
            try:
                versions, origins = yield from _awaited(future)
            except NotFoundError:
                continue
            yield from self._one_model(place, versions, origins)
        if self.cursor.mode == "sweep":
            yield Position(1), Listing("model")

    def _heads(self) -> list[Position]:
        """The models to read, by creation; takes the newest time seen as the next watermark."""
        rows = list(
            self.reader.client.read_all(
                "Model", "list_models", "models", parent=self.reader.place.parent, order_by="create_time"
            )
        )
        if self.cursor.at.stage < 0:
            high = max((micros(row.update_time) for row in rows), default=0)
            self.cursor = replace(self.cursor, high=max(high, self.cursor.high))
        changed_only = self.cursor.mode == "changed"
        floor, at = self.cursor.floor, self.cursor.at
        heads = {
            Position(0, micros(row.create_time), model_id_of(row), 0)
            for row in rows
            if not changed_only or micros(row.update_time) >= floor
        }
        return sorted(head for head in heads if head._replace(version=_END) > at)

    def _read_ahead(self, heads: list[Position]) -> Iterator[tuple[Position, Future[Any]]]:
        window: deque[tuple[Position, Future[Any]]] = deque()
        for head in heads:
            window.append((head, self._submit(self._read_model, head.id)))
            if len(window) > self._depth:
                yield window.popleft()
        yield from window

    def _read_model(self, model_id: str) -> tuple[list[Any], list[Future[Origins]]]:
        """The versions of a model, and what other messages say of them, which other threads read."""
        config = self.reader.client.config
        versions = self.reader.versions(model_id)
        max_age = 0.0 if self.cursor.mode == "full" else config.evaluations_every
        return versions, [self._submit(self.reader.origins, each, max_age) for each in versions]

    def _submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        def work() -> T:
            while True:
                try:
                    return function(*arguments)
                except BudgetSpentError:
                    if self.closed:
                        raise

        return self._pool.submit(work)

    def _one_model(self, place: Position, versions: list[Any], origins: list[Any]) -> Iterator[Step]:
        at = self.cursor.at
        if place > at:
            try:
                yield place, to_model(self.reader.place, versions)
            except BadRecordError as error:
                yield place._replace(version=_END), error
                return
        for version, future in zip(versions, origins, strict=True):
            position = place._replace(version=version_number(version))
            if position > at or position == place > at:
                found = yield from _awaited(future)
                yield position, self._one_version(version, found)
        if self.cursor.mode != "full":
            yield place._replace(version=_END), Listing("version", of=model_key(versions[0]))

    def _one_version(self, version: Any, origins: Origins) -> Record | BadRecordError:
        try:
            return to_version(self.reader.place, version, origins)
        except BadRecordError as error:
            return error

    def _endpoints(self) -> Iterator[Step]:
        client, parent = self.reader.client, self.reader.place.parent
        try:
            rows = list(client.read_all("Endpoint", "list_endpoints", "endpoints", parent=parent))
        except AuthError:
            return
        at = self.cursor.at
        for row in sorted(rows, key=_endpoint_position):
            position = _endpoint_position(row)
            if position > at:
                yield position, self._one_endpoint(row)
        if self.cursor.mode != "full":
            yield Position(2), Listing("endpoint")

    def _one_endpoint(self, row: Any) -> Record | BadRecordError:
        served = self.reader.served(row)
        try:
            return to_endpoint(self.reader.place, row, served)
        except BadRecordError as error:
            return error


def _awaited(future: Future[T]) -> Generator[Step, None, T]:
    """The outcome of a future; says now and then that it is still awaited."""
    while True:
        try:
            return future.result(timeout=0.2)
        except TimeoutError:
            yield WAITING
        except CancelledError:
            raise TransientError("the connection to Vertex AI was closed while a scan was running") from None


def _endpoint_position(row: Any) -> Position:
    return Position(1, micros(row.create_time), str(row.name).rpartition("/")[2], 0)
