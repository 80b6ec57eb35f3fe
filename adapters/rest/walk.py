"""A scan, one page at a time: models, then their versions; the token says where it stands."""

import json
import zlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from adapters.contract import Page
from adapters.errors import BadRecordError, InvalidError, NotFoundError
from adapters.records import Deleted, Key, Listing, Record
from adapters.rest.client import Listed, RestApi, fill
from adapters.rest.config import Collection
from adapters.rest.records import Translator, address

END = "end"
"""What is listed when nothing is left; no token says so."""
MOST_EMPTY = 8
"""Pages by offset in a row that gave nothing, because as much was made meanwhile."""
BATCH = 50
"""Models whose versions are listed before the next page of models: their ids stand in the token."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing stands. `last` is the last id given of a page that was too large for one answer.

    `hare` counts pages, `tortoise` is the checksum of an earlier cursor: a cycle of pages runs into it. `seam` is the
    last id that was given, with which a page that is counted by offset begins again.
    """

    cursor: str | None = None
    last: str | None = None
    hare: int = 0
    tortoise: int = 0
    seam: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A page token, as an object. `at` is the backend's clock when the scan began; None: it has not told."""

    at: float | None = None
    listing: str = "models"
    models: Place = Place()
    versions: Place = Place()
    parents: tuple[str, ...] = ()
    more: bool = True
    """Whether models are left after the `parents`."""

    def dump(self) -> str:
        """As a page token."""
        return json.dumps(asdict(self), separators=(",", ":"))


def load(token: str) -> State:
    """A page token read. Errors: `InvalidError` for one of another adapter or release."""
    try:
        raw = json.loads(token)
        if raw["listing"] not in ("models", "versions"):
            raise ValueError(raw["listing"])
        return State(
            at=raw["at"],
            listing=raw["listing"],
            models=Place(**raw["models"]),
            versions=Place(**raw["versions"]),
            parents=tuple(raw["parents"]),
            more=raw["more"],
        )
    except (ValueError, KeyError, TypeError):
        raise InvalidError("this page token is not of the rest adapter: begin the scan again") from None


class Walk:
    """Scans one backend."""

    def __init__(self, api: RestApi, translate: Translator) -> None:
        self.api, self.translate = api, translate

    def page(self, since: float | None, token: str | None, limit: int) -> Page:
        """One page. Steps that give no record (a model without versions) are walked over, up to a bound."""
        state = load(token) if token is not None else State()
        records: list[Record | Deleted] = []
        bad: list[BadRecordError] = []
        listed: list[Listing] = []
        for _ in range(BATCH):
            room = limit - len(records)
            step = self._models if state.listing == "models" else self._versions
            state = step(state, since, room, records, bad, listed)
            if state.listing == END:
                return Page(
                    tuple(records), watermark=_watermark(state.at), bad=tuple(bad), listed=tuple(listed)
                )
            if len(records) >= limit:
                break
        return Page(tuple(records), next=state.dump(), bad=tuple(bad), listed=tuple(listed))

    def _models(
        self,
        state: State,
        since: float | None,
        room: int,
        records: list[Any],
        bad: list[Any],
        listed: list[Listing],
    ) -> State:
        config = self.api.config
        nested = config.versions.nested
        size = min(room, BATCH) if nested else room
        items, place, at = self._slice(config.models, config.models.path, state.models, size, since, bad)
        state = replace(state, at=state.at if state.at is not None else at)
        made: list[str] = []
        for raw in items:
            try:
                model = self.translate.model(raw)
            except BadRecordError as error:
                bad.append(error)
                continue
            records.append(model)
            made.append(model.key.native_id)
        if place is None and (since is None or config.models.since is None):
            listed.append(Listing("model"))
        state = replace(state, models=place or Place(), more=place is not None)
        if nested and made:
            return replace(state, listing="versions", parents=tuple(made), versions=Place())
        if nested or place is not None:
            return state if place is not None else replace(state, listing=END)
        return replace(state, listing="versions")

    def _versions(
        self,
        state: State,
        since: float | None,
        room: int,
        records: list[Any],
        bad: list[Any],
        listed: list[Listing],
    ) -> State:
        config = self.api.config.versions
        parent = state.parents[0] if config.nested and state.parents else None
        if config.nested and parent is None:
            return replace(state, listing="models" if state.more else END)
        path = config.path
        if parent is not None:
            path = fill(config.path, {"model": address(Key("model", parent))["id"]})
        gone = False
        try:
            items, place, at = self._slice(config, path, state.versions, room, since, bad)
        except NotFoundError:
            if parent is None:
                raise
            items, place, at, gone = [], None, None, True  # the model was deleted meanwhile
        state = replace(state, at=state.at if state.at is not None else at)
        for raw in items:
            try:
                records.append(self.translate.version(raw, parent))
            except BadRecordError as error:
                bad.append(error)
        if place is not None:
            return replace(state, versions=place)
        if not gone and (since is None or config.since is None):
            listed.append(Listing("version", None if parent is None else Key("model", parent)))
        if parent is None:
            return replace(state, listing=END)
        left = state.parents[1:]
        if not left and not state.more:
            return replace(state, listing=END)
        listing = "versions" if left else "models"
        return replace(state, listing=listing, parents=left, versions=Place())

    def _slice(
        self,
        collection: Collection,
        path: str,
        place: Place,
        room: int,
        since: float | None,
        bad: list[BadRecordError],
    ) -> tuple[list[Any], Place | None, float | None]:
        """Up to `room` items after a place, the place after them (None: the end), and the backend's clock. A record
        that cannot be read even by itself goes into `bad`.

        A page of the backend that is larger than `room` is given in order of ids, so that the rest of it can be
        asked for again: what was deleted in between moves nothing.
        """
        if collection.page.style == "offset":
            return self._counted(collection, path, place, room, since, bad)
        found = self.api.page(collection, path, place.cursor, room, since)
        items, last = found.items, None
        if found.bad is not None:
            bad.append(found.bad)
            return [], Place(found.next), found.at
        if place.last is not None or len(items) > room:
            keyed = sorted(((_sort_id(collection, raw), raw) for raw in items), key=lambda pair: pair[0])
            rest = [pair for pair in keyed if place.last is None or pair[0] > place.last]
            items = [raw for _, raw in rest[:room]]
            last = rest[room - 1][0] if len(rest) > room else None
        if last is not None:
            return items, replace(place, last=last), found.at
        return items, None if found.next is None else self._step(place, found.next), found.at

    def _counted(
        self,
        collection: Collection,
        path: str,
        place: Place,
        room: int,
        since: float | None,
        bad: list[BadRecordError],
    ) -> tuple[list[Any], Place | None, float | None]:
        """The same by offset: what follows begins with the last item that was given, wherever it stands by then."""
        found, start = self._overlapping(collection, path, place, room, since)
        if found.bad is not None:
            bad.append(found.bad)
            return [], Place(found.next), found.at
        items = found.items[:room]
        end = start + len(items)
        if found.next is None and len(items) == len(found.items):
            return items, None, found.at
        if not items:  # the page ends with the last item given: what was made meanwhile stands before it
            if place.hare >= MOST_EMPTY:
                raise self._circle()
            return items, Place(f"+{start - 1}", hare=place.hare + 1, seam=place.seam), found.at
        seam = _sort_id(collection, items[-1])
        holds_two = len(found.items) > 1 or bool(
            room == 1 < collection.page.size_value and collection.page.size
        )
        if not seam or not (place.seam or holds_two):
            return items, self._step(place, f"+{end}"), found.at
        return items, Place(f"+{end - 1}", seam=seam), found.at

    def _overlapping(
        self, collection: Collection, path: str, place: Place, room: int, since: float | None
    ) -> tuple[Listed, int]:
        """A page by offset, and where it begins. It is read from further up until it has the last item that was given:
        what stands behind that has been on no page yet.
        """
        at = int(place.cursor or 0)
        if place.seam is None:
            return self.api.page(collection, path, place.cursor, room, since), at
        while True:
            found = self.api.page(collection, path, f"+{at}", room + 1, since)
            ids = [_sort_id(collection, raw) for raw in found.items]
            if found.bad is not None:
                return found, at
            if ids == [place.seam] and found.next is not None:  # pages of one: what is new is on the next
                return self.api.page(collection, path, found.next, room, since), at + 1
            if place.seam in ids:
                behind = ids.index(place.seam) + 1
                return replace(found, items=found.items[behind:]), at + behind
            if at == 0:
                return found, 0
            at = max(0, at - room)

    def _circle(self) -> InvalidError:
        return InvalidError(f"{self.api.host}: its pages go round in a circle: correct `page.next`")

    def _step(self, place: Place, cursor: str) -> Place:
        """The next page's place. Errors: `InvalidError` when pages go round in a circle."""
        mark, hare = zlib.crc32(cursor.encode()), place.hare + 1
        if hare > 1 and mark == place.tortoise:
            raise self._circle()
        power = hare & (hare - 1) == 0
        return Place(cursor, None, hare, mark if power else place.tortoise)


def _sort_id(collection: Collection, raw: Any) -> str:
    try:
        return str(collection.id.of(raw))
    except ValueError:
        return ""


def _watermark(at: float | None) -> str:
    return json.dumps({"at": at})


def since_of(watermark: str | None) -> float | None:
    """The time that a watermark stands for; None: everything. Errors: `InvalidError` for a foreign one."""
    if watermark is None:
        return None
    try:
        at = json.loads(watermark)["at"]
        return None if at is None else float(at)
    except (ValueError, KeyError, TypeError):
        raise InvalidError("this watermark is not of the rest adapter: scan everything") from None
