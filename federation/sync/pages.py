"""The pages of a run's scan: each is waited for with a deadline, and a scan that breaks off goes on where it can."""

import zlib
from collections.abc import Generator
from contextlib import suppress

from adapters import AdapterError, InvalidError, Page, Rounds, TransientError
from federation.registries.calls import StoppedError
from federation.sync.context import CurrentRun

CHUNK = 1000
"""Records in a page and a transaction."""
PAGES = 1_000_000
"""No scan has so many pages: one that does goes round in circles."""


class Pages:
    """Give the pages one after the other with `take`; `close` ends the scan, wherever it is."""

    def __init__(self, run: CurrentRun) -> None:
        self._run = run
        self._scan: Generator[Page, None, None] | None = None
        self._rounds = Rounds()
        self._count = self._unmarked = self._failures = 0
        self._is_refused = False

    @property
    def place(self) -> str:
        """Which page comes next, in words that are the same in every worker."""
        mark = self._run.mark
        behind = "" if mark is None else f" behind {zlib.crc32(mark.encode(errors='replace')):08x}"
        return f"page {self._unmarked + 1}{behind}"

    def take(self) -> Page | None:
        """The next page; None at the end. Errors: `AdapterError`, also for a scan that does not end."""
        page = self._next()
        if page is None:
            return None
        self._check(page)
        self._count += 1
        self._unmarked = self._unmarked + 1 if page.mark is None else 0
        if page.mark is not None:
            self._failures = 0
        return page

    def close(self) -> None:
        """Whatever the adapter still does for the scan ends."""
        scan = self._scan
        if scan is not None:
            with suppress(AdapterError, StoppedError):
                self._run.connection.call("scan", lambda _: scan.close(), self._run.context.stopping)

    def _next(self) -> Page | None:
        """The next page, of a scan that is begun again where that may help; None at its end."""
        run = self._run
        while True:
            is_resumed = self._scan is None and run.mark is not None
            if self._scan is None:
                self._scan, self._unmarked = _scan(run), 0
            try:
                return self._asked(self._scan)
            except TransientError as error:
                self._scan = None
                run.wait(error, self._failures)
                self._failures += 1
            except InvalidError:
                self._scan = None
                if not is_resumed or self._is_refused:
                    raise
                self._is_refused, run.mark = True, None
            if run.mark is None:
                run.begin_again()
                self._rounds = Rounds()

    def _asked(self, scan: Generator[Page, None, None]) -> Page | None:
        return self._run.connection.call("scan", lambda _: next(scan, None), self._run.context.stopping)

    def _check(self, page: Page) -> None:
        fault = None
        if not isinstance(page, Page):
            fault = f"scan gave {type(page).__name__}, not a Page"
        elif len(page.records) > CHUNK:
            fault = f"scan gave {len(page.records):,} records where at most {CHUNK:,} were asked for"
        elif self._rounds.closes(page) or self._count > PAGES:
            fault = "the listing goes round in circles (a mark or page came again)"
        if fault is not None:
            raise AdapterError(f"{self._run.registry.name}: {fault}: report this to the adapter's author")


def _scan(run: CurrentRun) -> Generator[Page, None, None]:
    """Nothing of the adapter is called before the first page is asked for."""
    yield from run.adapter.scan(since=run.since, limit=CHUNK, resume=run.mark)
