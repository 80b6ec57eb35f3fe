"""Budgets of calls, shared by the threads of one registry: so many in 60 seconds, or what the server itself says."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from adapters.errors import TransientError

WINDOW = 60.0
LONGEST_WINDOW = 3600.0
LOOK = 0.2
"""Seconds between two looks at whether a wait is still wanted."""
_LEFT = re.compile(r"(?:\A|[;,\s])r\s*=\s*(\d{1,9})\b.*?[;\s]t\s*=\s*(\d{1,9})\b")
_MOST = re.compile(r"[;\s]q\s*=\s*(\d{1,9})\b")


class BudgetSpentError(TransientError):
    """The registry's own budget has no call left for longer than the caller waits."""


class Quota:
    """At most `per_minute` calls in any 60 seconds; one call more waits, up to `patience` seconds."""

    def __init__(self, per_minute: int, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._spent: deque[float] = deque(maxlen=per_minute)
        self._patience, self._clock = patience, clock
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def spend(self) -> None:
        """Take one call from the budget, waiting for it if need be.

        Raises BudgetSpentError with `retry_after` where the wait would be longer than the patience, or after close.
        """
        deadline = self._clock() + self._patience
        while (wait := self._reserve()) > 0:
            left = deadline - self._clock()
            if wait > left or self._closed.is_set():
                raise BudgetSpentError(
                    f"the budget of {self._spent.maxlen} calls a minute is spent for {wait:.0f} s more: "
                    "raise quota_per_minute if the project has a larger quota",
                    retry_after=wait,
                )
            self._closed.wait(min(wait, left))

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()

    def _reserve(self) -> float:
        """Take a call now (0), or the seconds until one is free."""
        with self._lock:
            now = self._clock()
            if len(self._spent) == self._spent.maxlen and (age := now - self._spent[0]) < WINDOW:
                return WINDOW - age
            self._spent.append(now)
            return 0.0


class AnnouncedQuota:
    """What a server says is left of its own window, in the headers `RateLimit` (`"api";r=498;t=55`) and
    `RateLimit-Policy` (`"fixed window";"api";q=500;w=300`). A `share` of the window is spent; the rest is others'.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._clock = share, clock
        self._left, self._most, self._ends = 0, 0, 0.0
        self._lock = threading.Lock()

    def note(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer says. Names of `headers` are in lower case."""
        told = _LEFT.search(headers.get("ratelimit", ""))
        if told is None:
            return
        most = _MOST.search(headers.get("ratelimit-policy", ""))
        with self._lock:
            self._left, self._most = int(told[1]), int(most[1]) if most else self._most
            self._ends = self._clock() + min(float(told[2]), LONGEST_WINDOW)

    def seconds(self) -> float:
        """How long to wait before the next request; it counts as sent where that is 0."""
        with self._lock:
            wait = self._ends - self._clock()
            if wait <= 0:
                return 0.0
            if self._left > round(self._most * (1 - self._share)):
                self._left -= 1
                return 0.0
            return wait

    def wait(self, stopping: Callable[[], bool]) -> None:
        """Wait for room for one request, until `stopping`."""
        while (left := self.seconds()) > 0 and not stopping():
            time.sleep(min(left, LOOK))
