"""Followers: projections that read the change feed and keep their own structure.

Each is driven by a thread of the worker's. What one cannot do now (a full disk, a database that is away) it
tries again later, while readers go on with what there is.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)
PAUSE = 0.5
"""Seconds after which a follower looks for changes without having been told of any."""
PAUSE_AFTER_ERROR = 2.0
PACE = 0.1
"""Seconds from one step to the next at least: a step costs much the same for one change and for a hundred."""


class Follower(Protocol):
    """A projection of the catalogue. `position` is the change it has taken in last."""

    @property
    def position(self) -> int: ...

    def step(self) -> bool:
        """Take in one batch; False when there was nothing to do."""

    def rebuild(self) -> None:
        """Build everything again from the catalogue."""


@dataclass(slots=True)
class Followers:
    """The followers of this machine, by name, each in a thread of its own. `moved` is called when one has moved on."""

    followers: dict[str, Follower]
    moved: Callable[[], None] = lambda: None
    _news: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False
    _told: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin following."""
        for name, follower in self.followers.items():
            thread = threading.Thread(
                target=self._follow, args=(name, follower), name=f"follow-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def look(self) -> None:
        """Tell them that there may be news."""
        with self._news:
            self._told += 1
            self._news.notify_all()

    def catch_up(self) -> None:
        """Take in everything now, in this thread; for a process without follower threads."""
        for follower in self.followers.values():
            while follower.step():
                pass

    def wait(self, position: int, seconds: float) -> bool:
        """Wait until every follower has passed a position. False when that takes longer."""
        self.look()
        with self._news:
            return self._news.wait_for(lambda: self._passed(position), timeout=seconds)

    def close(self) -> None:
        """Stop after the batch at hand."""
        with self._news:
            self._stopped = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join(timeout=10)

    def _passed(self, position: int) -> bool:
        return all(follower.position >= position for follower in self.followers.values())

    def _follow(self, name: str, follower: Follower) -> None:
        told = -1
        while not self._stopped:
            pause, began = PAUSE, time.monotonic()
            try:
                if follower.step():
                    self.moved()
                    with self._news:
                        self._news.notify_all()
                    time.sleep(max(0.0, began + PACE - time.monotonic()))
                    continue
            except Exception as error:
                log.warning("follower cannot go on now", follower=name, error=str(error)[:300])
                pause = PAUSE_AFTER_ERROR
            with self._news:
                if self._told == told and not self._stopped:
                    self._news.wait(pause)
                told = self._told
