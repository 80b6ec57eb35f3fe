"""Where a process hands its intents in: those that wait are written down together, in one commit.

An intent is committed within its patience or never: one that had to wait longer, for a database that is gone,
locked or full, is refused, and nothing of it is carried out later.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from federation.database import DatabaseBusyError, DatabaseError, writing
from federation.journal.log import Batch
from federation.operations.admission import RefusedError
from federation.operations.intent import Asker, Intent, Written, record, repeated

PATIENCE = 1.5
"""Seconds within which an intent is committed."""
MOST = 100
LATE = "the database did not answer in time: nothing was changed, try again"


@dataclass(frozen=True, slots=True)
class Sheet:
    """An intent on its way, with when it is too late."""

    intent: Intent
    asker: Asker
    until: float
    done: "Future[Written]" = field(default_factory=Future)


@dataclass(slots=True)
class Desk:
    """The intents of one process. Its thread starts with the first one."""

    engine: Engine
    _sheets: SimpleQueue[Sheet | None] = field(default_factory=SimpleQueue)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def hand_in(self, intent: Intent, asker: Asker) -> "Future[Written]":
        """Write an intent down. The result raises `DatabaseError`, or `RefusedError` for a key that is taken."""
        sheet = Sheet(intent, asker, time.monotonic() + PATIENCE)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="intents", daemon=True)
                self._thread.start()
        self._sheets.put(sheet)
        return sheet.done

    def close(self) -> None:
        """Write down what was handed in, and stop."""
        with self._lock:
            if self._thread is not None:
                self._sheets.put(None)
                self._thread.join(timeout=PATIENCE + 1)
                self._thread = None

    def _run(self) -> None:
        while (sheet := self._sheets.get()) is not None:
            sheets = [sheet]
            while len(sheets) < MOST:
                try:
                    more = self._sheets.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._sheets.put(None)
                    break
                sheets.append(more)
            self._write([one for one in sheets if one.done.set_running_or_notify_cancel()])

    def _write(self, sheets: list[Sheet]) -> None:
        try:
            done = self._committed(sheets)
        except IntegrityError:
            if len(sheets) == 1:
                error = RefusedError(
                    "idempotency-key-in-flight", "this Idempotency-Key is being used: ask again"
                )
                sheets[0].done.set_exception(error)
                return
            for one in sheets:  # another process has just used a key of these
                self._write([one])
        except Exception as failure:
            for one in sheets:
                one.done.set_exception(failure)
        else:
            for one, answer in zip(sheets, done, strict=True):
                if isinstance(answer, Exception):
                    one.done.set_exception(answer)
                else:
                    one.done.set_result(answer)

    def _committed(self, sheets: list[Sheet]) -> list[Written | DatabaseError | RefusedError]:
        left = min(one.until for one in sheets) - time.monotonic()
        with writing(self.engine, patience=max(left, 0.05)) as connection:
            batch = Batch()
            answers = [self._recorded(connection, one, batch) for one in sheets]
            appended = batch.append(connection) if batch.entries else None
        return [
            answer._replace(position=appended.position)
            if appended is not None and isinstance(answer, Written) and answer.position < 0
            else answer
            for answer in answers
        ]

    def _recorded(
        self, connection: Connection, sheet: Sheet, batch: Batch
    ) -> Written | DatabaseError | RefusedError:
        if time.monotonic() > sheet.until:
            return DatabaseBusyError(LATE)
        try:
            known = repeated(connection, sheet.asker)
        except RefusedError as error:
            return error
        if known is not None:
            return Written(known, known.position or 0)
        return Written(record(connection, sheet.intent, sheet.asker, batch), -1)
