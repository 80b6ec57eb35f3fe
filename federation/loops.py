"""Loops that must not end: whatever one round raises is told and tried again.

A thread that ends by an error takes with it what only it does, and nobody notices. So everything that goes round for
as long as its process lives does so under a `Guard`: the supervisor, intents, signing, wake, followers, the heart.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from federation.errors import WaypostError
from federation.health import Reports, said
from federation.logs import Log

log = Log(__name__)
PAUSE = 1.0
"""Seconds after a round that failed."""
EXPECTED = (WaypostError, OSError)
"""What says itself what it is, and needs no stack trace."""


class Guard:
    """Runs rounds of one loop. Each error is logged once for as long as it stays the same.

    With `part` the outcome of each round is noted in `reports` as that part's, `by` whom where others report it too.
    """

    def __init__(self, name: str, reports: Reports | None = None, part: str = "", by: str = "") -> None:
        self.name = name
        self._reports = reports
        self._part = part
        self._by = by
        self._told = ""

    def __call__(self, step: Callable[[], object]) -> bool:
        """One round; False when it failed. Raises nothing."""
        try:
            step()
        except BaseException as error:  # a panic of the search engine is no `Exception`
            self.failed(error)
            return False
        self.well()
        return True

    def well(self) -> None:
        """A round went well."""
        self._told = ""
        if self._reports is not None and self._part:
            self._reports.well(self._part, by=self._by)

    def failed(self, error: BaseException) -> None:
        """A round failed."""
        line = said(error)
        with suppress(Exception):  # the log may stand on a full disk
            if line != self._told:
                self._told = line
                trace = None if isinstance(error, EXPECTED) else error
                log.warning("a loop cannot go on now", loop=self.name, error=line[:300], exc_info=trace)
            if self._reports is not None and self._part:
                self._reports.failed(self._part, error, by=self._by)


class Loop:
    """A thread that runs `step` again and again, under a guard, until it is stopped, and then `at_end`. `step` waits by
    itself."""

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        *,
        reports: Reports | None = None,
        part: str = "",
        by: str = "",
        pause: float = PAUSE,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.stopped = threading.Event()
        self._step = step
        self._guard = Guard(name, reports, part, by)
        self._pause = pause
        self._at_end = at_end
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; nothing happens where it goes round already. Errors: `RuntimeError` where no thread can be had."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._guard.name, daemon=True)
            thread.start()
            self._thread = thread  # only now: what could not begin begins at the next call

    def stop(self) -> None:
        """Let the round at hand be the last."""
        self.stopped.set()

    def join(self, seconds: float) -> None:
        """Wait for the last round."""
        if self._thread is not None:
            self._thread.join(timeout=seconds)

    def _run(self) -> None:
        while not self.stopped.is_set():
            if not self._guard(self._step):
                self.stopped.wait(self._pause)
        self._at_end()
