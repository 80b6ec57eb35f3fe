"""Carrying operations out: read what is there, write down that it begins, send, read back, write the outcome.

No transaction is open while the backend is called. Two commits surround each call: after the first, a crash
leaves an operation of which it is not known whether it was sent, and the backend is asked; with the second
the outcome, the catalogue, the journal and the feed change together. What is sent names the etag that was read,
so a call that was repeated, or that arrives late, changes nothing that somebody else has changed since.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Engine, Row, bindparam, select

from adapters import (
    AdapterError,
    ConflictError,
    Key,
    ModelRecord,
    NotFoundError,
    Record,
    RejectedError,
    TransientError,
    UnderWayError,
    VersionRecord,
)
from federation import bulk, spans, tables
from federation.database import micros, now, reading, writing
from federation.leases import FencedError, Lease, Leases
from federation.logs import Log
from federation.operations.due import FLYING, FLYING_LONG, PAUSES, apart, due, work_of
from federation.operations.job import Job, UnderWay, encoded, traced
from federation.operations.outcome import write_outcomes
from federation.operations.tables import operation
from federation.operations.wanted import (
    Delete,
    Makes,
    Register,
    Rename,
    Repeated,
    aim,
    held,
    holds,
    overwritten,
    parts,
    send,
)
from federation.poison import DEATHS, InHand
from federation.registries.calls import AbandonedError
from federation.registries.configured import RegistryError, lock
from federation.registries.connections import Asked, Connections, OpenAdapter, ReplacedError

log = Log(__name__)
T = TypeVar("T")
Answered = Record | Sequence[Record] | None
"""What a write returns: the record as read back, several of a rename, none of a delete."""
OPERATIONS = "operations"
"""The lease of whoever carries out the operations of a registry."""
UNSENT_FOR = timedelta(seconds=30)
"""An operation that could not be sent for so long, in several tries, has failed: the backend was never touched."""
SETTLED_IN = timedelta(seconds=45)
"""How long an unknown operation is sent again while the backend says that it was not applied, and no part of it is."""
UNDER_WAY_EVERY = timedelta(seconds=1)
"""How often it is looked whether something that was given up has come back."""
RACES = 5
"""How often a write without `If-Match` is sent again because somebody else wrote meanwhile."""
FIRST, AGAIN, QUICK, SLOW, MOST = 4, 16, 0.1, 0.5, 128
"""The first batch of a registry has `FIRST` operations. One whose calls took less than `QUICK` seconds may double, one
of more than `SLOW` is halved; whoever comes back to a registry begins with at most `AGAIN`, as it may be slow by now.
"""
_REGISTRY = select(tables.registry).where(tables.registry.c.id == bindparam("of"))


@dataclass(slots=True)
class OperationContext:
    """What carrying out needs. `at` is told of every point at which a crash matters."""

    engine: Engine
    connections: Connections
    leases: Leases
    wrote: Callable[[], None] = lambda: None
    stopping: Callable[[], bool] = lambda: False
    at: Callable[[str], None] = lambda point: None
    under_way: dict[int, UnderWay] = field(default_factory=dict)
    """What may still be writing, by operation."""
    limits: dict[int, int] = field(default_factory=dict)
    """How many operations of a registry were carried out together last."""
    made: dict[int, int] = field(default_factory=dict)
    """How many parts of an operation were made when its outcome was last asked for."""
    in_hand: InHand = field(default_factory=InHand)

    def is_under_way(self, operation_id: int) -> bool:
        """Whether a call for this operation may still be writing: then nothing can be concluded from what is there."""
        known = self.under_way.get(operation_id)
        if known is not None and known.is_over():
            del self.under_way[operation_id]
            return False
        return known is not None

    def forget(self, operation_id: int) -> None:
        """It has ended."""
        self.under_way.pop(operation_id, None)
        self.made.pop(operation_id, None)


@dataclass(slots=True)
class Turn:
    """The operations of one registry that this process carries out now, while its lease lasts."""

    context: OperationContext
    registry: Row[Any]
    lease: Lease
    limit: int
    deadline: float = 0.0
    """Of the last call, in seconds."""

    def carry_out(self, rows: Sequence[Row[Any]]) -> None:
        """Take operations to an outcome, or to the next try. Errors: `FencedError`, `DatabaseError`."""
        jobs = [Job.of(row) for row in rows]
        with spans.span("operations", registry=self.registry.name), traced(self.registry.name, jobs):
            self._carry_out(jobs)

    def _carry_out(self, jobs: Sequence[Job]) -> None:
        refusal = self._refusal()
        began = time.monotonic()
        asking = []
        for job in jobs:
            if self.context.is_under_way(job.row.id):
                job.outcome.leave_unknown(job.row.error or "", now() + UNDER_WAY_EVERY)
            elif not job.was_sent and (why := refusal or job.refusal) is not None:
                job.outcome.fail(why)
            elif not self._set_aside(job):
                asking.append(job)
        self._look(asking)
        for job in asking:
            if job.to_send and self._is_deadly(job):
                self._conclude_deadly(job)
        took = time.monotonic() - began
        sending = [job for job in jobs if job.to_send]
        if sending:
            self._begin(sending)
            self.context.at("begun")
        began = time.monotonic()
        self._send(sending)
        took += time.monotonic() - began
        self.context.at("answered")
        self._finish(jobs)
        self.context.at("finished")
        if took < QUICK:
            self.limit = min(MOST, self.limit * 2)
        elif took > SLOW:
            self.limit = max(1, self.limit // 2)

    def _refusal(self) -> str | None:
        """Why nothing is sent to this registry any more."""
        name = self.registry.name
        if self.registry.detached_at is not None:
            return f"registry {name} was detached before this was sent"
        return None if self.registry.writable else f"registry {name} became read-only before this was sent"

    def _is_deadly(self, job: Job) -> bool:
        return self.context.in_hand.deaths(work_of(job.row)) >= DEATHS

    def _set_aside(self, job: Job) -> bool:
        """Whether an operation at which the worker died repeatedly ends without the backend being asked: it was not
        sent, or asking is what the worker dies of, or cannot be done.
        """
        if not self._is_deadly(job):
            return False
        died = self.context.in_hand.deaths(work_of(job.row))
        if not job.was_sent:
            job.outcome.fail(f"the worker died {died} times before this was sent: it is not tried again")
        elif died > DEATHS or isinstance(job.wanted, Repeated):
            job.outcome.give_up(
                f"the worker died {died} times at this: what became of it is not known: look at the backend"
            )
        return job.outcome.ended

    def _conclude_deadly(self, job: Job) -> None:
        """The worker died repeatedly while this was sent, and the backend does not hold all of it."""
        job.to_send = False
        assert job.seen is not None
        job.conclude(job.seen, "the worker died repeatedly while this was sent: it is not sent again")

    def _look(self, jobs: Sequence[Job]) -> None:
        """Ask what is there now, and decide for each: done already, not to be done, or to be sent."""
        asking = []
        for job in jobs:
            if isinstance(job.wanted, Repeated):
                job.to_send = True  # its adapter knows a repetition: the call is the question
            else:
                asking.append(job)
        for job, answer in zip(asking, self._calls([_get(job.key) for job in asking]), strict=True):
            self._seen(job, answer)

    def _seen(self, job: Job, answer: Record | AdapterError) -> None:
        if isinstance(answer, NotFoundError):
            job.outcome.gone.append(job.key)
            if isinstance(job.wanted, Delete):
                job.outcome.succeed()
            else:
                job.outcome.fail(f"{job.row.ref} no longer exists on the backend")
        elif isinstance(answer, RejectedError) and not job.was_sent:
            job.outcome.fail(str(answer))
        elif isinstance(answer, AdapterError):
            self._try_later(job, answer)
        elif job.was_sent:
            job.seen = answer
            job.read_back(answer)
            self._decide(job, answer)
        else:
            job.seen, job.outcome.before = answer, encoded(answer)
            self._decide(job, answer)

    def _decide(self, job: Job, seen: Record) -> None:
        if holds(job.wanted, seen):
            job.outcome.succeed()
        elif job.was_sent and overwritten(job.wanted, job.before, seen):
            job.conclude(
                seen, f"{job.row.ref} was changed by somebody else at the same time: look at it again"
            )
        elif job.was_sent and now() - job.row.started_at > SETTLED_IN and not self._got_on(job, seen):
            job.conclude(seen, "the backend was asked, and did not make the change")
        elif not job.was_sent and (changed := job.changed) is not None:
            job.outcome.fail(f"{job.row.ref} is not as the plan showed it: {changed}. Look at it again")
        elif self._is_stale(job, seen):
            job.outcome.fail(f"{job.row.ref} has changed since it was read: read it again")
        else:
            job.to_send = True

    def _got_on(self, job: Job, seen: Record) -> bool:
        """Whether the last try of a change of many parts made some of them, so that the next will make more."""
        made, _ = parts(job.wanted, job.before, seen)
        before = self.context.made.get(job.row.id, 0)
        self.context.made[job.row.id] = len(made)
        return len(made) > before

    @staticmethod
    def _is_stale(job: Job, seen: Record) -> bool:
        """Whether `If-Match` no longer holds; what our own call has written in part does not count."""
        if job.row.etag is None or seen.etag == job.row.etag:
            return False
        return not job.was_sent or held(job.wanted, seen) == msgspec.json.decode(job.row.before or "{}")

    def _begin(self, jobs: Sequence[Job]) -> None:
        """Write down that these are about to be sent."""
        at = now()
        rows = []
        for job in jobs:
            before = None if job.seen is None else msgspec.json.encode(held(job.wanted, job.seen)).decode()
            kept = before if not job.was_sent else job.row.before
            due = at + (FLYING_LONG if isinstance(job.wanted, Repeated) else FLYING)
            started = micros(job.row.started_at or at)
            # What is unknown stays so while it is sent again: should this process die now, it is not news.
            state = "unknown" if job.row.state == "unknown" else "running"
            rows.append((state, started, micros(due), kept, job.row.tries + 1, job.row.id))
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)
            columns = ("state", "started_at", "due_at", "before", "tries")
            bulk.update(connection, operation, columns, rows)
            self.context.at("beginning")

    def _send(self, jobs: Sequence[Job]) -> None:
        """Send all, one after another, and hold what came back against what was wanted."""
        at = now()
        for job in jobs:
            job.outcome.started_at = job.row.started_at or at
        for job, answer in zip(jobs, self._calls([_write(job, job.etag) for job in jobs]), strict=True):
            self._answered(job, answer)

    def _answered(self, job: Job, answer: Answered | AdapterError) -> None:
        try:
            self._read_back(job, self._insisted(job, answer))
        except NotFoundError as error:
            self._missing(job, error)
        except RejectedError as error:
            job.outcome.fail(str(error))
            if isinstance(error, ConflictError) and not isinstance(job.wanted, Repeated):
                self._refresh(job)
            elif len(aim(job.wanted)) > 1:
                self._refresh(job, in_part=str(error))
        except AdapterError as error:
            self._try_later(job, error, sent=True)

    def _insisted(self, job: Job, answer: Answered | AdapterError) -> Answered:
        """The answer; where somebody else wrote meanwhile and the caller did not mind, that to sending it again, on
        top of what is there now. Errors: `AdapterError`.
        """
        minds = job.row.etag is not None or isinstance(job.wanted, Repeated)
        tries = 1
        while isinstance(answer, ConflictError) and not minds and tries < RACES:
            seen = self._call(_get(job.key))
            answer, tries = self._calls([_write(job, seen.etag)])[0], tries + 1
        if isinstance(answer, AdapterError):
            raise answer
        return answer

    def _read_back(self, job: Job, record: Answered) -> None:
        """Hold what came back against what was wanted. Errors: `AdapterError`."""
        outcome = job.outcome
        if isinstance(job.wanted, Delete):
            self._deleted(job)
        elif isinstance(job.wanted, Register):
            if not isinstance(record, VersionRecord):
                raise AdapterError(f"register returned {type(record).__name__}, not a version")
            model = self._looked_at(record.model)
            outcome.after = [each for one in (model, record) if (each := encoded(one)) is not None]
            outcome.made = (model.name, record.version) if isinstance(model, ModelRecord) else None
            outcome.succeed()
        elif isinstance(job.wanted, Makes):
            if not isinstance(record, ModelRecord):
                raise AdapterError(f"{job.row.kind} returned {type(record).__name__}, not a model")
            outcome.after = [each for each in (encoded(record),) if each is not None]
            outcome.succeed()
        elif isinstance(job.wanted, Rename):
            self._renamed(job, record)
        elif record is None or isinstance(record, Sequence) or record.key != job.key:
            raise AdapterError(f"{job.row.kind} did not return the record it wrote")
        else:
            outcome.after = [each for each in (encoded(record),) if each is not None]
            if holds(job.wanted, record):
                outcome.succeed()
            else:
                outcome.fail("the backend took the change, but reading it back shows something else")

    def _renamed(self, job: Job, records: Answered) -> None:
        """Take in a model under its new name, and what has another key with it. Errors: `AdapterError`."""
        if not isinstance(records, Sequence) or not records or not holds(job.wanted, records[0]):
            raise AdapterError("rename did not return the model under its new name")
        job.outcome.after = [each for each in map(encoded, records) if each is not None]
        job.outcome.renamed = {job.key.native_id: records[0].key.native_id}
        with self.context.connections.to(self.registry) as connection:
            job.outcome.succeeds = connection.adapter.succeeds
        job.outcome.succeed()

    def _deleted(self, job: Job) -> None:
        try:
            self._looked_at(job.key)
        except NotFoundError:
            job.outcome.gone.append(job.key)
            job.outcome.succeed()
        else:
            job.outcome.fail("the backend took the delete, but it is still there")
            return
        if isinstance(job.seen, VersionRecord):
            parent = job.seen.model
            try:
                model = self._call(_get(parent))
            except NotFoundError:
                job.outcome.gone.append(parent)
            except AdapterError:
                return  # the next sync sees what became of its aliases
            else:
                job.outcome.after = [each for each in (encoded(model),) if each is not None]

    def _missing(self, job: Job, error: NotFoundError) -> None:
        """A write found nothing: only asking for it proves that it is gone."""
        if isinstance(job.wanted, Makes):
            job.outcome.fail(str(error))
            return
        try:
            self._call(_get(job.key))
        except NotFoundError:
            job.outcome.gone.append(job.key)
        except AdapterError as failure:
            self._try_later(job, failure, sent=True)
            return
        job.outcome.fail(str(error))

    def _refresh(self, job: Job, *, in_part: str | None = None) -> None:
        """Take in what is there, so that whoever lost a race reads what won it; where parts may have been made before
        one was refused, `in_part` says why it was.
        """
        try:
            seen = self._call(_get(job.key))
        except NotFoundError:
            job.outcome.gone.append(job.key)
        except AdapterError:
            return
        else:
            if in_part is None:
                job.outcome.before = encoded(seen)
            else:
                job.read_back(seen)
                job.conclude(seen, in_part)

    def _try_later(self, job: Job, error: AdapterError, *, sent: bool = False) -> None:
        """The backend cannot be reached, or did not say what it did."""
        asked = getattr(error, "retry_after", None)
        pause = PAUSES[min(job.row.tries, len(PAUSES) - 1)] if asked is None else min(asked, PAUSES[-1])
        if isinstance(error, UnderWayError) and sent:
            self.context.under_way[job.row.id] = self._under_way(error)
        if sent or job.was_sent:
            job.outcome.leave_unknown(str(error), now() + timedelta(seconds=pause))
        elif now() - job.row.requested_at > UNSENT_FOR and job.row.tries >= len(PAUSES) - 1:
            job.outcome.fail(f"it could not be sent: {error}")
        else:
            job.outcome.wait(now() + timedelta(seconds=pause))

    def _under_way(self, error: UnderWayError) -> UnderWay:
        if isinstance(error, AbandonedError):
            return UnderWay(error.call.deadline, error.call)
        return UnderWay(time.monotonic() + self.deadline)

    def _finish(self, jobs: Sequence[Job]) -> None:
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)
            registry = lock(connection, self.registry.id)  # no chunk of a sync is written meanwhile
            write_outcomes(
                connection, registry, [job.outcome for job in jobs], self.context.connections.adapters
            )
            self.context.at("finishing")
        for job in jobs:
            if job.outcome.ended:
                self.context.forget(job.row.id)
                self.context.in_hand.forget(work_of(job.row))
        self.context.wrote()

    def _looked_at(self, key: Key) -> Record:
        """What is there after a write that was taken. Errors: `NotFoundError`; `AdapterError`, never that it was
        rejected: a look that is refused says nothing of the write.
        """
        try:
            return self._call(_get(key))
        except NotFoundError:
            raise
        except RejectedError as error:
            raise AdapterError(str(error)) from None

    def _call(self, wanted: Asked[T]) -> T:
        """One call of the adapter. Errors: `AdapterError`."""
        answer = self._calls([wanted])[0]
        if isinstance(answer, AdapterError):
            raise answer
        return answer

    def _calls(self, wanted: Sequence[Asked[T]]) -> list[T | AdapterError]:
        """Calls of the adapter, each with a deadline; after one that failed for now it is asked again who answers."""
        answers: list[T | AdapterError] = []
        try:
            with self.context.connections.to(self.registry) as connection:
                self.deadline = connection.deadline
                while len(answers) < len(wanted):
                    answers += self._made(connection, wanted[len(answers) :])
        except RegistryError as error:
            answers = [TransientError(str(error)) for _ in wanted]
        return answers

    def _made(self, connection: OpenAdapter, wanted: Sequence[Asked[T]]) -> list[T | AdapterError]:
        """As many of the answers as come before it has to be asked who answers."""
        try:
            if self.registry.identity is not None:
                connection.identify(self.registry)
        except ReplacedError as error:
            return [RejectedError(f"{error}; nothing was sent")]
        except AdapterError as error:
            return [error]
        return connection.call_each(wanted)


def work(context: OperationContext, registry_id: int) -> int:
    """Carry out what is due of a registry, if it is our turn. Returns how many tries that were.

    Errors: `DatabaseError`.
    """
    with writing(context.engine) as connection:
        lease = context.leases.take(connection, OPERATIONS, registry_id)
    if lease is None:
        return 0
    limit, tries = min(context.limits.get(registry_id, FIRST), AGAIN), 0
    try:
        while not context.stopping():
            with reading(context.engine) as connection:
                rows = due(connection, registry_id, now(), limit)
                registry = connection.execute(_REGISTRY, {"of": registry_id}).one_or_none() if rows else None
            if registry is None:
                break
            turn = Turn(context, registry, lease, limit)
            for together in apart(context.in_hand, rows):
                with context.leases.keeping(lease), context.in_hand.holding(*map(work_of, together)):
                    turn.carry_out(together)
            limit, tries = turn.limit, tries + len(rows)
            context.limits[registry_id] = limit
    except FencedError as error:
        log.info("left to another worker", reason=str(error))
    return tries


def _get(key: Key) -> Asked[Record]:
    return "get", lambda adapter: adapter.get(key)


def _write(job: Job, etag: str | None) -> Asked[Answered]:
    """Send what a job wants, on top of the state that an etag stands for."""
    return job.row.kind, partial(send, key=job.key, wanted=job.wanted, etag=etag, token=job.row.token)
