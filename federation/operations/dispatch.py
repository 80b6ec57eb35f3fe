"""Starting what is due: one thread for each registry with open operations, as far as no other worker is at them."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import and_, bindparam, select

from federation import tables
from federation.database import DatabaseError, UTCTime, now, writing
from federation.leases import FURTHEST, is_free
from federation.logs import Log
from federation.operations.due import LATEST, is_due
from federation.operations.intent import forget_keys
from federation.operations.run import OPERATIONS, OperationContext, work
from federation.operations.tables import operation
from federation.prepared import Prepared

log = Log(__name__)
ASIDE = 0.25
"""Seconds for which a worker looks no more, while others are carrying out all that there is to do."""
FORGET_EVERY = 3600.0
_AT, _FURTHEST, _LATEST = (bindparam(name, None, type_=UTCTime) for name in ("at", "furthest", "latest"))
_WAITING = Prepared(
    select(operation.c.registry_id, is_free(bindparam("owner", ""), _AT, _FURTHEST).label("is_ours"))
    .join(tables.registry, tables.registry.c.id == operation.c.registry_id)
    .outerjoin(
        tables.lease,
        and_(tables.lease.c.name == OPERATIONS, tables.lease.c.registry_id == operation.c.registry_id),
    )
    .where(operation.c.finished_at.is_(None), is_due(_AT, _LATEST))
    .distinct()
)


@dataclass(slots=True)
class Dispatcher:
    """Carries out operations in threads; `tick` is called again and again by the worker."""

    context: OperationContext
    threads: int = 8
    on_end: Callable[[], None] = lambda: None
    running: dict[int, Future[None]] = field(default_factory=dict)
    """By registry."""
    pool: ThreadPoolExecutor = field(init=False)
    _aside_until: float = 0.0
    _forgot: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="operations")

    def tick(self) -> None:
        """Start what is due. Errors: `DatabaseError`."""
        self.running = {one: future for one, future in self.running.items() if not future.done()}
        if time.monotonic() >= self._aside_until:
            for registry_id in sorted(self._waiting() - self.running.keys()):
                if len(self.running) < self.threads:
                    self.running[registry_id] = self.pool.submit(self._work, registry_id)
        if time.monotonic() - self._forgot > FORGET_EVERY:
            self._forgot = time.monotonic()
            with writing(self.context.engine) as connection:
                forget_keys(connection)

    def _waiting(self) -> set[int]:
        """The registries with something to do that nobody else is at."""
        at, owner = now(), self.context.leases.owner
        limits = {"at": at, "furthest": at + FURTHEST, "latest": at + LATEST}
        rows = _WAITING.polled(self.context.engine, owner=owner, **limits)
        ours = {registry_id for registry_id, is_ours in rows if is_ours}
        # A gateway is told of everything that was asked for at it; what another one carries out it cannot hasten.
        if rows and not ours and not self.running:
            self._aside_until = time.monotonic() + ASIDE
        return ours

    def close(self) -> None:
        """Let what is being sent come to its outcome, and stop."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, registry_id: int) -> None:
        try:
            tries = work(self.context, registry_id)
        except DatabaseError as error:
            log.warning("operations wait for the database", error=str(error))
            time.sleep(1.0)
        except Exception:
            log.exception("operations broke", registry=registry_id)
            time.sleep(1.0)
        else:
            if tries:
                self.on_end()
