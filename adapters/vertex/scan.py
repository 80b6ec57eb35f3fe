"""One scan of a project and location: which models it reads, and in which order.

A scan goes over the models by creation, each with all its versions, then over the endpoints. Its marks hold the whole
state, so another process can go on behind any model; the reading ahead that makes it fast is not part of it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from adapters.errors import AuthError, BadRecordError, NotFoundError
from adapters.quota import BudgetSpentError
from adapters.records import Listing, Watermark
from adapters.scanning import Found, attempt, awaited
from adapters.vertex.cursor import Cursor, Position, micros
from adapters.vertex.keys import model_id_of, model_key
from adapters.vertex.reader import Reader
from adapters.vertex.records import Origins, to_endpoint, to_model, to_version

T = TypeVar("T")


class Scan:
    """A scan from where a cursor stands. `read_ahead` is how many models are read before their turn, at most twice the
    concurrency.
    """

    def __init__(self, reader: Reader, cursor: Cursor, read_ahead: int) -> None:
        self.reader, self.cursor = reader, cursor
        self._depth = min(read_ahead, 2 * reader.client.config.concurrency)
        self._pool = ThreadPoolExecutor(reader.client.config.concurrency, thread_name_prefix="vertex-scan")
        self._is_closed = False

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        try:
            if self.cursor.at.stage < 1:
                yield from self._models()
            yield from self._endpoints()
            return self.cursor.to_watermark()
        finally:
            self._is_closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _behind(self, position: Position) -> Found:
        self.cursor = replace(self.cursor, at=position)
        return self.cursor.to_mark()

    def _models(self) -> Iterator[Found]:
        for place, future in self._read_ahead(self._heads()):
            try:
                versions, origins = yield from awaited(future)
            except NotFoundError:
                continue
            yield from self._one_model(versions, origins)
            yield self._behind(place)
        if self.cursor.mode == "sweep":
            yield Listing("model")
        yield self._behind(Position(1))

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
            Position(0, micros(row.create_time), model_id_of(row))
            for row in rows
            if not changed_only or micros(row.update_time) >= floor
        }
        return sorted(head for head in heads if head > at)

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
                    if self._is_closed:
                        raise

        return self._pool.submit(work)

    def _one_model(self, versions: list[Any], origins: list[Future[Origins]]) -> Iterator[Found]:
        yield (model := attempt(to_model, self.reader.place, versions))
        if isinstance(model, BadRecordError):
            return
        for version, future in zip(versions, origins, strict=True):
            found = yield from awaited(future)
            yield attempt(to_version, self.reader.place, version, found)
        if self.cursor.mode != "full":
            yield Listing("version", of=model_key(versions[0]))

    def _endpoints(self) -> Iterator[Found]:
        client, parent = self.reader.client, self.reader.place.parent
        try:
            rows = list(client.read_all("Endpoint", "list_endpoints", "endpoints", parent=parent))
        except AuthError:
            return
        at = self.cursor.at
        for row in sorted(rows, key=_endpoint_position):
            position = _endpoint_position(row)
            if position > at:
                yield attempt(to_endpoint, self.reader.place, row, self.reader.served(row))
                yield self._behind(position)
        if self.cursor.mode != "full":
            yield Listing("endpoint")


def _endpoint_position(row: Any) -> Position:
    return Position(1, micros(row.create_time), str(row.name).rpartition("/")[2])
