"""When which registry is synchronised, and by how many threads.

A registry has at most one run at a time and a thread of its own while it runs (the bulkhead), so one that
hangs keeps nobody else waiting. After failures its interval doubles up to a quarter of an hour (the breaker);
a run that somebody asks for is made at once all the same. What is read apart from listings is read between runs, in
threads of their own, at most one per registry.
"""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, select

from federation import tables
from federation.database import EPOCH, DatabaseError, UTCTime, now, past, reading, writing
from federation.leases import FURTHEST, is_free
from federation.logs import Log
from federation.prepared import Prepared
from federation.sync.context import SYNC, SyncContext
from federation.sync.details import ask_again, read_details
from federation.sync.requests import request as request
from federation.sync.run import run

log = Log(__name__)
SLOWEST = timedelta(minutes=15)
"""The longest pause between two tries of a registry that fails."""
JITTER = 0.05
DETAILS_AT_ONCE = 200
DETAILS_SHARE = 0.25
"""Part of the time of a run for which details are read after it though the next one is under way: where one run follows
another all the time, they are read all the same."""
_registries, _runs, _lease = tables.registry.c, tables.sync.c, tables.lease.c
# Built once: the worker asks them many times a second.
_ATTACHED = Prepared(
    select(
        _registries.id,
        _registries.requested_at,
        _registries.sync_every,
        _registries.last_attempt_at,
        _registries.failures,
    ).where(_registries.detached_at.is_(None))
)
_OPEN = Prepared(
    select(
        _runs.id,
        _runs.registry_id,
        _registries.detached_at,
        is_free(None, *(bindparam(name, None, type_=UTCTime) for name in ("at", "furthest"))).label(
            "is_free"
        ),
    )
    .join(tables.registry, _registries.id == _runs.registry_id)
    .outerjoin(tables.lease, and_(_lease.name == SYNC, _lease.registry_id == _registries.id))
    .where(_runs.state.in_(("queued", "running")))
    .order_by(_runs.registry_id, _runs.id)
)


def next_attempt(registry: Row[Any], at: datetime) -> datetime | None:
    """When a registry's next run is due by the schedule; None for one that is only synchronised when asked.

    A run that lies in the future was made before the clock was set back: nobody knows how long ago that is, so the
    next one is due.
    """
    if registry.requested_at is not None:
        return past(registry.requested_at, at)
    if not registry.sync_every:
        return None
    if registry.last_attempt_at is None:
        return EPOCH
    if registry.last_attempt_at > at:
        return at
    pause = timedelta(seconds=registry.sync_every)
    if registry.failures:
        pause = max(pause, min(SLOWEST, pause * 2 ** min(registry.failures, 20)))
    # The same at every look, and as often less as more: `sync_every` is what the pauses come to.
    spread = random.Random(f"{registry.id} {registry.last_attempt_at}").uniform(-JITTER, JITTER)
    return registry.last_attempt_at + pause * (1 + spread)  # type: ignore[no-any-return]


def waiting(open_runs: Iterable[Row[Any]]) -> list[int]:
    """The runs that can begin now, one per registry, first those asked for first: queued ones, and ones cut off whose
    lease is free.
    """
    found: dict[int, int] = {}
    for row in open_runs:
        if row.detached_at is None and row.is_free:
            found.setdefault(row.registry_id, row.id)
    return list(found.values())


@dataclass(slots=True)
class Scheduler:
    """Starts what is due, in threads; `tick` is called again and again by the worker."""

    context: SyncContext
    threads: int = 8
    on_end: Callable[[], None] = lambda: None
    by_schedule: bool = True
    """False: only what somebody asked for is started."""
    running: dict[int, Future[None]] = field(default_factory=dict)
    """By sync id."""
    next_due: float | None = None
    """Seconds from the last look until a run is due by the schedule."""
    pool: ThreadPoolExecutor = field(init=False)
    _readers: ThreadPoolExecutor = field(init=False)
    _reading: dict[int, Future[None]] = field(default_factory=dict)
    """Who reads details, by registry id."""

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="sync")
        self._readers = ThreadPoolExecutor(self.threads, thread_name_prefix="details")

    def tick(self) -> None:
        """Queue what is due and start what waits. Errors: `DatabaseError`."""
        self.running = {sync_id: future for sync_id, future in self.running.items() if not future.done()}
        at = now()
        engine = self.context.engine
        # The runs first: one that ends meanwhile is not due.
        open_runs = _OPEN.polled(engine, at=at, furthest=at + FURTHEST)
        rows = _ATTACHED.polled(engine) if self.by_schedule else []
        busy = {row.registry_id for row in open_runs}
        startable = waiting(open_runs)
        planned = [(when, row.id) for row in rows if row.id not in busy and (when := next_attempt(row, at))]
        due = [registry_id for when, registry_id in planned if when <= at]
        later = [(when - at).total_seconds() for when, _ in planned if when > at]
        self.next_due = min(later, default=None)
        if due:
            with writing(self.context.engine) as connection:
                startable += [request(connection, registry_id, full=False) for registry_id in due]
        for sync_id in startable:
            if sync_id not in self.running and len(self.running) < self.threads:
                self.running[sync_id] = self.pool.submit(self._work, sync_id)

    def close(self) -> None:
        """Let running ones stop at their next page (`context.stopping` says so) and wait for them."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        self._readers.shutdown(wait=True)

    def _work(self, sync_id: int) -> None:
        began = time.monotonic()
        try:
            state = run(self.context, sync_id)
            self._tell(sync_id, state)
            if state in ("ok", "partial"):
                self._let_read(sync_id, time.monotonic() - began)
        except DatabaseError as error:
            log.warning("sync interrupted", sync=sync_id, error=str(error))
        except Exception:
            log.exception("sync broke", sync=sync_id)
        finally:
            self.on_end()

    def _tell(self, sync_id: int, state: str | None) -> None:
        """Log how a run of a registry ended; what it could not read, and why it failed, as a warning."""
        if state is None:
            log.info("sync left to another worker", sync=sync_id)
            return
        with reading(self.context.engine) as connection:
            query = select(tables.registry.c.name, _runs.errors, _runs.counts).where(_runs.id == sync_id)
            name, errors, counts = connection.execute(
                query.join(tables.registry, tables.registry.c.id == _runs.registry_id)
            ).one()
        if state == "ok":
            log.info("sync ended", registry=name, sync=sync_id, state=state, counts=counts)
        else:
            reason = errors[0] if errors else "no reason is known"
            log.warning(
                "sync ended", registry=name, sync=sync_id, state=state, reason=reason, more=len(errors) - 1
            )

    def _let_read(self, sync_id: int, seconds: float) -> None:
        """Have details read after a run that took so long, unless that is being done."""
        with reading(self.context.engine) as connection:
            query = select(_runs.registry_id, _runs.asked_full).where(_runs.id == sync_id)
            registry_id, again = connection.execute(query).one()
        if again:
            ask_again(self.context.engine, registry_id)
        reader = self._reading.get(registry_id)
        if reader is None or reader.done():
            self._reading[registry_id] = self._readers.submit(
                self._read, registry_id, DETAILS_SHARE * seconds
            )

    def _read(self, registry_id: int, least: float) -> None:
        """Read details of a registry for `least` seconds, and then until its next run is under way."""
        until = time.monotonic() + least

        def is_enough() -> bool:
            return registry_id in self.context.at_work and time.monotonic() >= until

        try:
            read_details(self.context, registry_id, DETAILS_AT_ONCE, is_enough=is_enough)
        except DatabaseError as error:
            log.warning("details interrupted", registry=registry_id, error=str(error))
        except Exception:
            log.exception("details broke", registry=registry_id)
