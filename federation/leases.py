"""Leases: what only one worker at a time may do, under a name, with a fencing epoch.

A lease is a row: what is done, of which registry, by whom and until when. The epoch grows with every new holder, and
whoever writes holds the lease in the transaction that writes. So one that was paused and wakes late writes nothing,
whatever the clocks say. Where machines share a database it is that one's clock which says when a lease has run out: a
machine whose clock is ahead takes nothing from others.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import getnode

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    cast,
    extract,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)

from federation import tables
from federation.bulk import upserting
from federation.database import MICROSECOND, SKEW, UTCTime, now, writing
from federation.prepared import Prepared

LEASE = timedelta(seconds=15)
"""How long a lease lasts without being renewed. Whoever writes under it renews it, and so does the worker while it
waits for a backend."""
FURTHEST = LEASE + SKEW
"""One that ends later than so was taken before the clock was set back."""
RENEW_EVERY = 4.0
BOOT = Path("/proc/sys/kernel/random/boot_id")
Moment = datetime | ColumnElement[Any]
SHARED = "postgresql"
"""The database that several machines may share."""
_TIMES = {"at": timedelta(), "until": LEASE, "furthest": FURTHEST}
_lease = tables.lease.c
_KEY = (_lease.name, _lease.registry_id)


class FencedError(Exception):
    """Another worker has taken this over: stop, nothing was written."""


def owner_of(folder: Path) -> str:
    """What the worker of a folder calls itself: the same after its restart, another for every other folder and machine.

    Neither the host's name nor a file can tell: names repeat, and files are copied with their folder and with the
    image of a machine. A boot of a kernel is one of its kind, and a folder has one place in it. After another boot the
    name is another one, and what was held before has run out meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at = folder.stat()
    try:
        boot = BOOT.read_text(encoding="ascii").strip()
    except OSError:  # no Linux
        boot = f"{getnode():x}"
    return f"{boot}:{at.st_dev:x}:{at.st_ino:x}"


def is_free(owner: str | BindParameter[Any] | None, at: Moment, furthest: Moment) -> ColumnElement[bool]:
    """The condition that nobody has a lease, it has run out, or it is `owner`'s already. `furthest` is the latest
    moment that one can last until."""
    return or_(_lease.owner.is_(None), _lease.owner == owner, _lease.until < at, _lease.until > furthest)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was ours when it was taken. `registry_id` is 0 where it is of the whole gateway."""

    name: str
    registry_id: int
    epoch: int
    clock: Callable[[], datetime] | None = field(default=None, compare=False, repr=False)

    def hold(self, connection: Connection) -> None:
        """Renew it and lock it for this transaction, which it begins. Errors: `FencedError` where it is not ours."""
        is_shared = self.clock is None and connection.dialect.name == SHARED
        given = {} if is_shared else {"ends": (self.clock or now)() + LEASE}
        if _renewed(is_shared).run(connection, **self._mine, **given) != 1:
            of = f" of registry {self.registry_id}" if self.registry_id else ""
            raise FencedError(f"{self.name}{of} went to another worker")

    def release(self, connection: Connection) -> None:
        """Give it back; nothing happens where it is not ours any more."""
        _RELEASED.run(connection, **self._mine)

    @property
    def _mine(self) -> dict[str, Any]:
        return {"called": self.name, "of": self.registry_id, "taken": self.epoch}


@dataclass(slots=True)
class Leases:
    """The leases of one worker. Safe for several threads."""

    owner: str
    clock: Callable[[], datetime] | None = None
    """Instead of the database's, or of this machine's where the database is a file of it."""
    _kept: set[Lease] = field(default_factory=set)
    _renewed: float = field(default_factory=time.monotonic)

    def take(self, connection: Connection, name: str, registry_id: int = 0) -> Lease | None:
        """Take a lease that is free, has run out, or is ours already; None where another worker has it."""
        given = {"name": name, "registry_id": registry_id, "owner": self.owner}
        dialect = connection.dialect.name
        if not (is_shared := self.clock is None and dialect == SHARED):
            at = (self.clock or now)()
            given |= {"until": at + LEASE, "at": at, "furthest": at + FURTHEST}
        epoch = connection.execute(_take(dialect, is_shared), given).scalar_one_or_none()
        return None if epoch is None else Lease(name, registry_id, int(epoch), self.clock)

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        """Have `renew` keep a lease while the block lasts."""
        self._kept.add(lease)
        try:
            yield
        finally:
            self._kept.discard(lease)

    def renew(self, engine: Engine) -> None:
        """Now and then renew what is kept, so that a slow backend loses it to nobody. Errors: `DatabaseError`."""
        kept = list(self._kept)
        if not kept or time.monotonic() - self._renewed < RENEW_EVERY:
            return
        held = [(one.name, one.registry_id, one.epoch) for one in kept]
        # What is locked is being held, and thereby renewed, by whoever writes under it.
        idle = select(*_KEY, _lease.epoch).where(tuple_(*_KEY, _lease.epoch).in_(held))
        ours = tuple_(*_KEY, _lease.epoch).in_(idle.with_for_update(skip_locked=True))
        with writing(engine) as connection:
            until = after(connection.dialect.name, self.clock, LEASE)
            connection.execute(update(tables.lease).where(ours).values(until=until))
        self._renewed = time.monotonic()

    def reclaim(self, engine: Engine) -> None:
        """Give back what an earlier process under our name held when it died."""
        mine = update(tables.lease).where(_lease.owner == self.owner)
        with writing(engine) as connection:
            connection.execute(mine.values(owner=None, until=None))


def after(dialect: str, clock: Callable[[], datetime] | None, span: timedelta) -> Moment:
    """So long from now, by the clock given, else by the database's where machines share it."""
    return _shared(span) if clock is None and dialect == SHARED else (clock or now)() + span


@cache
def _shared(span: timedelta) -> ColumnElement[Any]:
    microseconds = extract("epoch", func.clock_timestamp()) * 1_000_000
    return type_coerce(cast(microseconds, BigInteger) + span // MICROSECOND, UTCTime)


_OURS = update(tables.lease).where(
    _lease.name == bindparam("called", ""),
    _lease.registry_id == bindparam("of", 0),
    _lease.epoch == bindparam("taken", 0),
)
_RELEASED = Prepared(_OURS.values(owner=None, until=None))


@cache
def _renewed(is_shared: bool) -> Prepared:
    until = _shared(LEASE) if is_shared else bindparam("ends", None, type_=UTCTime)
    return Prepared(_OURS.values(until=until))


@cache
def _take(dialect: str, is_shared: bool) -> Any:
    """Makes the row of a lease, or takes it where it is free; returns the epoch, or nothing."""
    at, until, furthest = (
        _shared(span) if is_shared else bindparam(name, type_=UTCTime) for name, span in _TIMES.items()
    )
    columns = ("name", "registry_id", "owner")
    made = upserting(dialect, tables.lease).values(
        epoch=1, until=until, **{name: bindparam(name, type_=_lease[name].type) for name in columns}
    )
    taken = {"owner": made.excluded.owner, "until": made.excluded.until, "epoch": _lease.epoch + 1}
    where = is_free(bindparam("owner"), at, furthest)
    keys = ["name", "registry_id"]
    return made.on_conflict_do_update(index_elements=keys, set_=taken, where=where).returning(_lease.epoch)
