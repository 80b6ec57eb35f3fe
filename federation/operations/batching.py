"""Writes down what a process is asked for: requests that wait are looked at and committed together, as one batch.

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
from federation.access import View
from federation.database import DatabaseBusyError, DatabaseError, reading, translated, writing
from federation.errors import StateError, WaypostError
from federation.health import Reports
from federation.journal.log import Batch
from federation.loops import Loop
from federation.operations.admission import WriteTargets
from federation.operations.intent import Asker, Steps, record, repeated
from federation.operations.reader import Operation, as_operation, next_of
from federation.references import Reference

PATIENCE = 1.5
"""Seconds within which an intent is committed."""
MOST = 100
LONGEST_REST = 0.005
"""Seconds at most for which it waits for more, where there were several: as long as these took. Whoever asks one thing
after another has just been answered, and a batch costs much the same for one and for many.
"""
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
class Submission:
    """Something asked for on its way, with when it is too late."""

    look: Look
    asker: Asker
    until: float
    of: tuple[View, Reference] | None = None
    """What it looks at, so that it is read with what the others look at."""
    done: "Future[Answer]" = field(default_factory=Future)


class _ClosedError(Exception):
    """Nothing more is submitted."""


@dataclass(slots=True)
class IntentBatcher:
    """The intents of one process. Its thread starts with `start`, or with the first one."""

    engine: Engine
    adapters: Discovered
    wrote: Callable[[], None] = lambda: None
    """Called after every commit that wrote an intent."""
    reports: Reports = field(default_factory=Reports)
    _waiting: SimpleQueue[Submission | None] = field(default_factory=SimpleQueue)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loop: Loop | None = None
    _failing: BaseException | None = None
    _rest: float = 0.0

    def submit(self, look: Look, asker: Asker, of: tuple[View, Reference] | None = None) -> "Future[Answer]":
        """Look, `of` says at what, and write the intent down. The result raises what `look` does, `StateError`,
        `DatabaseError`.
        """
        submission = Submission(look, asker, time.monotonic() + PATIENCE, of)
        self.start()
        self._waiting.put(submission)
        return submission.done

    def start(self) -> None:
        """Begin to take in what is submitted. Errors: `RuntimeError` where no thread can be had."""
        with self._lock:
            if self._loop is None:
                self._loop = Loop("intents", self._round, pause=0.0)
            self._loop.start()

    def close(self) -> None:
        """Write down what was submitted, and stop."""
        with self._lock:
            if self._loop is not None:
                self._waiting.put(None)
                self._loop.join(PATIENCE + 1)
                self._loop = None

    def _round(self) -> None:
        """Take in what waits; after a while without anything, say that there was nothing to fail."""
        submissions: list[Submission] = []
        try:
            with suppress(Empty):
                submissions.append(self._next(block=True))
                time.sleep(self._rest)
                while len(submissions) < MOST:
                    submissions.append(self._next(block=False))
        except _ClosedError:
            assert self._loop is not None
            self._loop.stop()
        submissions = [one for one in submissions if one.done.set_running_or_notify_cancel()]
        began = time.monotonic()
        try:
            if submissions:
                self._take(submissions)
        except BaseException as failure:
            self._refuse(submissions, failure)
        took = time.monotonic() - began
        self._rest = min(took, LONGEST_REST) if len(submissions) > 1 else 0.0
        if self._failing is not None and not submissions:
            self._try_again()
        self._report()

    def _next(self, *, block: bool) -> Submission:
        """Errors: `Empty`, `_ClosedError`."""
        submission = self._waiting.get(timeout=IDLE) if block else self._waiting.get_nowait()
        if submission is None:
            raise _ClosedError
        return submission

    def _refuse(self, submissions: Iterable[Submission], failure: BaseException) -> None:
        """Nobody waits for an answer for ever, whatever went wrong."""
        self._failing = failure
        for one in submissions:
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

    def _take(self, submissions: list[Submission]) -> None:
        looked: list[tuple[Submission, Steps]] = []
        try:
            with reading(self.engine) as connection:
                places = WriteTargets(self.adapters)
                places.read_versions(connection, [one.of for one in submissions if one.of is not None])
                for one in submissions:
                    steps = self._looked(connection, places, one)
                    if steps is not None:
                        looked.append((one, steps))
        except Exception as failure:
            self._refuse(submissions, failure)
        else:
            self._failing = None
            self._write(looked)

    def _looked(self, connection: Connection, places: WriteTargets, submission: Submission) -> Steps | None:
        """The intents of a submission; None where it is answered already."""
        try:
            with translated():
                found = submission.look(connection, places)
        except (DBAPIError, DatabaseError):
            raise
        except Exception as refusal:
            submission.done.set_exception(refusal)
            return None
        if not isinstance(found, Operation):
            return found
        submission.done.set_result(Answer(found, found.position or 0))
        return None

    def _write(self, submissions: list[tuple[Submission, Steps]]) -> None:
        if not submissions:
            return
        try:
            answers = self._committed(submissions)
        except IntegrityError:
            if len(submissions) == 1:
                error = StateError(
                    "this Idempotency-Key is being used: ask again", code="idempotency-key-in-flight"
                )
                submissions[0][0].done.set_exception(error)
                return
            for one in submissions:  # another process has just used a key of these
                self._write([one])
        except Exception as failure:
            self._refuse([submission for submission, _ in submissions], failure)
        else:
            for (submission, _), answer in zip(submissions, answers, strict=True):
                if isinstance(answer, Exception):
                    submission.done.set_exception(answer)
                else:
                    submission.done.set_result(answer)
            self.wrote()

    def _committed(self, submissions: list[tuple[Submission, Steps]]) -> list[Answer | Exception]:
        left = min(submission.until for submission, _ in submissions) - time.monotonic()
        with writing(self.engine, patience=max(left, 0.05)) as connection:
            found = [_known(connection, submission, steps) for submission, steps in submissions]
            fresh = [
                (steps, submission.asker)
                for (submission, steps), known in zip(submissions, found, strict=True)
                if known is None
            ]
            batch = Batch()
            rows = iter(record(connection, fresh, batch))
            position = batch.append(connection) if fresh else 0
        return [
            _answer(next(rows), steps, position) if known is None else known
            for (_, steps), known in zip(submissions, found, strict=True)
        ]


def _known(connection: Connection, submission: Submission, steps: Steps) -> Answer | Exception | None:
    """What is said to a submission without writing anything for it; None where it is to be written."""
    if time.monotonic() > submission.until:
        return DatabaseBusyError(LATE)
    try:
        row = repeated(connection, submission.asker)
    except WaypostError as error:
        return error
    if row is None:
        return None
    found = as_operation(row, steps[0].registry, next_of(connection, row.id))
    return Answer(found, row.position or 0)


def _answer(rows: Sequence[Row[Any]], steps: Steps, position: int) -> Answer:
    then = rows[1].id if len(rows) > 1 else None
    return Answer(as_operation(rows[0], steps[0].registry, then), position)
