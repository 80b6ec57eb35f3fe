"""One run of the synchronisation of one registry: from the queued row to `ok`, `partial` or `failed`.

Fetching, checking and digesting happen with no transaction open. Each chunk is one transaction that also saves the
mark of its page, where it has one. A run that is cut off goes on behind the last mark, or begins again where there is
none: that costs reads, and nothing is lost or doubled.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine, Row, select, update

from adapters import (
    Adapter,
    AdapterError,
    Listing,
    Mark,
    Page,
    TransientError,
)
from federation import tables
from federation.catalogue import codec, unread
from federation.catalogue.origin import Origin
from federation.catalogue.rekeying import Succeeds
from federation.catalogue.writer import TABLES, Writer
from federation.changes import newest
from federation.database import DatabaseError, now, reading, writing
from federation.journal.entry import Action, Entry
from federation.leases import FencedError, Lease, Leases
from federation.logs import Log
from federation.poison import InHand, SetAsideError
from federation.registries import backend
from federation.registries.calls import StoppedError
from federation.registries.configured import RegistryError, lock
from federation.registries.connections import Connection, Connections, ReplacedError
from federation.registries.opening import rules_of
from federation.sync import absence
from federation.sync.intake import set_aside, sort_out, take
from federation.sync.met import Met, forget
from federation.sync.outcome import ERRORS_KEPT, fail, finish
from federation.sync.pages import Pages

log = Log(__name__)
T = TypeVar("T")
SYNC = "sync"
"""The lease of whoever synchronises a registry."""
THROTTLED = 429
"""The status with which a backend asks for fewer requests."""
TRIES = 3
"""How often a call is made that fails in a way that may pass."""
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
class Run:
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
    connection: Connection
    is_resumed: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The models of the page at hand that have a new key: former native id to present one."""
    met: Met = field(default_factory=Met)
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    left_out: bool = False
    """Something was not taken in that the next incremental run may take in."""
    has_unread: bool = False
    """Something of a record was not read in this run."""
    position: int = 0
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
        self.mark, self.met, self.errors, self.is_open = None, Met(), [], False
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)
            forget(connection, self.sync_id)
            connection.execute(update(tables.sync).where(tables.sync.c.id == self.sync_id).values(page=None))

    def go_on(self, page: Page) -> None:
        """All of a page is written in the transaction at hand: what it ended counts, and the scan goes on behind it."""
        self.met.end(each for each in page.listed if each.of is None or codec.is_native_id(each.of.native_id))
        self.mark = page.mark or self.mark

    @contextmanager
    def chunk(self, *, missed_since: datetime | None = None) -> Iterator[Writer]:
        """One fenced transaction: what is written goes in whole, with its journal entries and changes, and where the
        run goes on. What nobody could see since `missed_since`, or was held, may have happened before that.
        """
        mark = self.mark
        with writing(self.context.engine) as connection:
            self.lease.hold(connection)
            lock(connection, self.registry.id)  # no outcome of an operation is written meanwhile
            origin = self.origin()
            if missed_since is not None:
                after, full = absence.looked_before(connection, self.registry.id, missed_since)
                origin = replace(origin, after=after, full=full)
            writer = Writer(connection, origin, succeeds=self.succeeds)
            yield writer
            self.met.add(writer.seen)
            self.counts.update(writer.counts)
            if self.mark != mark:
                self.met.save(connection, self.sync_id)
            connection.execute(
                update(tables.sync)
                .where(tables.sync.c.id == self.sync_id)
                .values(page=self.mark, counts=dict(self.counts), errors=self.errors[:ERRORS_KEPT])
            )
            if writer.batch.entries or writer.batch.changes:
                self.position = writer.batch.append(connection).position
        self.context.wrote()

    def origin(self) -> Origin:
        """What this run's observations say about time."""
        return Origin(
            registry_id=self.registry.id,
            registry=self.registry.name,
            rules=rules_of(self.registry, self.context.connections.adapters),
            after=self.registry.last_success_at,
            by=now(),
            full=self.registry.last_full_at,
            quiet=self.adapter.quiet,
            importing=self.registry.last_success_at is None,
            reading=self.adapter.reading,
        )


def run(context: SyncContext, sync_id: int) -> str | None:
    """Carry out a queued or cut-off run. Returns its final state, or None when another worker has it, or had it."""
    begun, runs = now(), tables.sync.c
    with writing(context.engine) as connection:
        registry_id = connection.execute(select(runs.registry_id).where(runs.id == sync_id)).scalar_one()
        lease = context.leases.take(connection, SYNC, registry_id)
        if lease is None:
            return None
        # Only now: whoever had the lease until a moment ago may have ended this run.
        row = connection.execute(select(tables.sync).where(runs.id == sync_id)).one()
        if row.finished_at is not None:
            lease.release(connection)
            return None
        registry = connection.execute(
            select(tables.registry).where(tables.registry.c.id == registry_id)
        ).one()
        resumed = row.state == "running"
        full = row.full if resumed else row.asked_full or is_full_due(registry, begun)
        since = row.since if resumed else None if full else registry.watermark
        started = row.started_at if resumed else begun
        connection.execute(
            update(tables.sync)
            .where(tables.sync.c.id == sync_id)
            .values(state="running", full=full, since=since, epoch=lease.epoch, started_at=started)
        )
        connection.execute(
            update(tables.registry)
            .where(tables.registry.c.id == registry.id)
            .values(last_attempt_at=begun, requested_at=None)
        )
    context.at_work.add(registry.id)
    try:
        with context.leases.keeping(lease), context.connections.to(registry) as connection:
            mark = None if row.page is None else Mark(row.page)
            this = Run(context, registry, sync_id, lease, full, since, mark, started, connection)
            return _carry_out(this, row)
    except RegistryError as error:
        return fail(context, registry, sync_id, lease, str(error))
    finally:
        context.at_work.discard(registry.id)


def _carry_out(this: Run, row: Row[Any]) -> str | None:
    """What `run` does, of a run whose row was as `row` before."""
    context, registry, sync_id, lease = this.context, this.registry, this.sync_id, this.lease
    this.is_resumed = row.state == "running"
    this.errors += row.errors
    this.counts.update({"calls": 0, "throttled": 0})  # present from here on: another thread counts them up
    this.counts.update(row.counts)
    if row.asked_full and row.state != "running":
        context.in_hand.forget(work_of(registry.name))
    try:
        with this.holding("probe"):
            this.call("observe", lambda: this.adapter.observe(this.note))
            _identify(this)
        state = finish(this, _scan(this))
        context.in_hand.forget(work_of(registry.name))
        return state
    except FencedError:
        return None
    except StoppedError:
        with writing(context.engine) as connection:
            lease.release(connection)
        return None
    except (AdapterError, SetAsideError) as error:
        this.connection.forget()
        return fail(context, registry, sync_id, lease, str(error), this.counts)
    except DatabaseError:
        raise
    except Exception as error:
        log.exception("a run broke", registry=registry.name)
        message = f"{registry.name}: an error inside Waypost ({type(error).__name__}): its log says more"
        return fail(context, registry, sync_id, lease, message, this.counts)


def work_of(name: str) -> str:
    """What the parts of a registry's run are called among what the worker has in hand."""
    return f"sync of {name}: "


def is_full_due(registry: Row[Any], at: datetime) -> bool:
    """Whether to list everything: when it never was, when it is cheap (a tenth of the interval), at
    `full_every`, or when the clock was set back since.
    """
    if registry.watermark is None or registry.last_full_at is None or registry.last_full_at > at:
        return True
    cheap = registry.full_seconds is not None and registry.full_seconds <= 0.1 * registry.sync_every
    return cheap or bool(at - registry.last_full_at >= timedelta(seconds=registry.full_every))


def _identify(this: Run) -> None:
    """See that it is the same backend that answers: asked at the first run, at every full one, and after a failure."""
    registry = this.registry
    anew = this.full or bool(registry.failures)
    try:
        info = this.patiently(lambda: this.connection.identify(registry, anew=anew))
    except ReplacedError as error:
        with writing(this.context.engine) as connection:
            this.lease.hold(connection)
            backend.offer(connection, registry, str(error.info.identity))
        raise
    found = {
        "identity": registry.identity if info.identity is None else info.identity,
        "offered_identity": None,
        "backend_version": info.version,
        "missing": list(info.missing),
        "unavailable": sorted(capability.value for capability in info.unavailable),
    }
    if any(getattr(registry, name) != value for name, value in found.items()):
        with writing(this.context.engine) as connection:
            this.lease.hold(connection)
            connection.execute(
                update(tables.registry).where(tables.registry.c.id == registry.id).values(**found)
            )


def _scan(this: Run) -> str | None:
    """Read every page into the catalogue, then settle what was absent. Returns the new watermark, if there is one."""
    if this.is_resumed:
        _recollect(this)
    with reading(this.context.engine) as connection:
        known = newest(connection)  # once: an adapter reads ahead
    watermark = None
    with closing(Pages(this)) as pages:
        while watermark is None:
            with this.holding(pages.place):
                page = pages.take()
                if page is None:
                    break
                take(this, page, known)
            watermark = page.watermark
            if watermark is None and this.context.stopping():
                raise StoppedError
    if this.since is None:
        this.met.listed = [Listing("model"), Listing("version"), Listing("endpoint")]
    with this.holding("what is absent"):
        _settle_absent(this)
    return watermark


def _recollect(this: Run) -> None:
    """Take over what the run had met before it was cut off; where that is not known, it begins again."""
    with reading(this.context.engine) as connection:
        met = Met.load(connection, this.sync_id)
        this.left_out = bool(this.errors or unread.waiting(connection, this.registry.id))
    if met is None or this.mark is None:
        this.begin_again()
    else:
        this.met = met


def _settle_absent(this: Run) -> None:
    """Tombstone what is proved gone; hold it when it is suspiciously much."""
    registry = this.registry
    with reading(this.context.engine) as connection:
        missing = absence.candidates(connection, registry.id, this.met.listed, this.met.seen)
        waiting = absence.waiting(connection, registry.id)
        known = absence.known_counts(connection, registry.id) if missing else {}
    if not missing and not registry.held:
        return
    believed = {target for target, row in waiting.items() if row.confirmed}
    unconfirmed = [candidate for candidate in missing if (candidate.kind, candidate.id) not in believed]
    held = unconfirmed if absence.must_hold(unconfirmed, known) else []
    checked = [candidate for candidate in missing if candidate not in held] if held else missing
    gone, there, unproved = absence.prove(
        checked, lambda key: this.call("get", lambda: this.adapter.get(key))
    )
    this.errors += sorted(unproved)
    overdue = [candidate for candidate in gone if (candidate.kind, candidate.id) in waiting]
    if overdue:
        since = min(waiting[candidate.kind, candidate.id].since for candidate in overdue)
        with this.chunk(missed_since=since) as writer:
            _bury(writer, overdue)
    with this.chunk() as writer:
        encoded, bad, _ = sort_out(Page(tuple(there)))
        writer.write(encoded)
        set_aside(this, writer, bad, [])
        _bury(writer, gone)
        if held or registry.held:
            _hold(this, writer, held)


def _bury(writer: Writer, gone: list[absence.Candidate]) -> None:
    """Tombstone these, once: what is buried stays as it is."""
    for kind in TABLES:
        writer.delete(kind, [candidate.id for candidate in gone if candidate.kind == kind])


def _hold(this: Run, writer: Writer, held: list[absence.Candidate]) -> None:
    registry = this.registry
    new = absence.store_held(writer.connection, registry.id, held)
    if held:
        this.errors.append(
            f"{len(held)} records are missing at once and were kept: if they are really gone, "
            f"run `waypost registries confirm {registry.name}`"
        )
    writer.connection.execute(
        update(tables.registry).where(tables.registry.c.id == registry.id).values(held=len(held))
    )
    if new:
        details = {"count": len(held)}
        writer.batch.record(
            Entry(action=Action.DELETES_HELD, registry=registry.name, details=details), registry.id
        )
    elif registry.held and not held:
        entry = Entry(
            action=Action.DELETES_RELEASED, registry=registry.name, details={"count": registry.held}
        )
        writer.batch.record(entry, registry.id)
