"""Reads of the catalogue that go to a standby: they see what was promised, and nobody notices when it is away."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from federation import changes, standby, tables
from federation.database import DatabaseBusyError, DatabaseError, open_engine, writing
from federation.errors import UnknownError
from federation.standby import Reads, distance, promised
from tests.patience import until
from tests.servers import blank
from tests.servers.postgres import Postgres, postgres_server, standby_of

FOLLOWS = text("SELECT pg_is_in_recovery()")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Postgres, Postgres, str]]:
    """A primary, a server that follows it, and a database of ours."""
    with postgres_server() as primary:
        name = blank.postgresql(primary)
        with standby_of(primary) as follower:
            yield primary, follower, name


@contextmanager
def engines(pair: tuple[Postgres, Postgres, str]) -> Iterator[tuple[Engine, Engine]]:
    primary, follower, name = pair
    both = open_engine(primary.url(name)), open_engine(follower.url(name), follows=True)
    yield both
    for one in both:
        one.dispose()


def change(engine: Engine) -> int:
    """One more change; its position."""
    with writing(engine) as connection:
        connection.execute(tables.head.update().values(position=tables.head.c.position + 1))
        return changes.newest(connection)


def by_transaction(reads: Reads) -> tuple[bool, int]:
    with reads.reading() as connection:
        return bool(connection.execute(FOLLOWS).scalar_one()), changes.newest(connection)


def by_cursor(reads: Reads) -> tuple[bool, int]:
    def ask(cursor: Any) -> tuple[bool, int]:
        [(follows,)] = cursor.execute(FOLLOWS.text).fetchall()
        return bool(follows), changes.newest_of(reads.engine.dialect, cursor)

    return reads.glance(ask)


Way = Callable[[Reads], tuple[bool, int]]
WAYS = [by_transaction, by_cursor]


@contextmanager
def paused(follower: Engine) -> Iterator[None]:
    """It takes in nothing that is new."""
    with follower.connect() as connection:
        connection.execute(text("SELECT pg_wal_replay_pause()"))
    yield
    with follower.connect() as connection:
        connection.execute(text("SELECT pg_wal_replay_resume()"))


@pytest.mark.parametrize("read", WAYS)
def test_a_standby_is_read_while_it_has_what_must_be_seen(
    read: Way, pair: tuple[Postgres, Postgres, str]
) -> None:
    with engines(pair) as (primary, follower):
        served = change(primary)
        reads = Reads(primary, follower, lambda: served)
        until(lambda: read(reads) == (True, served), "the standby has come so far")
        with paused(follower):
            before, served = served, change(primary)
            assert read(reads) == (False, served), "index and graph of this process tell of it"
            served = before
            assert read(reads) == (True, before)
        until(lambda: not distance(primary, follower), "it takes in the rest")
        assert read(reads) == (True, before + 1)


@pytest.mark.parametrize("read", WAYS)
def test_whoever_sends_a_position_sees_what_it_stands_for(
    read: Way, pair: tuple[Postgres, Postgres, str]
) -> None:
    with engines(pair) as (primary, follower):
        reads = Reads(primary, follower)
        with paused(follower):
            position = change(primary)
            assert read(reads)[0]
            token = promised.set(position)
            try:
                assert read(reads) == (False, position)
                assert distance(primary, follower) >= 1
            finally:
                promised.reset(token)
            assert read(reads)[0]


@pytest.mark.parametrize("read", WAYS)
def test_a_standby_that_is_away_or_another_one_fails_no_read(
    read: Way, pair: tuple[Postgres, Postgres, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "AWAY_FOR", math.inf)
    primary, follower, _ = pair
    elsewhere = primary.url(primary.create())
    blank.migrate(elsewhere)
    empty = primary.url(primary.create())
    dead = follower.url("no-such-database")
    for url in (elsewhere, empty, dead):
        with ExitStack() as stack:
            engine, _ = stack.enter_context(engines(pair))
            wrong = open_engine(url)
            stack.callback(wrong.dispose)
            reads = Reads(engine, wrong)
            assert [read(reads)[0] for _ in range(3)] == [False] * 3
            with pytest.raises(Exception, match=r"does not follow|does not exist|cannot be used"):
                distance(engine, wrong)


def test_a_read_that_stands_in_the_way_of_a_standby_is_repeated_elsewhere(
    pair: tuple[Postgres, Postgres, str],
) -> None:
    with engines(pair) as (primary, follower):
        reads = Reads(primary, follower)

        def read() -> None:
            with reads.reading() as connection:
                assert connection.execute(FOLLOWS).scalar_one()
                end(pair[1], connection)
                connection.execute(FOLLOWS)

        with pytest.raises(DatabaseBusyError):
            read()
        assert not by_transaction(reads)[0], "it is asked again later"


def end(server: Postgres, connection: Connection) -> None:
    """Have the server end a connection, as it does with whoever stands in the way."""
    driver: Any = connection.connection.driver_connection
    ended = sql.SQL("SELECT pg_terminate_backend({}, 60000)")
    server.execute(ended.format(sql.Literal(driver.info.backend_pid)))


@pytest.mark.parametrize("read", WAYS)
def test_what_a_read_finds_wrong_is_not_the_fault_of_the_standby(
    read: Way, pair: tuple[Postgres, Postgres, str]
) -> None:
    def refuse(_cursor: Any) -> None:
        raise UnknownError

    with engines(pair) as (primary, follower):
        reads = Reads(primary, follower)
        with pytest.raises(UnknownError):
            reads.glance(refuse)
        with pytest.raises(UnknownError), reads.reading() as connection:
            refuse(connection)
        assert read(reads)[0]


def test_of_several_servers_one_that_follows_is_taken(pair: tuple[Postgres, Postgres, str]) -> None:
    primary, follower, name = pair
    places = ",".join(f"127.0.0.1:{one.server.port}" for one in (primary, follower))
    engine = open_engine(f"postgresql+psycopg://waypost@{places}/{name}", follows=True)
    assert by_transaction(Reads(engine))[0]
    engine.dispose()
    with pytest.raises(DatabaseError):
        open_engine("postgresql+psycopg://h1:abc,h2/name", follows=True)
