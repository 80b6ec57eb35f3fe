"""Where a process hands in what is asked for: those that wait are looked at and written down together, in one commit.

One thread does it for all, which costs a process less than its threads would, each with a commit of its own.

An intent is committed within its patience or never: one that had to wait longer, for a database that is gone,
locked or full, is refused, and nothing of it is carried out later.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, IntegrityError

from adapters import Discovered
from federation.database import DatabaseBusyError, DatabaseError, reading, translated, writing
from federation.errors import StateError, WaypostError
from federation.health import Reports
from federation.journal.log import Batch
from federation.loops import Loop
from federation.operations.admission import WriteTargets
from federation.operations.intent import Asker, Steps, record, repeated
from federation.operations.reader import Operation, as_operation, next_of

PATIENCE = 1.5
"""Seconds within which an intent is committed."""
MOST = 100
IDLE = 2.0
"""Seconds after which it says that it is there although nothing was asked for."""
LATE = "the database did not answer in time: nothing was changed, try again"


Look = Callable[[Connection, WriteTargets], Steps | Operation]
"""Reads what is needed and gives the intents, or the operation that this repeats; raises what refuses it."""


class Answer(NamedTuple):
    """The operation, of several steps the first, and the change position to read at."""

    operation: Operation
    position: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """Something asked for on its way, with when it is too late."""

    look: Look
    asker: Asker
    until: float
    done: "Future[Answer]" = field(default_factory=Future)


class _ClosedError(Exception):
    """Nothing more is handed in."""


@dataclass(slots=True)
class Desk:
    """The intents of one process. Its thread starts with `start`, or with the first one."""

    engine: Engine
    adapters: Discovered
    wrote: Callable[[], None] = lambda: None
    """Called after every commit that wrote an intent."""
    reports: Reports = field(default_factory=Reports)
    _sheets: SimpleQueue[Sheet | None] = field(default_factory=SimpleQueue)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loop: Loop | None = None
    _failing: BaseException | None = None

    def hand_in(self, look: Look, asker: Asker) -> "Future[Answer]":
        """Look, and write the intent down. The result raises what `look` does, `StateError`, `DatabaseError`."""
        sheet = Sheet(look, asker, time.monotonic() + PATIENCE)
        self.start()
        self._sheets.put(sheet)
        return sheet.done

    def start(self) -> None:
        """Begin to take in what is handed in. Errors: `RuntimeError` where no thread can be had."""
        with self._lock:
            if self._loop is None:
                self._loop = Loop("intents", self._round, pause=0.0)
            self._loop.start()

    def close(self) -> None:
        """Write down what was handed in, and stop."""
        with self._lock:
            if self._loop is not None:
                self._sheets.put(None)
                self._loop.join(PATIENCE + 1)
                self._loop = None

    def _round(self) -> None:
        """Take in what waits; after a while without anything, say that there was nothing to fail."""
        sheets: list[Sheet] = []
        try:
            with suppress(Empty):
                sheets.append(self._next(block=True))
                while len(sheets) < MOST:
                    sheets.append(self._next(block=False))
        except _ClosedError:
            assert self._loop is not None
            self._loop.stop()
        sheets = [one for one in sheets if one.done.set_running_or_notify_cancel()]
        try:
            if sheets:
                self._take(sheets)
        except BaseException as failure:
            self._refuse(sheets, failure)
        if self._failing is not None and not sheets:
            self._try_again()
        self._report()

    def _next(self, *, block: bool) -> Sheet:
        """Errors: `Empty`, `_ClosedError`."""
        sheet = self._sheets.get(timeout=IDLE) if block else self._sheets.get_nowait()
        if sheet is None:
            raise _ClosedError
        return sheet

    def _refuse(self, sheets: Iterable[Sheet], failure: BaseException) -> None:
        """Nobody waits for an answer for ever, whatever went wrong."""
        self._failing = failure
        for one in sheets:
            if not one.done.done():
                one.done.set_exception(failure)

    def _try_again(self) -> None:
        """Something could not be written down, and nobody has asked for anything since: could it be now?"""
        try:
            with writing(self.engine, patience=PATIENCE):
                self._failing = None
        except Exception as failure:
            self._failing = failure

    def _report(self) -> None:
        if self._failing is None:
            self.reports.well("intents")
        else:
            self.reports.failed("intents", self._failing)

    def _take(self, sheets: list[Sheet]) -> None:
        looked: list[tuple[Sheet, Steps]] = []
        try:
            with reading(self.engine) as connection:
                places = WriteTargets(self.adapters)
                for one in sheets:
                    steps = self._looked(connection, places, one)
                    if steps is not None:
                        looked.append((one, steps))
        except Exception as failure:
            self._refuse(sheets, failure)
        else:
            self._failing = None
            self._write(looked)

    def _looked(self, connection: Connection, places: WriteTargets, sheet: Sheet) -> Steps | None:
        """The intents of a sheet; None where it is answered already."""
        try:
            with translated():
                found = sheet.look(connection, places)
        except (DBAPIError, DatabaseError):
            raise
        except Exception as refusal:
            sheet.done.set_exception(refusal)
            return None
        if not isinstance(found, Operation):
            return found
        sheet.done.set_result(Answer(found, found.position or 0))
        return None

    def _write(self, sheets: list[tuple[Sheet, Steps]]) -> None:
        if not sheets:
            return
        try:
            answers = self._committed(sheets)
        except IntegrityError:
            if len(sheets) == 1:
                error = StateError(
                    "this Idempotency-Key is being used: ask again", code="idempotency-key-in-flight"
                )
                sheets[0][0].done.set_exception(error)
                return
            for one in sheets:  # another process has just used a key of these
                self._write([one])
        except Exception as failure:
            self._refuse([sheet for sheet, _ in sheets], failure)
        else:
            for (sheet, _), answer in zip(sheets, answers, strict=True):
                if isinstance(answer, Exception):
                    sheet.done.set_exception(answer)
                else:
                    sheet.done.set_result(answer)
            self.wrote()

    def _committed(self, sheets: list[tuple[Sheet, Steps]]) -> list[Answer | Exception]:
        left = min(sheet.until for sheet, _ in sheets) - time.monotonic()
        with writing(self.engine, patience=max(left, 0.05)) as connection:
            found = [_known(connection, sheet, steps) for sheet, steps in sheets]
            fresh = [
                (steps, sheet.asker)
                for (sheet, steps), known in zip(sheets, found, strict=True)
                if known is None
            ]
            batch = Batch()
            rows = iter(record(connection, fresh, batch))
            position = batch.append(connection).position if fresh else 0
        return [
            _answer(next(rows), steps, position) if known is None else known
            for (_, steps), known in zip(sheets, found, strict=True)
        ]


def _known(connection: Connection, sheet: Sheet, steps: Steps) -> Answer | Exception | None:
    """What is said to a sheet without writing anything for it; None where it is to be written."""
    if time.monotonic() > sheet.until:
        return DatabaseBusyError(LATE)
    try:
        row = repeated(connection, sheet.asker)
    except WaypostError as error:
        return error
    if row is None:
        return None
    found = as_operation(row, steps[0].registry, next_of(connection, row.id))
    return Answer(found, row.position or 0)


def _answer(rows: Sequence[Row[Any]], steps: Steps, position: int) -> Answer:
    then = rows[1].id if len(rows) > 1 else None
    return Answer(as_operation(rows[0], steps[0].registry, then), position)
