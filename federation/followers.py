"""Followers: projections that read the change feed and keep their own structure.

Each is driven by a thread of the worker's. What one cannot do now (a full disk, a database that is away) it
tries again later, while readers go on with what there is.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from federation.health import Reports
from federation.loops import Loop

PART_OF = {"search": "index", "graph": "graph"}
"""What each follower is called where it is told how the parts of the gateway stand."""
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
    reports: Reports = field(default_factory=Reports)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False
    _told: int = 0
    _loops: list[Loop] = field(default_factory=list)

    def start(self) -> None:
        """Begin following."""
        for name, follower in self.followers.items():
            told = _Told()
            step = partial(self._follow, follower, told)
            loop = Loop(
                f"follow-{name}", step, reports=self.reports, part=PART_OF[name], pause=PAUSE_AFTER_ERROR
            )
            loop.start()
            self._loops.append(loop)

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
        for loop in self._loops:
            loop.stop()
        with self._news:
            self._stopped = True
            self._news.notify_all()
        for loop in self._loops:
            loop.join(10)

    def _passed(self, position: int) -> bool:
        return all(follower.position >= position for follower in self.followers.values())

    def _follow(self, follower: Follower, told: "_Told") -> None:
        began = time.monotonic()
        if follower.step():
            self.moved()
            with self._news:
                self._news.notify_all()
            time.sleep(max(0.0, began + PACE - time.monotonic()))
            return
        with self._news:
            if self._told == told.last and not self._stopped:
                self._news.wait(PAUSE)
            told.last = self._told


@dataclass(slots=True)
class _Told:
    """How often there had been news when a follower last found nothing more to do."""

    last: int = -1
