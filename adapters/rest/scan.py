"""A scan: models, then their versions, then what serves them, page by page as the backend gives them."""

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError
from adapters.records import Key, Listing, Mark, ModelRecord, Record, Watermark
from adapters.rest.client import Listed, RestClient, fill, row_of
from adapters.rest.config import Collection, Since
from adapters.rest.reads import with_related
from adapters.rest.records import Translator, address
from adapters.scanning import Found, Steps, attempt, read_state


class Place(NamedTuple):
    """Where a listing goes on. `seam` is the last id that was given, with which a page that is counted by offset begins
    again.
    """

    cursor: str | None = None
    seam: str | None = None


_MARK = TypeAdapter(tuple[float | None, Literal["models", "versions", "endpoints"], str | None, str | None])


@dataclass(slots=True)
class Scan:
    """One scan. `since` is a time by the backend's clock; None: everything. `limit` is what is asked for at once."""

    api: RestClient
    translate: Translator
    since: float | None
    limit: int
    resume: Mark | None = None
    began: float | None = None
    """The backend's clock when the scan began; None: it has not told."""

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`; `InvalidError` for a foreign mark."""
        listing, place = self._begin()
        config = self.api.config
        if listing == "models":
            yield from self._models(place)
            place = Place()
        if listing != "endpoints":
            if not config.versions.nested:
                yield from self._versions(config.versions.path, None, place)
            place = Place()
        if config.endpoints is not None:
            yield from self._endpoints(config.endpoints, place)
        return json.dumps({"at": self.began})

    def _begin(self) -> tuple[str, Place]:
        """Which listing the scan begins with, and where in it."""
        if self.resume is None:
            return "models", Place()
        self.began, listing, cursor, seam = read_state(self.resume, _MARK)
        return listing, Place(cursor, seam)

    def _mark(self, listing: str, place: Place) -> Mark:
        return Mark(json.dumps([self.began, listing, *place]))

    def _models(self, place: Place) -> Iterator[Found]:
        config = self.api.config
        for items, following in self._pages(config.models, config.models.path, place):
            made: list[str] = []
            for raw in items:
                yield (one := _read(self.translate.model, raw))
                if isinstance(one, ModelRecord):
                    made.append(one.key.native_id)
            for model in made if config.versions.nested else ():
                yield from self._versions_of(model)
            if following is not None:
                yield self._mark("models", following)
        if self.since is None or config.models.since is None:
            yield Listing("model")

    def _versions_of(self, model: str) -> Iterator[Found]:
        path = fill(self.api.config.versions.path, {"model": address(Key("model", model))["id"]})
        try:
            yield from self._versions(path, model, Place())
        except NotFoundError:
            return  # the model was deleted meanwhile

    def _versions(self, path: str, model: str | None, place: Place) -> Iterator[Found]:
        config = self.api.config.versions
        for items, following in self._pages(config, path, place):
            for raw in with_related(self.api, config, items):
                yield _read(self.translate.version, raw, model)
            if following is not None and model is None:
                yield self._mark("versions", following)
        if self.since is None or config.since is None:
            yield Listing("version", None if model is None else Key("model", model))

    def _endpoints(self, config: Collection, place: Place) -> Iterator[Found]:
        try:
            for items, following in self._pages(config, config.path, place):
                for raw in items:
                    yield _read(self.translate.endpoint, raw)
                if following is not None:
                    yield self._mark("endpoints", following)
        except AuthError:
            return  # `probe` says so; nothing is listed, so nothing counts as absent
        if self.since is None or config.since is None:
            yield Listing("endpoint")

    def _pages(
        self, collection: Collection, path: str, place: Place
    ) -> Iterator[tuple[list[Any], Place | None]]:
        """The items of each page from a place on, and where the next one begins (None: nowhere). A record that cannot
        be read even by itself is a `BadRecordError` among them.
        """
        steps = Steps(self._stuck)
        ask = self._counted if collection.page.overlaps else self._followed
        following: Place | None = place
        while following is not None:
            found, items, following = ask(collection, path, following)
            self.began = found.at if self.began is None else self.began
            if following is not None:
                # A place that is met again by its seam is another one: rows have moved.
                step = following.cursor if following.seam is None else None
                steps.take(step, is_empty=not items and step is None)
            yield items, following

    def _followed(
        self, collection: Collection, path: str, place: Place
    ) -> tuple[Listed, list[Any], Place | None]:
        found = self._page(collection, path, place.cursor, self.limit)
        return found, _items(found), None if found.next is None else Place(found.next)

    def _counted(
        self, collection: Collection, path: str, place: Place
    ) -> tuple[Listed, list[Any], Place | None]:
        """By place: what follows begins with the last item that was given, wherever it stands by then."""
        found, start = self._overlapping(collection, path, place)
        items = _items(found)
        if found.bad is not None or found.next is None:
            return found, items, None if found.next is None else Place(found.next)
        if not items:  # the page ends with the last item given: what was made meanwhile stands before it
            return found, items, Place(f"+{start - 1}", place.seam)
        end = start + len(items)
        seam = _sort_id(collection, items[-1])
        holds_two = len(found.items) > 1 or bool(
            self._most(collection) == 1 < collection.page.size_value and collection.page.size
        )
        overlaps = seam and (place.seam or holds_two)
        return found, items, Place(f"+{end - 1}", seam) if overlaps else Place(f"+{end}")

    def _overlapping(self, collection: Collection, path: str, place: Place) -> tuple[Listed, int]:
        """A page by place, and where it begins. It is read from further up until it has the last item that was given:
        what stands behind that has been on no page yet.
        """
        at, most = row_of(collection.page, place.cursor), self._most(collection)
        if place.seam is None:
            return self._page(collection, path, place.cursor, most), at
        while True:
            found = self._page(collection, path, f"+{at}", most + 1)
            ids = [_sort_id(collection, raw) for raw in found.items]
            if found.bad is not None:
                return found, at
            if ids == [place.seam] and found.next is not None:  # pages of one: what is new is on the next
                return self._page(collection, path, found.next, most), at + 1
            if place.seam in ids:
                behind = ids.index(place.seam) + 1
                return replace(found, items=found.items[behind:]), at + behind
            if at == 0:
                return found, 0
            at = max(0, at - most)

    def _most(self, collection: Collection) -> int:
        """Items asked for at once. The larger numbered pages are, the nearer to any row one of them begins."""
        return collection.page.size_value if collection.page.style == "page" else self.limit

    def _page(self, collection: Collection, path: str, cursor: str | None, size: int) -> Listed:
        asked = None if self.since is None or collection.since is None else collection.since
        more = {} if asked is None or self.since is None else {asked.param: _time(self.since, asked)}
        return self.api.page(collection, path, cursor, size, more)

    def _stuck(self) -> InvalidError:
        return InvalidError(f"{self.api.host}: its pages go round in a circle: correct `page.next`")


def _time(at: float, asked: Since) -> str:
    match asked.format:
        case "epoch_ms":
            said = str(int(at * 1000))
        case "epoch_s":
            said = str(int(at))
        case "iso":
            said = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
        case pattern:
            said = datetime.fromtimestamp(at, UTC).strftime(pattern)
    return asked.text.format(time=said)


def _read(translate: Callable[..., Record], raw: Any, *more: Any) -> Record | BadRecordError:
    return raw if isinstance(raw, BadRecordError) else attempt(translate, raw, *more)


def _items(found: Listed) -> list[Any]:
    return found.items if found.bad is None else [found.bad]


def _sort_id(collection: Collection, raw: Any) -> str:
    try:
        return str(collection.id.of(raw))
    except ValueError:
        return ""
