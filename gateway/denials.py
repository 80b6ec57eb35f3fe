"""What was refused, in the journal: an entry for each denial of a known principal, and for those who show no valid
credentials one entry per source and minute.
"""

import threading
import time
from collections import Counter

import structlog
from sqlalchemy import Engine

from federation.access import DeniedError, Principal
from federation.database import DatabaseError, writing
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch

log = structlog.get_logger(__name__)
MINUTE = 60.0
MOST_SOURCES = 1000
"""So many sources are told apart in a minute; the others are counted together."""
OTHERS = "others"


class Denials:
    """The denials of one process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._minute = time.monotonic()

    def denied(self, principal: Principal, error: DeniedError, request: str) -> None:
        """A known principal was denied something. A database that cannot be written does not undo the denial."""
        batch = Batch()
        details = {"permission": str(error.permission), "on": error.where[:300]}
        batch.record(Entry(action=Action.ACCESS_DENIED, actor=principal.id, request=request, details=details))
        self._append(batch)

    def refused(self, source: str) -> None:
        """Somebody at a source address showed no credentials that hold."""
        with self._lock:
            known = source in self._refused or len(self._refused) < MOST_SOURCES
            self._refused[source if known else OTHERS] += 1

    def flush(self, *, now: bool = False) -> None:
        """Write down the minute that is over, or with `now` what there is."""
        with self._lock:
            over = time.monotonic() - self._minute >= MINUTE
            if not self._refused:
                self._minute = time.monotonic() if over else self._minute
                return
            if not over and not now:
                return
            counted, self._refused = self._refused, Counter()
            self._minute = time.monotonic()
        batch = Batch()
        for source, count in counted.items():
            commitments = batch.withhold({"address": source}, subject=source)
            entry = Entry(
                action=Action.ACCESS_DENIED_ANONYMOUS,
                actor=SYSTEM,
                details={"count": count},
                commitments=commitments,
            )
            batch.record(entry)
        self._append(batch)

    def _append(self, batch: Batch) -> None:
        try:
            with writing(self._engine) as connection:
                batch.append(connection)
        except DatabaseError as error:
            log.warning("a denial could not be journalled", error=str(error), entries=len(batch.entries))
