"""One scan: models, then versions with their artifacts, then what serves them, each by the server's ids."""

import json
from collections.abc import Generator, Iterator
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter

from adapters.kubeflow.client import ENVIRONMENTS, MODELS, SERVICES, VERSIONS, ListedPage
from adapters.kubeflow.reads import Reader
from adapters.kubeflow.records import to_model, to_version
from adapters.payloads import Raw, text
from adapters.records import Listing, Mark, Watermark
from adapters.scanning import Found, Readers, Steps, attempt, awaited, one_of_many, read_state

LISTINGS = (MODELS, VERSIONS, SERVICES)
_LISTING = Annotated[str, StringConstraints(pattern=f"^(?:{'|'.join(LISTINGS)})$")]
_MARK = TypeAdapter(tuple[int | None, bool, _LISTING, str])


class Scan:
    """A scan of what has changed since a time by the server's clock, in epoch milliseconds; None: of everything."""

    def __init__(self, reader: Reader, since: int | None, resume: Mark | None = None) -> None:
        self._reader, self._api, self._since = reader, reader.api, since
        self._readers = Readers(self._api.config.concurrency)
        self._began: int | None = None
        """The server's clock when the scan began; None: it does not tell."""
        self._is_partial = False
        """Something could not be read that may be the next time."""
        self._start, self._token = self._resumed(resume)

    def found(self) -> Generator[Found, None, Watermark]:
        """What is there, one thing after another. Errors: any `AdapterError`."""
        reads = {MODELS: self._models, VERSIONS: self._versions, SERVICES: self._services}
        with self._readers:
            for listing in LISTINGS[LISTINGS.index(self._start) :]:
                yield from reads[listing]()
                self._token = None
        return json.dumps({"at": self._since if self._is_partial else self._began})

    def _models(self) -> Iterator[Found]:
        for page in self._pages(MODELS, self._filter()):
            yield from (attempt(to_model, raw) for raw in page.rows)
            yield from self._mark(MODELS, page)
        if self._since is None:
            yield Listing("model")

    def _versions(self) -> Iterator[Found]:
        for page in self._pages(VERSIONS, self._filter()):
            for raw, future in self._readers.ahead(page.rows, self._reader.artifacts_of_many):
                artifacts = yield from awaited(future)
                self._is_partial |= artifacts.may_pass
                yield attempt(to_version, raw, artifacts)
            yield from self._mark(VERSIONS, page)
        if self._since is None:
            yield Listing("version")

    def _services(self) -> Iterator[Found]:
        """All of them in every scan: what one serves may change without it."""
        names = {text(row, "id"): text(row, "name") for row in self._api.rows(ENVIRONMENTS)}

        def read(raw: Raw) -> Found:
            return self._reader.endpoint(raw, names.get(text(raw, "servingEnvironmentId")))

        for page in self._pages(SERVICES, None):
            for raw, future in self._readers.ahead(page.rows, read):
                yield (yield from one_of_many(awaited(future), f"inference service {text(raw, 'id')}"))
            yield from self._mark(SERVICES, page)
        yield Listing("endpoint")

    def _pages(self, listing: str, filtered: str | None) -> Iterator[ListedPage]:
        steps = Steps(self._api.stuck)
        while True:
            page = self._api.page(listing, self._token, filtered)
            if self._began is None and page.at is not None:
                self._began = int(page.at * 1000)
            self._token = page.next
            yield page
            if page.next is None:
                return
            steps.take(page.next, is_empty=not page.rows)

    def _filter(self) -> str | None:
        return None if self._since is None else f"lastUpdateTimeSinceEpoch >= {self._since}"

    def _mark(self, listing: str, page: ListedPage) -> Iterator[Mark]:
        if page.next is not None:
            yield Mark(json.dumps([self._began, self._is_partial, listing, page.next]))

    def _resumed(self, mark: Mark | None) -> tuple[str, str | None]:
        if mark is None:
            return MODELS, None
        self._began, self._is_partial, listing, token = read_state(mark, _MARK)
        return listing, token
