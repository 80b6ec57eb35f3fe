"""The database: one engine for SQLite and PostgreSQL alike, its transactions, and the error that says it
cannot be used.

SQLite is the embedded default (WAL, `synchronous=FULL`, one writer at a time by `BEGIN IMMEDIATE`) and is
migrated at start; PostgreSQL is migrated by `waypost migrate`. The system's SQLite may have the WAL-reset bug
(3.7.0 to 3.51.2), so the `pysqlite3` wheel is preferred where it is installed.
"""

import gc
import importlib
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Engine,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from federation.errors import SetupError, UnavailableError

if TYPE_CHECKING:
    from federation.servers import Servers

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SKEW = timedelta(minutes=1)
"""By so much the clocks of two machines may differ. What is said to end later than anything can, and than that, was
written before a clock was set back, and has ended.
"""
PATIENCE = 10.0
"""Seconds a transaction waits for other writers."""
LOCK_LOOK_EVERY = 0.002
ANEW_WITHIN = 2.0
"""Seconds for which a first connection to a SQLite file that was refused waits for those before it to be shut."""
ANSWERED_WITHIN, WORKED_WITHIN, LONG = 4.0, 60.0, 900.0
"""Seconds one statement may take on PostgreSQL: in a process that answers requests, elsewhere, and where it goes over
everything there is."""
DRIVERS = frozenset({"sqlite3", "pysqlite3", "psycopg"})
WAL_BUG = ((3, 7, 0), (3, 51, 2))
"""SQLite releases, first and last, whose WAL reset can corrupt a database."""


UNWRITABLE = ("readonly database", "unable to open database file")
UNREADABLE = ("file is not a database", "disk image is malformed")
FULL = ("disk is full", "disk I/O", "No space left", "could not extend file")
OUTAGES = frozenset({"OperationalError", "IdleInTransactionSessionTimeout"})
"""Errors of drivers that say that the connection is no more, or will not do."""
UNANSWERED = "the database does not answer: see that it runs and has space"
_SERVERS: "WeakKeyDictionary[Engine, Servers]" = WeakKeyDictionary()
"""Of each engine on PostgreSQL, what leads to its servers."""
_REFUSED: "WeakSet[Engine]" = WeakSet()
"""Engines whose last attempt to write found that they may not."""


class DatabaseError(SetupError):
    """The database cannot be used. One line with cause and remedy, which strangers may read; what the driver said is
    its `detail`. No password."""

    code = "database-unavailable"
    retry_after = 2


class DatabaseBusyError(UnavailableError, DatabaseError):
    """The database did not answer in time or cannot be written now; the same call may succeed later."""

    code = "database-unavailable"
    retry_after = 2


class DeadlockError(DatabaseBusyError):
    """Of two transactions that waited for each other the database has ended this one."""


class DiskError(DatabaseBusyError):
    """What is written does not reach the disk: it is full or broken."""


class UTCTime(TypeDecorator[datetime]):
    """A moment, stored as whole microseconds since 1970 in UTC: the same on both databases, and ordered."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


class UnwritableError(DatabaseError):
    """The file of the database, or its folder, cannot be written by this user or on this disk."""


def micros(value: datetime) -> int:
    """Whole microseconds since 1970. Naive times are a programming error."""
    if value.tzinfo is None:
        raise ValueError("a naive datetime reached the database: times are UTC here")
    return (value - EPOCH) // MICROSECOND


def moment(value: int) -> datetime:
    """The time that `micros` gave."""
    return EPOCH + value * MICROSECOND


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def past(moment: datetime, at: datetime) -> datetime:
    """A moment that was written down as past. One that is later than now counts as now: the clock was set back."""
    return min(moment, at)


def sqlite_module() -> ModuleType:
    """The SQLite driver in use: `pysqlite3` where it is installed, else the standard library's."""
    try:
        return importlib.import_module("pysqlite3")
    except ImportError:
        return sqlite3


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process takes of PostgreSQL: how many connections at most, the schema that holds the tables where it is
    not the role's own, and how many seconds a statement waits for another writer.
    """

    connections: int = 16
    schema: str = ""
    lock_timeout: float = 10.0


USUAL = Limits()


def open_engine(
    url: str, limits: Limits = USUAL, *, bound: float = WORKED_WITHIN, follows: bool = False
) -> Engine:
    """An engine for a database URL. `bound`: seconds for which an answer of PostgreSQL is waited for, `limits` what
    this process takes of it; `follows`: of several servers one that only follows is taken, if there is any.

    Errors: `DatabaseError` for a URL that cannot be used.
    """
    kind = url.partition(":")[0].partition("+")[0]
    try:
        if kind == "postgresql":
            return _postgresql_engine(url, limits, bound, "prefer-standby" if follows else "read-write")
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(url, parsed.database)
    except (ArgumentError, ValueError):
        raise DatabaseError(
            "database.url is not a database URL: use sqlite:///FILE or postgresql+psycopg://…"
        ) from None
    except (ImportError, NoSuchModuleError):
        raise DatabaseError(f"{kind} needs its driver: pip install 'waypost[postgres]'") from None
    raise DatabaseError(f"database.url names {kind}: Waypost keeps its data in sqlite or postgresql")


def _postgresql_engine(url: str, limits: Limits, bound: float, wanted: str) -> Engine:
    from federation import servers  # deferred: only where the driver is installed

    try:
        engine, _SERVERS[engine] = servers.open_servers(url, bound, wanted, **asdict(limits))
    except servers.AddressError as error:
        raise DatabaseError(str(error)) from None
    return engine


def require_answers(engine: Engine) -> None:
    """Wait for no database that is known to be silent. Errors: `DatabaseBusyError`."""
    servers = _SERVERS.get(engine)
    if servers is not None and servers.watch.silent:
        raise DatabaseBusyError(UNANSWERED, "it has fallen silent")


def is_embedded(engine: Engine) -> bool:
    """Whether the database is a file of this machine, so that reading a row waits for no other machine or process."""
    return engine.dialect.name == "sqlite"


def _sqlite_engine(url: str, path: str | None) -> Engine:
    if not path or path == ":memory:":
        raise DatabaseError(
            "database.url must name a file, as in sqlite:///waypost.db: several processes share it"
        )
    if not Path(path).parent.is_dir():
        raise DatabaseError(
            f"the folder of the database {path} does not exist: create it or change database.url"
        )
    engine = create_engine(
        url,
        module=sqlite_module(),
        pool_size=8,
        max_overflow=8,
        pool_timeout=2,
        connect_args={"timeout": PATIENCE},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    _renew_where_refused(engine)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("writes", False):
            # On the driver: SQLAlchemy around it takes longer than most reads do.
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")
            return
        _begin_writing(connection, time.monotonic() + options.get("patience", PATIENCE))

    return engine


def _renew_where_refused(engine: Engine) -> None:
    """Have every connection opened anew once one may not write.

    SQLite opens what it may not write for reading, and all connections of a process share the file of its index: as
    long as one of those stays open, every later one is refused as well. So none is opened before all others are shut.
    """
    known: WeakSet[ConnectionPoolEntry] = WeakSet()
    ours = ref(engine)  # statements are kept by dialect, which keeps this: it must not keep the engine

    def held() -> bool:
        return any(record.dbapi_connection is not None for record in list(known))

    @event.listens_for(engine, "do_connect")
    def _wait_for_the_former(_dialect: Any, record: ConnectionPoolEntry, *_: Any) -> None:
        engine = ours()
        assert engine is not None, "it connects"
        record.info["pool"] = engine.pool  # noted first: it may be disposed of while this waits
        known.add(record)
        if engine in _REFUSED:
            gc.collect()  # a cursor in a cycle of what failed keeps its connection open
            until = time.monotonic() + ANEW_WITHIN
            while held() and engine in _REFUSED and time.monotonic() < until:
                time.sleep(LOCK_LOOK_EVERY)
            _REFUSED.discard(engine)

    @event.listens_for(engine, "checkin")
    def _close_what_is_left(_connection: Any, record: ConnectionPoolEntry) -> None:
        engine = ours()
        if engine is None or record.info.get("pool") is not engine.pool:  # disposed of while this was in use
            record.invalidate()


def _begin_writing(connection: Connection, until: float) -> None:
    """Become SQLite's only writer. Its own way of waiting sleeps ever longer, so that a busy writer starves others."""
    # On the driver: SQLAlchemy around these three costs more than an append does.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite_module().OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(LOCK_LOOK_EVERY)
    finally:
        driver.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")


@contextmanager
def writing(
    engine: Engine, *, patience: float = PATIENCE, bound: float = 0.0, alone: bool = False
) -> Iterator[Connection]:
    """A transaction that writes: all of it or nothing. `patience` is how many seconds it waits for other writers;
    `alone`: no other gateway is in such a one meanwhile, so that what it finds absent stays so.

    `bound`: as in `reading`. Errors: `DatabaseBusyError`, `DatabaseError`.
    """
    chosen = {} if patience == PATIENCE else {"patience": patience}
    options = {"writes": True, "bound": bound, "alone": alone, **chosen}
    require_answers(engine)
    try:
        with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except UnwritableError as error:
        _let_go(error)
        _REFUSED.add(engine)
        engine.dispose()
        raise


def _let_go(error: BaseException) -> None:
    """What failed keeps its cursor, and that the file, as long as its frames live: others may try again before that."""
    told: list[BaseException | None] = [error.__context__]
    while told:
        if (one := told.pop()) is not None:
            traceback.clear_frames(one.__traceback__)
            told += [one.__cause__, one.__context__]
    error.__context__ = None


def require_writable(engine: Engine) -> None:
    """Errors: `DatabaseError` for a database that cannot be written now."""
    with writing(engine):
        pass  # whoever may not write is refused at the begin


@contextmanager
def reading(engine: Engine, *, bound: float = 0.0) -> Iterator[Connection]:
    """A transaction that reads one consistent state. `bound` is how many seconds it waits for one answer of
    PostgreSQL, as `LONG` where that goes over everything; 0: what is usual in this process.

    Errors: `DatabaseBusyError`, `DatabaseError`.
    """
    require_answers(engine)
    options = {"writes": False, "bound": bound}
    with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def glance(engine: Engine, ask: Callable[[Any], T]) -> T:
    """What `ask` reads with a cursor of the driver, without a transaction around it: each of its statements sees one
    state. It is asked again where the connection was cut.

    Nothing converts what goes in and comes out. Errors: `DatabaseBusyError`, `DatabaseError`.
    """
    require_answers(engine)
    servers = _SERVERS.get(engine)
    with translated():
        if servers is not None:
            return servers.glance(engine, ask)
        # Closed in any case: while the cursor of a statement lives that failed because its table is gone (and its error
        # keeps it), pysqlite3 0.6.1 gives no rows and no error for the same statement.
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            return ask(cursor)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of a database that is gone, locked, full or read-only into ours; others pass."""
    try:
        yield
    except PoolTimeoutError:
        raise DatabaseBusyError(UNANSWERED, "every connection to it is in use") from None
    except Exception as error:
        if not is_of_driver(error):
            raise
        origin = error.orig if isinstance(error, DBAPIError) else error
        text = " ".join(str(origin).split())
        if any(mark in text for mark in UNWRITABLE):
            raise UnwritableError(
                "the database cannot be opened for writing: give this user the right to write the file and its "
                "folder, or change database.url",
                text[:160],
            ) from error
        if any(mark in text for mark in UNREADABLE):
            raise DatabaseError(
                "the file of the database is damaged, or no database of SQLite: put a backup into a new one, or change "
                "database.url",
                text[:160],
            ) from error
        if _is_outage(origin, text):
            is_full, is_deadlock = any(mark in text for mark in FULL), "DeadlockDetected" in _names(origin)
            kind = DiskError if is_full else DeadlockError if is_deadlock else DatabaseBusyError
            raise kind(
                "the database cannot be used now: see that it runs and has space", text[:160]
            ) from error
        raise


def is_of_driver(error: BaseException) -> bool:
    """Whether a database said so. Some statements go to the driver itself, so its errors also come without
    SQLAlchemy's around them.
    """
    origin = error.orig if isinstance(error, DBAPIError) else error
    return any(kind.__module__.partition(".")[0] in DRIVERS for kind in type(origin).__mro__)


def _is_outage(error: BaseException | None, text: str) -> bool:
    marks = ("locked", "read-only", *FULL)
    return bool(_names(error) & OUTAGES) or any(mark in text for mark in marks)


def _names(error: BaseException | None) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}
