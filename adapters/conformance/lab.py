"""What a check works with: the harness, adapters that are closed afterwards, and whole scans."""

import contextlib
import itertools
import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from adapters.conformance.harness import Harness
from adapters.contract import Adapter, BackendInfo, Page
from adapters.errors import AdapterError, BadRecordError, NotFoundError
from adapters.records import (
    Deleted,
    EndpointRecord,
    Key,
    Listing,
    Mark,
    ModelRecord,
    Record,
    VersionRecord,
    Watermark,
)
from adapters.scanning import Rounds

LARGE = 1000
MAX_PAGES = 20_000
ENOUGH = 2000
"""Records that a check which only looks reads of a backend that is somebody's real one."""


class CheckFailed(AssertionError):
    """The adapter does not do what the check proves. The message says what was seen instead."""


def require(condition: object, message: str) -> None:
    """An assertion that `python -O` does not remove."""
    if not condition:
        raise CheckFailed(message)


def is_text(value: object) -> bool:
    """Whether this is text with something in it, whatever its annotation says."""
    return isinstance(value, str) and bool(value.strip())


def refused(call: Callable[[], object], *expected: type[AdapterError], doing: str) -> AdapterError:
    """Call and give back the error it raises, which must be one of the expected types."""
    names = " or ".join(kind.__name__ for kind in expected)
    try:
        result = call()
    except expected as error:
        return error
    except Exception as error:
        raise CheckFailed(f"{doing} raised {_line(error)}, expected {names}") from error
    raise CheckFailed(f"{doing} returned {type(result).__name__}, expected {names}")


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"


@dataclass(slots=True)
class ScanResult:
    """Everything one scan gave."""

    pages: list[Page] = field(default_factory=list)

    @property
    def items(self) -> list[Record | Deleted]:
        """Records and delete markers, in order."""
        return [item for page in self.pages for item in page.records]

    @property
    def records(self) -> list[Record]:
        """Records without the markers."""
        return [item for item in self.items if not isinstance(item, Deleted)]

    @property
    def deleted(self) -> set[Key]:
        """Keys of the markers."""
        return {item.key for item in self.items if isinstance(item, Deleted)}

    @property
    def bad(self) -> list[BadRecordError]:
        """Records that were not understood."""
        return [error for page in self.pages for error in page.bad]

    @property
    def listed(self) -> list[Listing]:
        """What was listed whole."""
        return [listing for page in self.pages for listing in page.listed]

    @property
    def watermark(self) -> Watermark:
        """Where the next scan begins. Fails when no page says so."""
        mark = next((page.watermark for page in reversed(self.pages) if page.watermark is not None), None)
        require(mark is not None, "no page carries a watermark")
        assert mark is not None
        return mark

    def by_key(self) -> dict[Key, Record]:
        """The last record of every key."""
        return {record.key: record for record in self.records}

    def models(self) -> dict[str, ModelRecord]:
        """Models by name."""
        return {r.name: r for r in self.records if isinstance(r, ModelRecord)}

    def versions(self, model: Key) -> dict[str, VersionRecord]:
        """Versions of a model, by version."""
        return {r.version: r for r in self.records if isinstance(r, VersionRecord) and r.model == model}

    def endpoints(self) -> dict[str, EndpointRecord]:
        """Endpoints by name."""
        return {r.name: r for r in self.records if isinstance(r, EndpointRecord)}


@dataclass(slots=True)
class _Disturbance:
    """Changes that are made one at a time, one after each page, by whichever thread listed it."""

    changes: Iterator[Callable[[], object]]
    pages: int = 0
    failed: list[Exception] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def go_on(self) -> None:
        """The next change. What it lists itself does not count."""
        if not self._lock.acquire(blocking=False):
            return
        self.pages += 1
        try:
            for change in itertools.islice(self.changes, 1):
                change()
        except Exception as error:
            self.failed.append(error)
        finally:
            self._lock.release()


class Lab:
    """One check's surroundings. Names are new for each check; `close` drops what was put and closes adapters."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self._open: list[Adapter] = []
        self._made: list[str] = []
        self._main: Adapter | None = None
        self.bad: list[BadRecordError] = []
        """What scans gave as not understood."""
        self.disturbed_after = 0
        """Pages after which something was or could have been changed in the last disturbed scan."""

    @property
    def main(self) -> Adapter:
        """The check's own adapter, made when first asked for."""
        if self._main is None:
            self._main = self.adapter()
        return self._main

    def adapter(self) -> Adapter:
        """A new adapter, closed at the end of the check."""
        adapter = self.harness.adapter()
        self._open.append(adapter)
        return adapter

    def paged(self) -> Adapter:
        """A new adapter that reads small pages of the backend, closed at the end of the check."""
        adapter = self.harness.paged()
        self._open.append(adapter)
        return adapter

    def name(self) -> str:
        """A model name nobody has used: lower-case letters, digits and a hyphen, 14 characters behind the prefix."""
        return self.own(f"{self.harness.prefix}check-{secrets.token_hex(4)}")

    def own(self, name: str) -> str:
        """A model name that is dropped at the end of the check."""
        self._made.append(name)
        return name

    def put(self, model: str | None = None) -> tuple[str, str]:
        """A new version of a new (or the given) model: (model, version)."""
        model = model or self.name()
        return model, self.harness.put(model)

    def walk(
        self,
        *,
        since: Watermark | None = None,
        limit: int = LARGE,
        adapter: Adapter | None = None,
        resume: Mark | None = None,
    ) -> Iterator[Page]:
        """The pages of a scan, which is closed with this. Fails when a mark comes twice or the pages never end."""
        pages = (adapter or self.main).scan(since=since, limit=limit, resume=resume)
        require(isinstance(pages, Iterator), f"scan returned {type(pages).__name__}, expected a generator")
        rounds = Rounds()
        with contextlib.ExitStack() as stack:
            if isinstance(pages, Generator):
                stack.enter_context(contextlib.closing(pages))
            for number, page in enumerate(pages):
                require(isinstance(page, Page), f"scan gave {type(page).__name__}, expected Page")
                self.bad += page.bad
                yield page
                require(not rounds.closes(page), "a mark or page came again: the scan would never end")
                require(number < MAX_PAGES, f"the scan did not end within {MAX_PAGES} pages")

    def first(self, adapter: Adapter | None = None, *, limit: int = 10) -> Page | None:
        """The first page of a scan, which is left there."""
        return next(self.walk(limit=limit, adapter=adapter), None)

    def scan(
        self,
        *,
        since: Watermark | None = None,
        limit: int = LARGE,
        adapter: Adapter | None = None,
        resume: Mark | None = None,
    ) -> ScanResult:
        """A whole scan, or what is left of one."""
        return ScanResult(list(self.walk(since=since, limit=limit, adapter=adapter, resume=resume)))

    def disturbed(
        self, changes: Iterable[Callable[[], object]], adapter: Adapter, *, since: Watermark | None = None
    ) -> ScanResult:
        """A whole scan, with one change after each page of a listing until none is left: of the backend's where the
        harness can tell of them, else of the adapter's.
        """
        scan, disturbance = ScanResult(), _Disturbance(iter(changes))
        hooked = "meanwhile" in self.harness.offers()
        with self.harness.meanwhile(disturbance.go_on) if hooked else contextlib.nullcontext():
            for page in self.walk(since=since, limit=1, adapter=adapter):
                scan.pages.append(page)
                if not hooked:
                    disturbance.go_on()
        if disturbance.failed:
            raise disturbance.failed[0]
        self.disturbed_after = disturbance.pages
        require(
            self.disturbed_after,
            "no page was told of while a scan ran: `meanwhile` of the harness calls nothing",
        )
        return scan

    def look(self) -> list[Record]:
        """Records to look at: some of our own where the harness can put them, then what is there."""
        if "put" in self.harness.offers():
            model, version = self.put()
            self.dress(model, version)
        found: list[Record] = []
        for page in self.walk(limit=200):
            found += [item for item in page.records if not isinstance(item, Deleted)]
            if len(found) >= ENOUGH:
                break
        return found

    def dress(self, model: str, version: str) -> None:
        """Give a record everything the harness can give it."""
        offers = self.harness.offers()
        if "tag" in offers:
            self.harness.tag(model, version, "team_owner", "risk")
        if "alias" in offers:
            self.harness.alias(model, "champion", version)
        if "stage" in offers:
            for name, (first, _) in self.harness.stages.items():
                self.harness.stage(model, version, name, first)
        if "serve" in offers:
            self.harness.serve(f"{model}-live", model, version)

    def model(self, name: str, adapter: Adapter | None = None) -> ModelRecord:
        """The model under this name, as a full scan gives it."""
        models = self.scan(adapter=adapter).models()
        require(name in models, f"a full scan does not give the model {name!r}")
        return models[name]

    def version(self, name: str, version: str, adapter: Adapter | None = None) -> VersionRecord:
        """A version, as a full scan gives it."""
        scan = self.scan(adapter=adapter)
        models = scan.models()
        require(name in models, f"a full scan does not give the model {name!r}")
        versions = scan.versions(models[name].key)
        require(version in versions, f"a full scan does not give version {version} of {name!r}")
        return versions[version]

    def absent(self, key: Key, adapter: Adapter | None = None) -> bool:
        """Whether `get` proves that the key is gone."""
        try:
            (adapter or self.main).get(key)
        except NotFoundError:
            return True
        return False

    def probe(self) -> BackendInfo:
        """What the backend says of itself."""
        return self.main.probe()

    def close(self) -> None:
        """Put everything back; what fails here is not the check's business."""
        for adapter in self._open:
            with contextlib.suppress(Exception):
                adapter.close()
        for name in self._made:
            with contextlib.suppress(Exception):
                self.harness.drop(name)
