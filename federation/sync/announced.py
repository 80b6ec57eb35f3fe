"""Reading what a backend has announced, at once and apart from runs: a few records, with `get`.

A notification is a hint: what stands in the catalogue is what the backend then says. It is read beside a run of the
same registry, under a lease of its own. Whichever of the two was read later stays: a run passes over what was read
apart since it began, and here what was written meanwhile is read again. A record that is not there is a proof only
where the notification gave its whole key; else the next run finds out. So does it where something cannot be read.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from adapters import Adapter, AdapterError, BadRecordError, Deleted, Key, NotFoundError, Page, Record
from federation import tables
from federation.catalogue.codec import Encoded
from federation.catalogue.writer import CatalogueWriter
from federation.changes import newest
from federation.database import DatabaseError, UTCTime, now, reading, writing
from federation.hooks import mentions
from federation.hooks.mentions import Mentioned
from federation.hooks.tables import mention
from federation.leases import FencedError
from federation.logs import Log
from federation.poison import SetAsideError
from federation.prepared import Prepared
from federation.registries.calls import StoppedError
from federation.registries.configured import RegistryError
from federation.sync.context import CurrentRun, SyncContext
from federation.sync.intake import take

log = Log(__name__)
ANNOUNCED = "announced"
"""The lease of whoever reads what a registry has announced."""
FRESH = "fresh"
"""The lease of whoever reads what is decided by at once."""
AT_ONCE = 100
"""Records that are read before the first of them is written."""
A_MINUTE = 1200
"""Records of one registry that are read in a minute because they were announced: a flood of them is spread."""
MINUTE = 60.0
LONGEST_PAUSE = 600.0
_registries = tables.registry.c
_DUE = Prepared(
    select(mention.c.registry_id)
    .join(tables.registry, _registries.id == mention.c.registry_id)
    .where(mention.c.due_at <= bindparam("at", None, type_=UTCTime), _registries.detached_at.is_(None))
    .distinct()
)


@dataclass(slots=True)
class AnnouncedRead(CurrentRun):
    """What was announced, as an intake knows it: like a run, but there is no row of one."""

    taken: set[str] = field(default_factory=set)
    """The native ids of what is being written."""
    moved: set[str] = field(default_factory=set)
    """Of what was written by others while it was read: it is to be read again."""

    def keep(self, writer: CatalogueWriter, *, is_page: bool) -> None:
        """Keep what was read apart from runs, where it was news."""
        if writer.batch.changes:
            mentions.set_apart(writer.connection, self.registry.id, self.taken)

    def current(
        self, writer: CatalogueWriter, records: Sequence[Encoded[Any]], known: int
    ) -> list[Encoded[Any]]:
        """Those that nothing was written of since they were asked for."""
        self.moved |= _written_after(writer.connection, self.registry.id, records, known)
        fresh = [one for one in records if one.record.key.native_id not in self.moved]
        self.taken |= {one.record.key.native_id for one in fresh}
        return fresh


@dataclass(slots=True)
class AnnouncedReader:
    """Reads what is due, in a thread for each registry; `tick` is called again and again by the worker."""

    context: SyncContext
    threads: int = 8
    on_end: Callable[[], None] = lambda: None
    running: dict[int, Future[None]] = field(default_factory=dict)
    """By registry."""
    pool: ThreadPoolExecutor = field(init=False)
    _spent: dict[int, deque[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix=ANNOUNCED)

    def tick(self) -> None:
        """Start what is due. Errors: `DatabaseError`."""
        self.running = {one: future for one, future in self.running.items() if not future.done()}
        waiting = {row.registry_id for row in _DUE.polled(self.context.engine, at=now())}
        for registry_id in sorted(waiting - self.running.keys()):
            if len(self.running) < self.threads and self._allowance(registry_id):
                self.running[registry_id] = self.pool.submit(self._work, registry_id)

    def close(self) -> None:
        """Let what is being read come to its end."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, registry_id: int) -> None:
        try:
            read = read_announced(self.context, registry_id, min(AT_ONCE, self._allowance(registry_id)))
            self._spent[registry_id].extend([time.monotonic()] * read)
        except DatabaseError as error:
            log.warning("what was announced waits for the database", registry=registry_id, error=str(error))
            time.sleep(1.0)
        except Exception:
            log.exception("reading what was announced broke", registry=registry_id)
            time.sleep(1.0)
        else:
            if read:
                self.on_end()

    def _allowance(self, registry_id: int) -> int:
        """How many records may be read now."""
        spent = self._spent.setdefault(registry_id, deque(maxlen=A_MINUTE))
        while spent and time.monotonic() - spent[0] >= MINUTE:
            spent.popleft()
        return A_MINUTE - len(spent)


def read_announced(context: SyncContext, registry_id: int, limit: int) -> int:
    """Read at most so many of the records that are due, and write them. Returns how many were asked for."""
    with writing(context.engine) as connection:
        lease = context.leases.take(connection, ANNOUNCED, registry_id)
        if lease is None:
            return 0
        some = mentions.due(connection, registry_id, now(), limit)
        row = connection.execute(select(tables.registry).where(_registries.id == registry_id)).one()
        if row.last_success_at is None:  # the first run reads everything
            mentions.settle(connection, registry_id, some)
            some = []
        if not some:
            lease.release(connection)
            return 0
    try:
        with context.leases.keeping(lease), context.connections.to(row) as to_backend:
            left = _read(AnnouncedRead(context, row, 0, lease, False, None, None, now(), to_backend), some)
    except (AdapterError, RegistryError, SetAsideError) as error:
        left = _Left(failed={one: str(error) for one in some}, pause=_pause(error))
    except (FencedError, StoppedError):
        return 0
    with writing(context.engine) as connection:
        lease.hold(connection)
        left.keep(connection, row, some)
        lease.release(connection)
    return len(some)


def read_now(context: SyncContext, registry_id: int, keys: Sequence[Key]) -> str | None:
    """Read these records and write them, because something is decided by them. Returns why one of them could not be
    read; None: the catalogue has them as the backend did a moment ago.
    """
    with writing(context.engine) as connection:
        lease = context.leases.take(connection, FRESH, registry_id)
        row = connection.execute(select(tables.registry).where(_registries.id == registry_id)).one()
    if lease is None:
        return "another worker is reading it"
    try:
        with context.leases.keeping(lease), context.connections.to(row) as to_backend:
            this = AnnouncedRead(context, row, 0, lease, False, None, None, now(), to_backend)
            left = _read(this, [Mentioned(key, 0, 0) for key in keys])
    except (AdapterError, RegistryError, SetAsideError) as error:
        return f"{row.name} cannot be read now: {error}"
    except (FencedError, StoppedError):
        return "reading it was interrupted"
    finally:
        with writing(context.engine) as connection:
            lease.release(connection)
    if why := next(iter((*left.failed.values(), *this.errors)), None):
        return why
    return "it was changed while it was being read" if left.unreached or left.moved else None


@dataclass(slots=True)
class _Left:
    """What is to be read again: what failed and why, what was not reached, and what others wrote meanwhile."""

    failed: dict[Mentioned, str] = field(default_factory=dict)
    unreached: Sequence[Mentioned] = ()
    moved: Sequence[Mentioned] = ()
    pause: timedelta | None = None
    """As long as the backend wants it."""

    def keep(self, connection: Connection, registry: Row[Any], some: Sequence[Mentioned]) -> None:
        """Write down of `some` what was read, and what is to be read when."""
        again = {*self.failed, *self.unreached, *self.moved}
        mentions.settle(connection, registry.id, [one for one in some if one not in again])
        mentions.postpone(connection, registry.id, self.unreached, self.pause)
        given_up = mentions.put_off(connection, registry.id, list(self.failed), self.pause)
        for one in self.failed:
            log.warning("what was announced cannot be read", registry=registry.name, error=self.failed[one])
            break  # the others say much the same
        if given_up:
            log.warning(
                "what was announced is left to the next run", registry=registry.name, records=given_up
            )


def _read(this: AnnouncedRead, some: Sequence[Mentioned]) -> _Left:
    """Read and write these."""
    with this.holding("what was announced"):
        this.connection.identify(this.registry)
        with reading(this.context.engine) as connection:
            known = this.known = newest(connection)
        asked = [("get", partial(_get, one.key)) for one in some]
        answers = dict(zip(some, this.connection.call_each(asked, this.context.stopping), strict=False))
        records = {one: answer for one, answer in answers.items() if isinstance(answer, Record)}
        gone = [Deleted(one.key) for one, answer in answers.items() if isinstance(answer, NotFoundError)]
        bad = [answer for answer in answers.values() if isinstance(answer, BadRecordError)]
        take(this, Page((*records.values(), *gone), tuple(bad)), known)
    left = _Left(
        failed={one: str(answer) for one, answer in answers.items() if _has_failed(answer)},
        unreached=some[len(answers) :],
        moved=[one for one, record in records.items() if record.key.native_id in this.moved],
    )
    left.pause = next((pause for answer in answers.values() if (pause := _pause(answer))), None)
    return left


def _get(key: Key, adapter: Adapter) -> Record:
    return adapter.get(key)


def _has_failed(answer: Record | AdapterError) -> bool:
    return isinstance(answer, AdapterError) and not isinstance(answer, NotFoundError | BadRecordError)


def _pause(answer: object) -> timedelta | None:
    """How long the backend wants to be left alone."""
    seconds = getattr(answer, "retry_after", None)
    return None if seconds is None else timedelta(seconds=min(float(seconds), LONGEST_PAUSE))


def _written_after(
    connection: Connection, registry_id: int, records: Sequence[Encoded[Any]], known: int
) -> set[str]:
    """Those of the records, by native id, of which something was written after a change."""
    found: set[str] = set()
    feed = tables.change.c
    for kind, target in tables.RECORDS.items():
        natives = [one.record.key.native_id for one in records if one.record.key.kind == kind]
        if natives:
            query = (
                select(target.c.native_id)
                .join(tables.change, (feed.target_id == target.c.id) & (feed.kind == kind))
                .where(
                    feed.position > known,
                    target.c.registry_id == registry_id,
                    target.c.native_id.in_(natives),
                )
            )
            found.update(connection.execute(query).scalars())
    return found
