"""The servers of a PostgreSQL URL: which of several is written to, and transactions that begin on a connection that
holds, also through a pooler.

SQLAlchemy reads a URL with several servers as a mistake or, without a word, as fewer; libpq's own form of it is read
here and handed to libpq. A transaction's `BEGIN` is a message of its own: until it is answered nothing else has been
sent, so a connection that was cut since its last use, or leads to a server that writes no more, is replaced by another
one and nobody notices. A pooler gives each transaction another connection to the server: what is set for a connection,
or prepared on it, is lost or somebody else's. It is recognised by the number of the server's process, which it invents.
"""

import math
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import Error, OperationalError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from federation.postgresql import ASKED_WITHIN, CONNECT_WITHIN, KEEPALIVE, BoundedConnection, Watch, connect

T = TypeVar("T")
TRUSTED_FOR = 0.5
"""Seconds for which a connection that was used may take as long for its next answer as for any other."""
GRACE = 0.5
"""Seconds for which the answer of a server that ends a statement by itself is waited for."""
IDLE_WITHIN = 60.0
"""Seconds after which a server ends a transaction in which nothing is asked: its process hangs, and others wait."""
GONE = {"tcp_keepalives_idle": "5s", "tcp_keepalives_interval": "2s", "tcp_keepalives_count": "3"}
"""What has the server notice that a machine of ours has gone, so that what it had locked is free after 11 s."""
ALONE = 8772002
"""The number of the lock of transactions that are alone."""
REFUSED = "unsupported startup parameter"
_URL = re.compile(r"([\w+]+://(?:[^:/@]*(?::[^@]*)?@)?)([^/?]*)(.*)", re.DOTALL)
_SERVER = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?")


class AddressError(ValueError):
    """A URL names its servers in a way that would not be understood. One line with the remedy."""


def servers_of(url: str, wanted: str = "read-write") -> tuple[str, dict[str, str]]:
    """A URL without its servers, and those as libpq takes them; as it is, and nothing, where it names fewer than two.
    `wanted`: which of them, in libpq's words, where the URL does not say.

    Errors: `AddressError`.
    """
    found = _URL.fullmatch(url)
    if found is None:
        return url, {}
    head, hosts, tail = found.groups()
    asked = make_url(f"{head}{tail}").query
    more = asked.get("host", ())
    several = [more] if isinstance(more, str) else list(more)
    if hosts and more:
        raise AddressError("database.url names servers in two places: write all of them before the database")
    if ("," in str(more) or len(several) > 1) and any(one.count(":") > 1 for one in several):
        raise AddressError(
            "database.url: write IPv6 servers before the database, as in //[::1]:5432,[::2]:5432/"
        )
    if "," not in hosts:
        return url, {}
    matches = [_SERVER.fullmatch(one) for one in hosts.split(",")]
    places = [(each["six"] or each["name"], each["port"] or "") for each in matches if each is not None]
    if len(places) < len(matches):
        raise AddressError("database.url: write servers as HOST:PORT,HOST:PORT, and IPv6 as [ADDRESS]:PORT")
    attributes = asked.get("target_session_attrs", wanted)
    return f"{head}{tail}", {
        "host": ",".join(host for host, _ in places),
        "port": ",".join(port for _, port in places),
        "target_session_attrs": str(attributes),
    }


def open_servers(
    url: str, bound: float, wanted: str, connections: int, schema: str, lock_timeout: float
) -> tuple[Engine, "Servers"]:
    """An engine over the servers of a URL, with what begins its transactions. `bound`: seconds for one answer;
    `wanted` as in `servers_of`, the others as in `federation.database.Limits`. Errors: `AddressError`.
    """
    plain, several = servers_of(url, wanted)
    pool_size = connections // 2
    engine = create_engine(
        make_url(plain).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=connections - 1 - pool_size,  # one is for the watch
        pool_timeout=2,
    )
    words, given = engine.dialect.create_connect_args(engine.url)
    session = {
        "lock_timeout": _milliseconds(lock_timeout),
        "statement_timeout": _milliseconds(bound),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_WITHIN),
        **({"search_path": f'"{schema}"'} if schema else {}),
    }
    servers = Servers(tuple(words), {**given, **several}, session, bound)

    @event.listens_for(engine, "do_connect")
    def _connect(*_: Any) -> Any:
        return servers.connect()

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _replace(_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if record.info.get("used", math.inf) <= servers.lost:
            raise InvalidatePoolError

    event.listen(engine, "begin", servers.begin)
    return engine, servers


class Servers:
    """Connects to whichever server of a URL is to be written to, and begins transactions there."""

    def __init__(
        self, words: tuple[Any, ...], given: dict[str, Any], session: dict[str, str], bound: float
    ) -> None:
        options = given.pop("options", "")
        self._words = words
        self._given = {
            **given,
            **KEEPALIVE,
            "connect_timeout": CONNECT_WITHIN,
            "fallback_application_name": "waypost",
        }
        self._within = CONNECT_WITHIN * str(given.get("host", "")).count(",") + 3.5
        self._bound = bound
        self._session = session
        set_once = [f"-c {name}={value}" for name, value in {**GONE, **session}.items()]
        self._options = " ".join([options, *set_once]).strip()
        self._pooled = False
        self.lost = -math.inf
        """When a connection was found to hold no more: whatever was used until then is not used again."""
        self.watch = Watch(lambda: self._connected(None, ASKED_WITHIN))

    def connect(self) -> BoundedConnection:
        """A new connection. Errors: psycopg's."""
        connection = self._opened()
        try:
            row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
        except BaseException:
            connection.close()
            raise
        connection.pooled = row is None or row[0] != connection.info.backend_pid
        if connection.pooled:
            connection.prepare_threshold = None
        return connection

    def _opened(self) -> BoundedConnection:
        if not self._pooled:
            try:
                return self._connected(self.watch, self._bound + GRACE, options=self._options)
            except OperationalError as error:
                if REFUSED not in str(error):
                    raise
                self._pooled = True
        return self._connected(self.watch, self._bound + GRACE)

    def _connected(self, watch: Watch | None, bound: float, **more: Any) -> BoundedConnection:
        return connect(watch, bound, self._within, *self._words, autocommit=True, **self._given, **more)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction, on another connection where this one does not hold. Errors: psycopg's.

        Options of the connection, as in `federation.database`: `writes` (False: read one state), `patience`, `bound`,
        `alone`.
        """
        options = connection.get_execution_options()
        for is_last in (False, True):
            driver: Any = connection.connection.driver_connection
            driver.bound = self._patience(connection.info)
            try:
                driver.execute(self._beginning(driver.pooled, **_of_ours(options)), prepare=False)
            except Error:
                is_lost = self._is_lost(driver)
                connection.invalidate()
                if is_last or not is_lost:
                    raise
                continue
            if is_last or not options.get("writes") or not _writes_no_more(driver):
                driver.bound = (options.get("bound") or self._bound) + GRACE
                return
            self.lost = time.monotonic()
            connection.invalidate()

    def glance(self, engine: Engine, ask: Callable[[Any], T]) -> T:
        """What is asked with a cursor, outside of a transaction, and again where the connection did not hold."""
        for is_last in (False, True):
            connection = engine.raw_connection()
            driver: Any = connection.driver_connection
            driver.bound = self._patience(connection.info)
            try:
                if driver.pooled:
                    driver.execute(self._beginning(pooled=True, writes=False), prepare=False)
                return ask(driver.cursor())
            except Error:
                if not self._is_lost(driver):
                    raise
                connection.invalidate()
                if is_last:
                    raise
            finally:
                connection.close()
        raise AssertionError("the second time is the last")

    def _patience(self, info: Any) -> float:
        """One that has rested says soon whether it holds."""
        rested = time.monotonic() - info.get("used", math.inf) > TRUSTED_FOR
        return ASKED_WITHIN if rested else self._bound + GRACE

    def _is_lost(self, driver: BoundedConnection) -> bool:
        if not driver.closed:
            return False
        self.lost = time.monotonic()
        if driver.was_silent:
            self.watch.suspect()
        return True

    def _beginning(
        self,
        pooled: bool,
        *,
        writes: bool | None = None,
        patience: float = 0.0,
        bound: float = 0.0,
        alone: bool = False,
    ) -> str:
        """What begins a transaction, and sets for it alone what is otherwise than usual."""
        chosen = dict(self._session) if pooled else {}
        if patience:
            chosen["lock_timeout"] = _milliseconds(patience)
        if bound:
            chosen |= dict.fromkeys(
                ("statement_timeout", "idle_in_transaction_session_timeout"), _milliseconds(bound)
            )
        head = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if writes is False else "BEGIN"
        lock = [f"SELECT pg_advisory_xact_lock({ALONE})"] if alone else []
        return "; ".join([head, *(f"SET LOCAL {name} = {value}" for name, value in chosen.items()), *lock])


def _of_ours(options: Any) -> dict[str, Any]:
    return {name: options[name] for name in ("writes", "patience", "bound", "alone") if name in options}


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _writes_no_more(driver: BoundedConnection) -> bool:
    """Whether the server has said that it is a standby, or was set to refuse writes."""
    said = driver.info.parameter_status
    return "on" in (said("in_hot_standby"), said("default_transaction_read_only"))
