"""PostgreSQL that falls silent instead of going away: every wait for it has a bound, kept by the one who waits.

No setting of libpq or of the server ends the wait for a server that stands still or for a link that drops what is
sent. So a connection of ours looks at the clock while it waits. After a second it has the `Watch` ask the server on a
connection of its own: is there no answer either, every wait of this process ends at once, and nobody begins another
one until the server answers again. A server that is only slow is waited for, up to the connection's `bound`.
"""

import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import psycopg

from federation.logs import Log

log = Log(__name__)
CONNECT_WITHIN = 2
"""Seconds for each host of the address; libpq takes no less."""
ASKED_WITHIN = 1.0
"""Seconds within which a server answers that is asked whether it does."""
SUSPECT = 1.0
"""Seconds of waiting after which the server is asked."""
ASK_EVERY = 0.2
KEEPALIVE = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 5000}
"""What has the kernel notice a dead link, in seconds and milliseconds."""


class SilentError(psycopg.OperationalError):
    """The server did not answer in time."""


class Watch:
    """Whether a server answers, as far as this process knows. `connect` makes a connection of its own to it."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self.silent = False
        self._answered: tuple[float, str] = (-math.inf, "")
        self._connect = connect
        self._lock = threading.Lock()
        self._asking = False

    def is_elsewhere(self, place: str, since: float) -> bool:
        """Whether since then another server has answered than the one at `place`."""
        at, answered = self._answered
        return at > since and answered != place

    def suspect(self) -> None:
        """Somebody waits longer than usual: ask, in a thread, until there is an answer."""
        with self._lock:
            if self._asking:
                return
            thread = threading.Thread(target=self._ask, name="postgresql-watch", daemon=True)
            thread.start()
            self._asking = True

    def _ask(self) -> None:
        while True:
            silent = not self._answers()
            if silent != self.silent:
                self.silent = silent
                said = log.warning if silent else log.info
                said("the database has fallen silent" if silent else "the database answers again")
            if not silent:
                with self._lock:
                    self._asking = False
                return
            time.sleep(ASK_EVERY)

    def _answers(self) -> bool:
        """Whatever comes back is an answer, a refusal too; only silence is none."""
        try:
            connection = self._connect()
        except (SilentError, psycopg.errors.ConnectionTimeout):
            return False
        except Exception:
            return True
        place = _place(connection)
        try:
            connection.execute("SELECT 1")
        except SilentError:
            return False
        except psycopg.Error:
            return True
        finally:
            connection.close()
        self._answered = time.monotonic(), place
        return True


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that waits no longer than `bound` seconds for one answer, and not at all while `watch` says that
    the server is silent."""

    watch: Watch | None = None
    bound: float = math.inf
    place: str = ""
    pooled: bool = False
    """Whether a pooler stands in between, which gives each transaction another connection to the server."""
    was_silent: bool = False
    replayed: int = -1
    """Of a connection to a standby: the newest change that was seen there."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's. Errors: `SilentError`, after which the connection is closed."""
        try:
            return super().wait(_watched(gen, self), interval, timeout)
        except SilentError:
            self.was_silent = True
            self.pgconn.finish()
            raise


def _watched(gen: Any, connection: BoundedConnection) -> Generator[Any, Any, Any]:
    """Passes on what psycopg's generator and whoever drives it say, and looks at the clock when nothing has come."""
    begun = suspected = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready:
                at, watch = time.monotonic(), connection.watch
                if at - begun > connection.bound or (watch is not None and watch.silent):
                    raise SilentError(f"the server did not answer within {at - begun:.0f} s")
                if watch is not None and watch.is_elsewhere(connection.place, begun):
                    raise SilentError("another server has taken over")
                if watch is not None and at - suspected > SUSPECT:
                    suspected = at
                    watch.suspect()
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


def connect(watch: Watch | None, bound: float, within: float, *args: Any, **kwargs: Any) -> BoundedConnection:
    """A new connection. `within`: seconds for all servers, finding their addresses included, which libpq does without
    looking at the clock. Errors: `SilentError`, and what psycopg raises.
    """
    if watch is not None and watch.silent:
        raise SilentError("the server does not answer")
    made: Future[BoundedConnection] = Future()

    def run() -> None:
        try:
            made.set_result(BoundedConnection.connect(*args, **kwargs))
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="postgresql-connect", daemon=True).start()
    try:
        connection = made.result(timeout=within)
    except TimeoutError:
        made.add_done_callback(_let_go)
        connection = None
    except psycopg.errors.ConnectionTimeout:
        if watch is not None:
            watch.suspect()
        raise
    if connection is None:
        if watch is not None:
            watch.suspect()
        raise SilentError(f"the server was not reached within {within:g} s")
    connection.watch, connection.bound, connection.place = watch, bound, _place(connection)
    return connection


def _place(connection: psycopg.Connection[Any]) -> str:
    """The server as the URL names it: behind one name may stand several that are all well."""
    return f"{connection.info.host}:{connection.info.port}"


def _let_go(made: "Future[BoundedConnection]") -> None:
    """What nobody waits for any more."""
    if made.exception() is None:
        made.result().close()
