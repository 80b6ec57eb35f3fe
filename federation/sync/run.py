"""One run of the synchronisation of one registry: from the queued row to `ok`, `partial` or `failed`.

Fetching, checking and digesting happen with no transaction open. Each chunk is one transaction that also saves the
mark of its page, where it has one. A run that is cut off goes on behind the last mark, or begins again where there is
none: that costs reads, and nothing is lost or doubled.
"""

from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from adapters import (
    AdapterError,
    Listing,
    Mark,
    Page,
)
from federation import spans, tables
from federation.catalogue import unread
from federation.catalogue.writer import TABLES, CatalogueWriter
from federation.changes import newest
from federation.database import DatabaseError, now, reading, writing
from federation.journal.entry import Action, Entry
from federation.leases import FencedError
from federation.logs import Log
from federation.poison import SetAsideError
from federation.registries import backend
from federation.registries.calls import StoppedError
from federation.registries.configured import RegistryError
from federation.registries.connections import ReplacedError
from federation.sync import absence
from federation.sync.context import SYNC, CurrentRun, SyncContext, work_of
from federation.sync.intake import set_aside, sort_out, take
from federation.sync.met import Met
from federation.sync.outcome import fail, finish
from federation.sync.pages import Pages

log = Log(__name__)


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
            this = CurrentRun(context, registry, sync_id, lease, full, since, mark, started, connection)
            with spans.span("sync", registry=registry.name, full=full) as span:
                state = _carry_out(this, row)
                span.note(state=state or "left")
                return state
    except RegistryError as error:
        return fail(context, registry, sync_id, lease, str(error))
    finally:
        context.at_work.discard(registry.id)


def _carry_out(this: CurrentRun, row: Row[Any]) -> str | None:
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


def is_full_due(registry: Row[Any], at: datetime) -> bool:
    """Whether to list everything: when it never was, when it is cheap (a tenth of the interval), at
    `full_every`, or when the clock was set back since.
    """
    if registry.watermark is None or registry.last_full_at is None or registry.last_full_at > at:
        return True
    cheap = registry.full_seconds is not None and registry.full_seconds <= 0.1 * registry.sync_every
    return cheap or bool(at - registry.last_full_at >= timedelta(seconds=registry.full_every))


def _identify(this: CurrentRun) -> None:
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
        **backend.told(info),
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


def _scan(this: CurrentRun) -> str | None:
    """Read every page into the catalogue, then settle what was absent. Returns the new watermark, if there is one."""
    if this.is_resumed:
        _recollect(this)
    with reading(this.context.engine) as connection:
        known = this.known = newest(connection)  # once: an adapter reads ahead
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


def _recollect(this: CurrentRun) -> None:
    """Take over what the run had met before it was cut off; where that is not known, it begins again."""
    with reading(this.context.engine) as connection:
        met = Met.load(connection, this.sync_id)
        this.left_out = bool(this.errors or unread.waiting(connection, this.registry.id))
    if met is None or this.mark is None:
        this.begin_again()
    else:
        this.met = met


def _settle_absent(this: CurrentRun) -> None:
    """Tombstone what is proved gone; hold it when it is suspiciously much."""
    registry = this.registry
    with reading(this.context.engine) as connection:
        missing = absence.candidates(connection, registry.id, this.met.listed, this.met.seen)
        waiting = absence.waiting(connection, registry.id)
        known = absence.known_counts(connection, registry.id) if missing else {}
    if not missing and not registry.held:
        return
    confirmed = {target for target, row in waiting.items() if row.confirmed}
    held, checked = absence.set_apart(missing, confirmed, known)
    gone, there, unproved = absence.prove(
        checked, lambda key: this.call("get", lambda: this.adapter.get(key))
    )
    this.errors += sorted(unproved)
    overdue = [candidate for candidate in gone if (candidate.kind, candidate.id) in waiting]
    if overdue:
        since = min(waiting[candidate.kind, candidate.id].since for candidate in overdue)
        with this.chunk(missed_since=since) as writer:
            _bury(writer, overdue)
    encoded, bad, _ = sort_out(Page(tuple(there)), this.context.stopping)
    with this.chunk() as writer:
        writer.write(encoded)
        set_aside(this, writer, bad, [])
        _bury(writer, gone)
        if held or registry.held:
            _hold(this, writer, held)


def _bury(writer: CatalogueWriter, gone: list[absence.Candidate]) -> None:
    """Tombstone these, once: what is buried stays as it is."""
    for kind in TABLES:
        writer.delete(kind, [candidate.id for candidate in gone if candidate.kind == kind])


def _hold(this: CurrentRun, writer: CatalogueWriter, held: list[absence.Candidate]) -> None:
    registry = this.registry
    new = absence.store_held(writer.connection, registry.id, held)
    if held:
        this.errors.append(
            f"{absence.counted(held)} are missing at once and were kept: if they are really gone, "
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
