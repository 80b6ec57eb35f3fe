"""The top lists for pages: counted at once over a small graph; over a large one shown as they were counted last,
and counted anew behind the reader's back where anything has changed.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import ref

from federation.access import View
from federation.database import now
from federation.graph.graph import Graph
from federation.graph.insights import InsightAnswer, check
from federation.logs import Log

log = Log(__name__)
SMALL = 20_000
"""Nodes of a graph that is counted while the reader waits: some milliseconds."""
FRESH_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""For so long a list stands where nothing has changed: to put entries of the journal into an archive changes neither
graph nor catalogue.
"""
KEPT = 256
"""Lists that are remembered, over all views."""

Key = tuple[View, str, int, str | None]


@dataclass(frozen=True, slots=True)
class RememberedList:
    """A list, and when it was so; `at` is None where it is of this moment. `of` is what it was counted of."""

    answer: InsightAnswer
    at: datetime | None
    of: "ref[object] | None" = None
    _counted: float = field(default_factory=time.monotonic)
    _clock: float = field(default_factory=time.monotonic)

    @property
    def fresh(self) -> bool:
        """Whether it need not be looked at yet."""
        return time.monotonic() - self._clock < FRESH_SECONDS

    def stands(self, basis: object) -> bool:
        """Whether it would be the same, counted of this."""
        lately = time.monotonic() - self._counted < LONGEST_SECONDS
        return lately and self.of is not None and self.of() is basis

    def renewed(self) -> "RememberedList":
        """The same, as of this moment."""
        return replace(self, at=now(), _clock=time.monotonic())


@dataclass(eq=False)
class Remembered:
    """The lists of one process. Safe to share between threads; counts one list at a time."""

    graph: Graph
    small: int = SMALL
    _known: OrderedDict[Key, RememberedList] = field(default_factory=OrderedDict, init=False)
    _wanted: OrderedDict[Key, None] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _counting: bool = field(default=False, init=False)

    def insights(
        self, view: View, name: str, *, limit: int = 50, cursor: str | None = None
    ) -> RememberedList | None:
        """A list, or None where it is being counted for the first time: ask again soon.

        Errors: `UnknownInsightError`, `CursorError`, `DamagedError`, `DatabaseError`.
        """
        check(name, cursor)
        if self.graph.nodes() <= self.small:
            return RememberedList(self.graph.insights(view, name, limit=limit, cursor=cursor), None)
        key = (view, name, limit, cursor)
        with self._lock:
            known = self._known.get(key)
            if known is None or not known.fresh:
                self._wanted[key] = None
                if not self._counting:
                    self._counting = True
                    threading.Thread(target=self._count, name="insights", daemon=True).start()
            return known

    def _count(self) -> None:
        while True:
            with self._lock:
                key = next(iter(self._wanted), None)
                if key is None:
                    self._counting = False
                    return
                known = self._known.get(key)
            try:
                found = self._looked_at(key, known)
            except Exception as error:
                log.warning("a list could not be counted now", name=key[1], error=str(error)[:300])
                found = None
            with self._lock:
                del self._wanted[key]
                if found is not None:
                    self._known[key] = found
                    self._known.move_to_end(key)
                    while len(self._known) > KEPT:
                        self._known.popitem(last=False)

    def _looked_at(self, key: Key, known: RememberedList | None) -> RememberedList:
        basis = self.graph.basis()  # before it is counted: it is of this or of something later
        if known is not None and known.stands(basis):
            return known.renewed()
        view, name, limit, cursor = key
        return RememberedList(self.graph.insights(view, name, limit=limit, cursor=cursor), now(), ref(basis))
