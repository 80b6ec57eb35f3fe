"""One scan of a project and location: which models it reads, and in which order.

A scan goes over the models by creation, each with all its versions, then over the endpoints. Its marks hold the whole
state, so another process can go on behind any model; the reading ahead that makes it fast is not part of it.
"""

import json
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.quota import BudgetSpentError
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Readers, attempt, awaited
from adapters.vertex.keys import model_id_of, model_key
from adapters.vertex.reads import Reader
from adapters.vertex.records import RelatedMessages, to_endpoint, to_model, to_version

T = TypeVar("T")
OVERLAP = 60 * 1_000_000
"""Microseconds before the watermark that are read again: times are given before changes become visible."""

Mode = Literal["full", "sweep", "changed"]
"""Everything; everything, told as an incremental scan; only models whose `update_time` moved."""


class Position(NamedTuple):
    """What was given last: 0 models, 1 endpoints; creation in microseconds; id."""

    stage: int = -1
    created: int = 0
    id: str = ""


START = Position()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scan stands. `floor` and `high` are the service's own times, in microseconds since 1970."""

    mode: Mode
    floor: int
    high: int
    swept: float
    at: Position = START

    def to_mark(self) -> Mark:
        """The cursor as an opaque text."""
        return Mark(json.dumps([self.mode, self.floor, self.high, self.swept, *self.at]))

    def to_watermark(self) -> Watermark:
        """Where the next incremental scan begins."""
        return json.dumps([self.high, self.swept])

    @classmethod
    def from_mark(cls, mark: Mark) -> "Cursor":
        """Read what `to_mark` wrote. Errors: InvalidError."""
        try:
            mode, floor, high, swept, *at = json.loads(mark)
            return cls(mode, int(floor), int(high), float(swept), Position(*at))
        except (ValueError, TypeError) as error:
            raise InvalidError("this mark was not made by the vertex adapter: scan from the start") from error


class Scan:
    """A scan from where a cursor stands. `read_ahead` is how many models are read before their turn, at most twice the
    concurrency.
    """

    def __init__(self, reader: Reader, cursor: Cursor, read_ahead: int) -> None:
        self.reader, self.cursor = reader, cursor
        self._depth = min(read_ahead, 2 * reader.client.config.concurrency)
        self._readers = Readers(reader.client.config.concurrency)

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        with self._readers:
            if self.cursor.at.stage < 1:
                yield from self._models()
            yield from self._endpoints()
            return self.cursor.to_watermark()

    def _behind(self, position: Position) -> Found:
        self.cursor = replace(self.cursor, at=position)
        return self.cursor.to_mark()

    def _models(self) -> Iterator[Found]:
        for place, future in self._readers.ahead(self._heads(), self._read_model, self._depth):
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

    def _read_model(self, head: Position) -> tuple[list[Any], list[Future[RelatedMessages]]]:
        """The versions of a model, and what other messages say of them, which other threads read."""
        config = self.reader.client.config
        versions = self._patient(self.reader.versions, head.id)
        max_age = 0.0 if self.cursor.mode == "full" else config.evaluations_every
        read = partial(self._patient, self.reader.origins)
        return versions, [self._readers.submit(read, each, max_age) for each in versions]

    def _patient(self, read: Callable[..., T], *given: Any) -> T:
        """A scan waits for the registry's budget for as long as somebody waits for the scan."""
        while True:
            try:
                return read(*given)
            except BudgetSpentError:
                if self._readers.is_closed:
                    raise

    def _one_model(self, versions: list[Any], origins: list[Future[RelatedMessages]]) -> Iterator[Found]:
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


def begin(since: Watermark | None, sweep_every: float, now: float) -> Cursor:
    """The cursor of a new scan at `now` (seconds since 1970)."""
    if since is None:
        return Cursor("full", 0, 0, now)
    try:
        high, swept = json.loads(since)
        due = not 0 <= now - float(swept) < sweep_every
        return Cursor(
            "sweep" if due else "changed", int(high) - OVERLAP, int(high), now if due else float(swept)
        )
    except (ValueError, TypeError):
        raise InvalidError("this watermark was not made by the vertex adapter: scan in full") from None


def micros(moment: Any) -> int:
    """A time of the service in microseconds since 1970."""
    return int(moment.seconds) * 1_000_000 + int(moment.nanos) // 1000
