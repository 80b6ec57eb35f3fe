"""Reads that go to a standby, as long as it has all that whoever reads has to see.

A standby follows the server that is written to at a distance. A transaction there sees up to which change it has come,
so it looks at that first; where that is not far enough, or the standby does not answer, the read goes where everything
is. A connection leads to one server, which never goes back: what was seen there once need not be looked at again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, select

from federation import changes, positions
from federation.database import DatabaseBusyError, DatabaseError, glance, is_of_driver, reading
from federation.identity import tables
from federation.logs import Log
from federation.prepared import Statement, cursor_of, prepare

T = TypeVar("T")
AWAY_FOR = 5.0
"""Seconds for which a standby that failed is left alone."""
promised: ContextVar[int] = ContextVar("promised", default=0)
"""The position of a change that whoever asks has seen already."""
log = Log(__name__)


class BehindError(Exception):
    """A standby lacks what has to be seen."""


class StrangeError(DatabaseError):
    """What is called a standby is one of another database."""


def require_same(dialect: Dialect, cursor: Any, known: bytes) -> None:
    """See that a database is the one whose secret is `known`. Errors: `StrangeError`."""
    if secret_of(dialect, cursor) != known:
        raise StrangeError(
            "database.standby does not follow the database of database.url: see where it leads"
        )


def secret_of(dialect: Dialect, cursor: Any) -> bytes:
    """What a database and those that follow it have in common, and no other."""
    [(value,)] = _secret(dialect).bare(cursor, {})
    return bytes(value)


@lru_cache
def _secret(dialect: Dialect) -> Statement:
    secret = tables.secret.c
    return prepare(dialect, select(secret.value).where(secret.name == positions.NAME))


class Reads:
    """Where the catalogue is read: on a standby that has come far enough, else on the server that is written to.

    `served`: the position up to which other reads of this process, those of index and graph, tell everything.
    """

    def __init__(
        self, engine: Engine, standby: Engine | None = None, served: Callable[[], int] = int
    ) -> None:
        self.engine = engine
        self._standby = standby
        self._served = served
        self._away_until = 0.0

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state. Errors: `DatabaseBusyError`, `DatabaseError`."""
        there = None
        try:
            with ExitStack() as held:
                there = self._begun_there(held)
                yield there or held.enter_context(reading(self.engine))
        except DatabaseBusyError as error:
            if there is not None:  # as where it ends a read that is in the way of what it follows
                self._leave(error)
            raise

    def glance(self, ask: Callable[[Any], T]) -> T:
        """As `federation.database.glance`. Errors: `DatabaseBusyError`, `DatabaseError`."""
        if (standby := self._answering()) is not None:
            try:
                return glance(standby, lambda cursor: ask(self._required(standby, cursor)))
            except BehindError:
                pass
            except Exception as error:
                self._leave(error)
        return glance(self.engine, ask)

    def _answering(self) -> Engine | None:
        return None if time.monotonic() < self._away_until else self._standby

    def _begun_there(self, held: ExitStack) -> Connection | None:
        """A transaction on the standby, which ends with `held`; None where it will not do."""
        if (standby := self._answering()) is None:
            return None
        with ExitStack() as begun:
            try:
                connection = begun.enter_context(reading(standby))
                self._required(standby, cursor_of(connection))
            except BehindError:
                return None
            except Exception as error:
                self._leave(error)
                return None
            held.push(begun.pop_all())
        return connection

    def _required(self, standby: Engine, cursor: Any) -> Any:
        """The cursor, if what it reads holds all that has to be seen. Errors: `BehindError`."""
        needed, connection = max(promised.get(), self._served()), cursor.connection
        if connection.replayed < 0:
            require_same(standby.dialect, cursor, self._known)
        if connection.replayed < needed or connection.pooled:  # a pooler may lead elsewhere each time
            connection.replayed = changes.newest_of(standby.dialect, cursor)
            if connection.replayed < needed:
                raise BehindError
        return cursor

    @cached_property
    def _known(self) -> bytes:
        return glance(self.engine, lambda cursor: secret_of(self.engine.dialect, cursor))

    def _leave(self, error: Exception) -> None:
        """Go on without the standby for a while, if it is at fault."""
        if not isinstance(error, DatabaseError) and not is_of_driver(error):
            raise error
        log.warning("the standby of the database is left alone for a while", error=str(error))
        self._away_until = time.monotonic() + AWAY_FOR


def distance(engine: Engine, standby: Engine | None) -> int:
    """By how many changes a standby is behind; 0 where there is none. Errors: `DatabaseError`, and the driver's."""

    if standby is None:
        return 0
    dialect = standby.dialect

    def asked(cursor: Any) -> tuple[bytes, int]:
        return secret_of(engine.dialect, cursor), changes.newest_of(engine.dialect, cursor)

    def asked_there(cursor: Any) -> int:
        require_same(dialect, cursor, known)
        return changes.newest_of(dialect, cursor)

    known, newest = glance(engine, asked)
    return max(0, newest - glance(standby, asked_there))
