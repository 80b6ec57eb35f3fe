"""What a run of a synchronisation works with: what all runs share, and the state of one while it lasts."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Engine, Row, update

from adapters import (
    Adapter,
    Mark,
    Page,
    TransientError,
)
from federation import spans, tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.origin import Origin
from federation.catalogue.rekeying import Succeeds
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.hooks import mentions
from federation.leases import Lease, Leases
from federation.operations.reader import current
from federation.poison import InHand, SetAsideError
from federation.policies import bypasses
from federation.registries.calls import StoppedError
from federation.registries.configured import lock
from federation.registries.connections import Connections, OpenAdapter
from federation.registries.opening import rules_of
from federation.sync import absence
from federation.sync.met import Met, forget

T = TypeVar("T")
SYNC = "sync"
"""The lease of whoever synchronises a registry."""
THROTTLED = 429
"""The status with which a backend asks for fewer requests."""
TRIES = 3
"""How often a call is made that fails in a way that may pass."""
ERRORS_KEPT = 20
PATIENCE = 20.0
"""Longest wait, in seconds, inside a run for a backend that asks to be called later."""


@dataclass(slots=True)
class SyncContext:
    """What every run needs."""

    engine: Engine
    connections: Connections
    leases: Leases
    wrote: Callable[[], None] = lambda: None
    """Called after every commit that has news for followers."""
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = lambda: False
    at_work: set[int] = field(default_factory=set)
    """Registries of which a run is under way in this worker."""
    in_hand: InHand = field(default_factory=InHand)


@dataclass(slots=True)
class CurrentRun:
    """The state of one run while it lasts."""

    context: SyncContext
    registry: Row[Any]
    sync_id: int
    lease: Lease
    full: bool
    since: str | None
    mark: Mark | None
    """Behind which page the scan goes on."""
    begun: datetime
    connection: OpenAdapter
    is_resumed: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The models of the page at hand that have a new key: former native id to present one."""
    met: Met = field(default_factory=Met)
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    """What the backend itself gives as it was once: said, and nothing is read again for it."""
    left_out: bool = False
    """Something was not taken in that the next incremental run may take in."""
    has_unread: bool = False
    """Something of a record was not read in this run."""
    position: int = 0
    known: int = 0
    """The newest change when its scan began."""
    asked: int = 0
    """Records asked for because their listing was doubted."""
    is_open: bool = False
    """Something could not be found out, so the run proves less than it should: it counts for nothing."""

    @property
    def may_be_unread(self) -> bool:
        """Whether records may be known in part, also since an earlier run that did not end well."""
        return bool(self.has_unread or self.registry.unread or self.registry.failures or self.is_resumed)

    @contextmanager
    def holding(self, what: str) -> Iterator[None]:
        """Do a part of the run of which the worker may die. Errors: `SetAsideError` where it did so repeatedly."""
        in_hand, name = self.context.in_hand, self.registry.name
        work = f"{work_of(name)}{what}"
        until = in_hand.left_alone_until(work)
        if until is not None:
            raise SetAsideError(
                f"{name}: the worker died {in_hand.deaths(work)} times at this ({what}): it is left alone until "
                f"{until:%Y-%m-%d %H:%M} UTC, and no run passes it; `waypost sync {name} --full` asks again at once"
            )
        with in_hand.holding(work):
            yield

    def leave_open(self, reason: str) -> None:
        """End as partial, without moving the watermark or the times of the last runs."""
        self.is_open = True
        self.errors.insert(0, f"{self.registry.name}: {reason}")

    @property
    def adapter(self) -> Adapter:
        """What speaks to the backend."""
        return self.connection.adapter

    def call(self, what: str, function: Callable[[], T]) -> T:
        """Call the adapter with a deadline, again where that may help. Errors: `AdapterError`, `StoppedError`."""
        return self.patiently(lambda: self.connection.call(what, lambda _: function(), self.context.stopping))

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask again where that may help. Errors: those of asking; `StoppedError`."""
        for attempt in range(TRIES):
            try:
                return ask()
            except TransientError as error:
                self.wait(error, attempt)
        raise AssertionError("unreachable")

    def wait(self, error: TransientError, failures: int) -> None:
        """Wait until what failed may be tried again, after so many failures before.

        Errors: `error`, where that makes too many; `StoppedError`.
        """
        seconds = error.retry_after if error.retry_after is not None else 0.5 * 4**failures
        if failures >= TRIES - 1 or seconds > PATIENCE:
            raise error
        self.context.sleep(seconds)
        if self.context.stopping():
            raise StoppedError from None
        self.renew()

    def note(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """Count a request to the backend."""
        self.counts["calls"] += 1
        if status == THROTTLED:
            self.counts["throttled"] += 1

    @property
    def succeeds(self) -> Succeeds | None:
        """How the adapter tells what was renamed; None where its keys do not change with names."""
        return self.adapter.succeeds if type(self.adapter).succeeds is not Adapter.succeeds else None

    def renew(self) -> None:
        """Keep the lease while the backend keeps us waiting."""
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)

    def begin_again(self) -> None:
        """Let the scan begin anew: what earlier pages met proves nothing."""
        self.mark, self.met, self.errors, self.stale, self.is_open = None, Met(), [], [], False
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)
            forget(connection, self.sync_id)
            connection.execute(update(tables.sync).where(tables.sync.c.id == self.sync_id).values(page=None))

    def go_on(self, page: Page) -> None:
        """All of a page is written in the transaction at hand: what it ended counts, and the scan goes on behind it."""
        self.stale += page.stale
        self.met.end(each for each in page.listed if each.of is None or codec.is_native_id(each.of.native_id))
        self.mark = page.mark or self.mark

    @contextmanager
    def chunk(self, *, missed_since: datetime | None = None) -> Iterator[CatalogueWriter]:
        """One fenced transaction: what is written goes in whole, with its journal entries and changes, and where the
        run goes on. What nobody could see since `missed_since`, or was held, may have happened before that.
        """
        mark = self.mark
        with (
            spans.span("chunk", registry=self.registry.name) as span,
            writing(self.context.engine) as connection,
        ):
            self.lease.hold(connection)
            lock(connection, self.registry.id)  # no outcome of an operation is written meanwhile
            origin = self.origin()
            if missed_since is not None:
                after, full = absence.looked_before(connection, self.registry.id, missed_since)
                origin = replace(origin, after=after, full=full)
            writer = CatalogueWriter(connection, origin, succeeds=self.succeeds)
            yield writer
            span.note(records=sum(map(len, writer.seen.values())))
            self.met.add(writer.seen)
            self.counts.update(writer.counts)
            self.keep(writer, is_page=self.mark != mark)
            bypasses.note(connection, self.registry.id, writer.batch)
            if writer.batch.entries or writer.batch.changes:
                self.position = writer.batch.append(connection)
        self.context.wrote()

    def keep(self, writer: CatalogueWriter, *, is_page: bool) -> None:
        """Keep, with what is being written, how far the run has come; `is_page`: it ends a page with a mark."""
        if is_page:
            self.met.save(writer.connection, self.sync_id)
        writer.connection.execute(
            update(tables.sync)
            .where(tables.sync.c.id == self.sync_id)
            .values(page=self.mark, counts=dict(self.counts), errors=self.errors[:ERRORS_KEPT])
        )

    def current(
        self, writer: CatalogueWriter, records: Sequence[Encoded[Any]], known: int
    ) -> list[Encoded[Any]]:
        """Those of the records, fetched when `known` was the newest change, or later, that nobody has read since."""
        newer = mentions.read_after(writer.connection, self.registry.id, known)
        return current(writer, records, known, newer)

    def origin(self) -> Origin:
        """What this run's observations say about time."""
        return Origin(
            registry_id=self.registry.id,
            registry=self.registry.name,
            rules=rules_of(self.registry, self.context.connections.adapters),
            after=self.registry.last_success_at,
            by=now(),
            full=self.registry.last_full_at,
            full_scan_only=self.adapter.full_scan_only,
            importing=self.registry.last_success_at is None,
            reading=self.adapter.reading,
        )


def work_of(name: str) -> str:
    """What the parts of a registry's run are called among what the worker has in hand."""
    return f"sync of {name}: "
