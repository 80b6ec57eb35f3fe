"""Followers: what is done about everything that changes, in order, each under a name.

A local one keeps a structure of its own with its position (search index, graph); every machine has it. A shared one
writes for all machines: its position stands in the database, and moves in the transaction that writes.

Each is driven by a thread of the worker's. What one cannot do now (a full disk, a database that is away) it
tries again later, while readers go on with what there is.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Engine, bindparam, func, select, update

from federation import tables
from federation.bulk import upserting
from federation.changes import FeedTrimmedError
from federation.database import writing
from federation.health import Reports
from federation.logs import Log
from federation.loops import Loop
from federation.prepared import Prepared

log = Log(__name__)
Fetch = Callable[[str, int, Path], bool]
"""Have files in a folder that another machine wrote in a format and of a generation; False where there are none."""
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
PART_OF = {"search": "index", "graph": "graph", "events": "events", "webhooks": "events"}
"""What followers are called where it is told how the parts of the gateway stand."""
PAUSE = 0.5
"""Seconds after which a follower looks for changes without having been told of any."""
PAUSE_AFTER_ERROR = 2.0
PACE = 0.1
"""Seconds from one step to the next at least: a step costs much the same for one change and for a hundred."""
ASIDE = 0.5
"""Seconds for which a shared follower does not look, while another worker is at it."""
LONGEST_REST = 0.25
"""Seconds at most for which it rests as long as its step took: on a busy machine, less often and more at once."""


def nothing(_written_as: str, _generation: int, _into: Path) -> bool:
    """Where no other machine has anything to give."""
    return False


class Follower(Protocol):
    """What is kept in step with the change feed or the journal, such as an index."""

    def step(self) -> bool:
        """Take in one batch; False when there was nothing to do."""


class Linked(NamedTuple):
    """Files of a projection as of one moment: how they are written, of which generation, at which position."""

    written_as: str
    generation: int
    position: int


class Projection(Follower, Protocol):
    """A local follower of the change feed. `position` is the change it has taken in last."""

    @property
    def position(self) -> int: ...

    def rebuild(self) -> None:
        """Build everything again from the catalogue."""

    def stands(self) -> Linked:
        """How its files are now."""

    def link(self, into: Path) -> Linked:
        """Have them in an empty folder on the same disk, without stopping anything: another machine goes on with them.

        Errors: `UnavailableError` where there are none, `OSError`.
        """


class NewsSource(Protocol[T_co]):
    """Reads what is followed, from a position on: the journal (`journal.log.source`)."""

    def __call__(self, connection: Connection, position: int, limit: int) -> Sequence[tuple[int, T_co]]:
        """At most `limit` of what comes after a position, in order, each with the position after it: how many entries
        there are up to it.

        Errors: `FeedTrimmedError`.
        """


@dataclass(slots=True)
class Shared(Generic[T]):
    """A follower that only writes to the database: what it writes of each item is there exactly once, in order.

    `effect` writes in the transaction that moves the position, which one worker at a time can begin: its row is locked.
    If it raises, or its worker dies, nothing was written, and the batch is taken again by whoever comes next.
    """

    name: str
    engine: Engine
    source: NewsSource[T]
    effect: Callable[[Connection, Sequence[T]], object]
    limit: int = 100
    _aside_until: float = field(default=0.0, init=False)

    def step(self) -> bool:
        """Take in one batch; False when there was nothing to do, or another worker is at it. Errors: the effect's."""
        if time.monotonic() < self._aside_until:
            return False
        found = _BEHIND.polled(self.engine, name=self.name)
        if not found:
            return False
        with writing(self.engine) as connection:
            if found[0].position is None:
                made = upserting(connection.dialect.name, tables.follower).values(name=self.name, position=0)
                connection.execute(made.on_conflict_do_nothing())
            locked = _LOCKED.bare(connection, name=self.name)
            if not locked:
                self._aside_until = time.monotonic() + ASIDE
                return False
            [(position,)] = locked
            position, items = self._next(connection, position)
            if items:
                self.effect(connection, items)
            self._move(connection, position)
        return bool(items)

    def position(self, connection: Connection) -> int:
        """What it has taken in; 0 before the first batch."""
        query = select(_follower.position).where(_follower.name == self.name)
        return connection.execute(query).scalar_one_or_none() or 0

    def _next(self, connection: Connection, position: int) -> tuple[int, list[T]]:
        """What comes next, and the position after it."""
        try:
            found = self.source(connection, position, self.limit)
        except FeedTrimmedError as error:
            log.error(
                "a follower came too late: it goes on with what is still kept",
                follower=self.name,
                after=position,
                until=error.until,
            )
            found = self.source(connection, error.until, self.limit)
        return (found[-1][0] if found else position), [item for _, item in found]

    def _move(self, connection: Connection, position: int) -> None:
        _MOVE.run(connection, name=self.name, to=position)


_follower = tables.follower.c
_NAMED = _follower.name == bindparam("name", "")
_AT = select(_follower.position).where(_NAMED).scalar_subquery()
_BEHIND = Prepared(select(_AT.label("position")).where(tables.head.c.size > func.coalesce(_AT, 0)))
_LOCKED = Prepared(select(_follower.position).where(_NAMED).with_for_update(skip_locked=True))
_MOVE = Prepared(update(tables.follower).where(_NAMED).values(position=bindparam("to", 0)))


@dataclass(slots=True)
class Followers:
    """What a worker drives, by name, each in a thread of its own. `moved` is called when one has moved on,
    with its name."""

    followers: Mapping[str, Follower]
    moved: Callable[[str], None] = lambda name: None
    behind: Mapping[str, str] = field(default_factory=dict)
    """Who follows what another one makes, not what others tell: it looks when that one has moved."""
    reports: Reports = field(default_factory=Reports)
    _loops: list[Loop] = field(default_factory=list)
    _news: dict[str, threading.Event] = field(default_factory=dict)

    def start(self) -> None:
        """Begin following."""
        for name, follower in self.followers.items():
            self._news[name] = threading.Event()
            step = partial(self._follow, name, follower)
            part = PART_OF.get(name, "")
            loop = Loop(
                f"follow-{name}", step, reports=self.reports, part=part, by=name, pause=PAUSE_AFTER_ERROR
            )
            loop.start()
            self._loops.append(loop)

    def look(self) -> None:
        """Tell them that there may be news."""
        for name, news in self._news.items():
            if name not in self.behind:
                news.set()

    def catch_up(self) -> None:
        """Take in everything now, in this thread; for a process without follower threads."""
        for follower in self.followers.values():
            while follower.step():
                pass

    def close(self) -> None:
        """Stop after the batch at hand, and let go of the files that followers have mapped."""
        for loop in self._loops:
            loop.stop()
        for news in self._news.values():
            news.set()
        for loop in self._loops:
            loop.join(10)
        self._loops, self.followers = [], {}

    def _follow(self, name: str, follower: Follower) -> None:
        news, began = self._news[name], time.monotonic()
        news.clear()  # first: what comes while it steps is news
        has_moved = follower.step()
        took = time.monotonic() - began
        if has_moved:
            self.moved(name)
            for other, leader in self.behind.items():
                if leader == name and other in self._news:
                    self._news[other].set()
            time.sleep(max(PACE - took, min(took, LONGEST_REST)))
        else:
            time.sleep(min(took, LONGEST_REST))
            news.wait(PAUSE)
