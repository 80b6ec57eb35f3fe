"""One scan of a project and location: which models it reads, in which order, and where it stands.

A scan goes over the models by creation, each with all its versions, then over the endpoints. Its cursor
is the whole state, so a scan can be continued by another process; the reading ahead that makes it fast is
not part of it.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from adapters.contract import Page
from adapters.errors import AdapterError, AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.records import Key, Listing, Record, Watermark
from adapters.vertex.client import VertexClient
from adapters.vertex.mapping import (
    Place,
    deployed_version,
    model_id_of,
    model_key,
    to_endpoint,
    to_model,
    to_version,
    version_key,
    version_number,
)

OVERLAP = 60 * 1_000_000
"""Microseconds before the watermark that are read again: times are given before changes become visible."""
PAGE_SECONDS = 20.0
"""A page that took longer is handed over although it is not full."""
_END = 1 << 62
_CACHED = 200_000

Mode = Literal["full", "sweep", "changed"]
"""Everything; everything, told as an incremental scan; only models whose `update_time` moved."""


class Position(NamedTuple):
    """What was given last: 0 models, 1 endpoints; creation in microseconds; id; version number."""

    stage: int = -1
    created: int = 0
    id: str = ""
    version: int = -1


START = Position()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scan stands. `floor` and `high` are the service's own times, in microseconds since 1970."""

    mode: Mode
    floor: int
    high: int
    swept: float
    at: Position = START

    def to_token(self) -> str:
        """The cursor as an opaque text."""
        return json.dumps([self.mode, self.floor, self.high, self.swept, *self.at])

    @classmethod
    def from_token(cls, token: str) -> "Cursor":
        """Read what `to_token` wrote. Errors: InvalidError."""
        try:
            mode, floor, high, swept, *at = json.loads(token)
            return cls(mode, int(floor), int(high), float(swept), Position(*at))
        except (ValueError, TypeError) as error:
            raise InvalidError(
                "this page token was not made by the vertex adapter: scan from the start"
            ) from error


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


@dataclass(slots=True)
class Memory:
    """What an adapter remembers between scans, only to save calls."""

    evaluations: dict[str, tuple[bytes, float, tuple[Any, ...]]] = field(default_factory=dict)
    """By version: a digest of it as it was then, when (monotonic seconds), what was read."""
    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    """The key of each version seen, by model id and version."""
    denied: set[str] = field(default_factory=set)
    """Methods this credential may not call: asked for again after the next probe."""


class Reader:
    """Reads single things: what scans and `get` share."""

    def __init__(self, client: VertexClient, place: Place, memory: Memory) -> None:
        self.client, self.place, self.memory = client, place, memory

    def versions(self, model_id: str) -> list[Any]:
        """Every version of a model, by number. Errors: NotFoundError."""
        rows = self.client.read_all("Model", "list_model_versions", "models", name=self.place.model(model_id))
        versions = sorted(rows, key=version_number)
        for version in versions:
            self._remember(model_id, version)
        if not versions:
            raise NotFoundError(f"model {model_id} has no versions")
        return versions

    def version(self, model_id: str, version: str) -> Any:
        """One version. Errors: NotFoundError."""
        message = self.client.read("Model", "get_model", name=self.place.model(model_id, version))
        self._remember(model_id, message)
        return message

    def evaluations(self, version: Any, max_age: float = 0.0) -> tuple[Any, ...]:
        """The evaluations of a version, those read at most `max_age` seconds ago if it did not change
        since.
        """
        if not self.client.config.evaluations or "list_model_evaluations" in self.memory.denied:
            return ()
        name = self.place.model(model_id_of(version), version.version_id)
        stamp = hashlib.sha256(version.SerializeToString(deterministic=True)).digest()
        known = self.memory.evaluations.get(name)
        if known and known[0] == stamp and time.monotonic() - known[1] < max_age:
            return known[2]
        try:
            rows = self.client.read_all("Model", "list_model_evaluations", "model_evaluations", parent=name)
            found = tuple(rows)
        except NotFoundError:
            return ()
        except AuthError:
            self.memory.denied.add("list_model_evaluations")
            return ()
        if len(self.memory.evaluations) >= _CACHED:
            self.memory.evaluations.clear()
        self.memory.evaluations[name] = (stamp, time.monotonic(), found)
        return found

    def served(self, endpoint: Any) -> dict[tuple[str, str], Key]:
        """The key of every version an endpoint serves; a version that is gone is left out."""
        found = {}
        for deployed in endpoint.deployed_models:
            which = deployed_version(endpoint, deployed)
            if which is None:
                continue
            try:
                if which not in self.memory.keys:
                    self.version(*which)
                found[which] = self.memory.keys[which]
            except NotFoundError:
                continue
        return found

    def _remember(self, model_id: str, version: Any) -> None:
        if len(self.memory.keys) >= _CACHED:
            self.memory.keys.clear()
        with suppress(BadRecordError):  # the record itself will say so
            self.memory.keys[model_id, version.version_id] = version_key(version)


Step = tuple[Position, Record | BadRecordError | Listing]


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
        """The next page of at most `limit` records. Errors: AdapterError, where not even one record could
        be read.

        What fails after the first record ends the page early: the next call starts with it again.
        """
        records: list[Record] = []
        bad: list[BadRecordError] = []
        listed: list[Listing] = []
        deadline = time.monotonic() + PAGE_SECONDS
        try:
            while step := self._peek():
                position, found = step
                if isinstance(found, BadRecordError):
                    bad.append(found)
                elif isinstance(found, Listing):
                    listed.append(found)
                elif len(records) == limit or (records and time.monotonic() > deadline):
                    break
                else:
                    records.append(found)
                self.cursor = replace(self.cursor, at=position)
                self._ahead = None
        except AdapterError:
            self.close()
            if not records:
                raise
            return Page(tuple(records), next=self.cursor.to_token(), bad=tuple(bad), listed=tuple(listed))
        if step:
            return Page(tuple(records), next=self.cursor.to_token(), bad=tuple(bad), listed=tuple(listed))
        self.close()
        watermark = json.dumps([self.cursor.high, self.cursor.swept])
        return Page(tuple(records), watermark=watermark, bad=tuple(bad), listed=tuple(listed))

    def close(self) -> None:
        """Stop reading ahead."""
        self.closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

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
                versions, evaluations = future.result()
            except NotFoundError:
                continue
            yield from self._one_model(place, versions, evaluations)
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
            high = max((_micros(row.update_time) for row in rows), default=0)
            self.cursor = replace(self.cursor, high=max(high, self.cursor.high))
        changed_only = self.cursor.mode == "changed"
        floor, at = self.cursor.floor, self.cursor.at
        heads = {
            Position(0, _micros(row.create_time), model_id_of(row), 0)
            for row in rows
            if not changed_only or _micros(row.update_time) >= floor
        }
        return sorted(head for head in heads if head._replace(version=_END) > at)

    def _read_ahead(self, heads: list[Position]) -> Iterator[tuple[Position, Future[Any]]]:
        window: deque[tuple[Position, Future[Any]]] = deque()
        for head in heads:
            window.append((head, self._pool.submit(self._read_model, head.id)))
            if len(window) > self._depth:
                yield window.popleft()
        yield from window

    def _read_model(self, model_id: str) -> tuple[list[Any], list[Future[tuple[Any, ...]]]]:
        """The versions of a model, and their evaluations, which other threads read."""
        config = self.reader.client.config
        versions = self.reader.versions(model_id)
        max_age = 0.0 if self.cursor.mode == "full" else config.evaluations_every
        return versions, [self._pool.submit(self.reader.evaluations, each, max_age) for each in versions]

    def _one_model(self, place: Position, versions: list[Any], evaluations: list[Any]) -> Iterator[Step]:
        at = self.cursor.at
        if place > at:
            try:
                yield place, to_model(self.reader.place, versions)
            except BadRecordError as error:
                yield place._replace(version=_END), error
                return
        for version, future in zip(versions, evaluations, strict=True):
            position = place._replace(version=version_number(version))
            if position > at or position == place > at:
                yield position, self._one_version(version, future)
        if self.cursor.mode != "full":
            yield place._replace(version=_END), Listing("version", of=model_key(versions[0]))

    def _one_version(self, version: Any, evaluations: Future[tuple[Any, ...]]) -> Record | BadRecordError:
        found = evaluations.result()
        try:
            return to_version(self.reader.place, version, found)
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
                yield position, to_endpoint(self.reader.place, row, self.reader.served(row))
        if self.cursor.mode != "full":
            yield Position(2), Listing("endpoint")


def _endpoint_position(row: Any) -> Position:
    return Position(1, _micros(row.create_time), str(row.name).rpartition("/")[2], 0)


def _micros(moment: Any) -> int:
    return int(moment.seconds) * 1_000_000 + int(moment.nanos) // 1000
