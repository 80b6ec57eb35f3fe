"""A budget of calls in any 60 seconds, shared by the threads of one registry."""

import threading
import time
from collections import deque
from collections.abc import Callable

from adapters.errors import TransientError

WINDOW = 60.0


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
