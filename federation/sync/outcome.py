"""How a run of the synchronisation ends: with what it found, or with what stopped it."""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from federation import tables
from federation.changes import Change, newest
from federation.database import now, writing
from federation.hooks import mentions
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.leases import FencedError, Lease
from federation.registries.configured import lock
from federation.sync import absence, quarantine
from federation.sync.context import ERRORS_KEPT, CurrentRun, SyncContext
from federation.sync.met import forget

NEWS = ("created", "changed", "deleted", "quarantined", "reread")
"""What a run counts that is worth an entry."""


def finish(this: CurrentRun, watermark: str | None) -> str:
    """Write the outcome. Who waits for the run waits for the followers, too: see `position`."""
    context, registry = this.context, this.registry
    ended = now()
    with writing(context.engine) as connection:
        this.lease.hold(connection)
        unread = _unread(connection, registry.id) if this.left_out or this.may_be_unread else {}
        errors = list(dict.fromkeys([*this.errors, *this.stale, *_in_part(unread)]))
        state = "partial" if errors else "ok"
        counts = absence.known_counts(connection, registry.id)
        values: dict[str, Any] = {
            "last_error": errors[0] if errors else None,
            "failures": 0,
            "partial": bool(errors),
            "unread": sum(unread.values()),
            **{f"{kind}s": count for kind, count in counts.items()},
        }
        if not this.is_open:
            values |= _moved(this, watermark, ended)
            if this.full:
                quarantine.release_unmet(connection, registry, this.begun)
        forget(connection, this.sync_id)
        _count_missed(this, connection)
        connection.execute(
            update(tables.registry).where(tables.registry.c.id == registry.id).values(**values)
        )
        connection.execute(
            update(tables.sync)
            .where(tables.sync.c.id == this.sync_id)
            .values(
                state=state,
                page=None,
                finished_at=ended,
                counts=dict(this.counts),
                errors=errors[:ERRORS_KEPT],
                # Not only what it wrote itself: what it found known may be on its way to the followers.
                position=max(this.position, newest(connection)) or None,
            )
        )
        _tell(connection, registry, state, this.counts)
        this.lease.release(connection)
    return state


def _count_missed(this: CurrentRun, connection: Connection) -> None:
    """Where the backend announces changes, what a run finds is what it had not announced, or what was lost."""
    found = sum(this.counts[name] for name in ("created", "changed", "deleted"))
    if mentions.end_of_run(connection, this.registry.id, this.known, found) and found:
        this.counts["missed"] = found


def _moved(this: CurrentRun, watermark: str | None, ended: datetime) -> dict[str, Any]:
    """What a run moves that has found out all that it should."""
    values: dict[str, Any] = {"last_success_at": this.begun}
    # A scan that left something out begins there again next time.
    if not (this.errors or this.left_out) or this.full:
        values["watermark"] = watermark
    if this.full:
        values["last_full_at"] = this.begun
        if not this.is_resumed:
            values["full_seconds"] = (ended - this.begun).total_seconds()
    return values


def fail(
    context: SyncContext,
    registry: Row[Any],
    sync_id: int,
    lease: Lease,
    message: str,
    counts: Counter[str] | None = None,
) -> str | None:
    """A run that could not be finished: what it took in stays, the next one begins anew."""
    line = message if message.startswith(registry.name) else f"{registry.name}: {message}"
    try:
        with writing(context.engine) as connection:
            lease.hold(connection)
            connection.execute(
                update(tables.registry)
                .where(tables.registry.c.id == registry.id)
                .values(last_error=line, failures=registry.failures + 1)
            )
            connection.execute(
                update(tables.sync)
                .where(tables.sync.c.id == sync_id)
                .values(
                    state="failed", errors=[line], counts=dict(counts or {}), page=None, finished_at=now()
                )
            )
            forget(connection, sync_id)
            _tell(connection, registry, "failed", Counter())
            lease.release(connection)
    except FencedError:
        return None
    return "failed"


def _unread(connection: Connection, registry_id: int) -> dict[str, int]:
    """Why living records are known in part, the most frequent reason first, each with how many."""
    found: Counter[str] = Counter()
    for target in tables.RECORDS.values():
        query = select(target.c.unread, func.count()).where(
            target.c.registry_id == registry_id, target.c.unread.is_not(None), target.c.deleted_at.is_(None)
        )
        for why, count in connection.execute(query.group_by(target.c.unread)):
            found[why] += count
    versions = tables.version.c
    details = select(versions.details_unknown, func.count()).where(
        versions.registry_id == registry_id,
        versions.details_unknown.is_not(None),
        versions.unread.is_(None),
        versions.deleted_at.is_(None),
    )
    for why, count in connection.execute(details.group_by(versions.details_unknown)):
        found[why] += count
    return dict(found.most_common())


def tell_unknown(context: SyncContext, registry_id: int) -> None:
    """Count anew what of the living records is unknown, after something was read apart from a run."""
    registries = tables.registry.c
    with writing(context.engine) as connection:
        registry = lock(connection, registry_id)
        unread = _unread(connection, registry_id)
        values: dict[str, Any] = {"unread": sum(unread.values())}
        is_news = bool(unread) and not registry.partial and not registry.failures
        if is_news:
            values |= {"partial": True, "last_error": _in_part(unread)[0]}
        if registry.unread == values["unread"] and not is_news:
            return
        connection.execute(update(tables.registry).where(registries.id == registry_id).values(**values))
        if is_news:
            _tell(connection, registry, "partial", Counter())


def _in_part(unread: dict[str, int]) -> list[str]:
    return [f"{_records(count)} known in part: {why}" for why, count in unread.items()]


def _records(count: int) -> str:
    return "1 record is" if count == 1 else f"{count:,} records are"


def _tell(connection: Connection, registry: Row[Any], state: str, counts: Counter[str]) -> None:
    """One entry when a run found something, and one when the registry's state is another than before."""
    batch = Batch()
    news = {name: counts[name] for name in NEWS if counts[name]}
    if news:
        batch.record(Entry(action=Action.SYNC_FINISHED, registry=registry.name, details=news), registry.id)
    before = "failing" if registry.failures else "partial" if registry.partial else "ok"
    if registry.last_success_at is None and not registry.failures:
        before = "never"
    after = {"failed": "failing"}.get(state, state)
    if before != after:
        entry = Entry(
            action=Action.REGISTRY_STATE_CHANGED,
            registry=registry.name,
            before={"state": before},
            after={"state": after},
        )
        batch.record(entry, registry.id)
        batch.change(Change("registry", registry.id, registry.id))
    if batch.entries:
        batch.append(connection)
