"""PostgreSQL as it is run: several servers, a pooler, a role with few rights, connections that are cut."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from federation import replication, schema
from federation.database import (
    DatabaseBusyError,
    DatabaseError,
    Limits,
    glance,
    is_embedded,
    open_engine,
    reading,
    writing,
)
from federation.servers import servers_of
from tests.patience import PATIENCE, until
from tests.servers import pgbouncer as pooler
from tests.servers.cable import Cable
from tests.servers.postgres import Postgres, postgres_server, standby_of

SEVEN = text("SELECT 7")


def read(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(SEVEN).scalar_one())


def scalar(engine: Engine, query: str) -> object:
    with reading(engine) as connection:
        return connection.execute(text(query)).scalar_one()


def look(engine: Engine) -> int:
    return int(glance(engine, lambda cursor: cursor.execute("SELECT 7").fetchone()[0]))


def write(engine: Engine) -> int:
    with writing(engine) as connection:
        return int(connection.execute(SEVEN).scalar_one())


ASKS = [read, look, write]


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("h1:5432,h2:5433", "h1,h2", "5432,5433"),
        ("h1,h2:5433", "h1,h2", ",5433"),
        ("[::1]:5432,h2:5433,[fd00::5]", "::1,h2,fd00::5", "5432,5433,"),
    ],
)
@pytest.mark.parametrize("user", ["", "waypost@", "waypost:p,w/x%40@"])
def test_several_servers_are_read_as_libpq_reads_them(hosts: str, host: str, port: str, user: str) -> None:
    plain, several = servers_of(f"postgresql+psycopg://{user}{hosts}/name?application_name=x")
    assert plain == f"postgresql+psycopg://{user}/name?application_name=x"
    assert several == {"host": host, "port": port, "target_session_attrs": "read-write"}
    chosen = servers_of(f"postgresql+psycopg://{user}{hosts}/name?target_session_attrs=primary")[1]
    assert chosen["target_session_attrs"] == "primary"
    one = f"postgresql+psycopg://{user}{hosts.partition(',')[0]}/name"
    assert servers_of(one) == (one, {})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://h1:5432/name?host=h2:5432",
        "postgresql+psycopg://h1:5432,h2:5432/name?host=h3",
        "postgresql+psycopg:///name?host=::1,h2",
        "postgresql+psycopg:///name?host=fd00::5&host=h2",
        "postgresql+psycopg://::1,h2:5432/name",
        "postgresql+psycopg://h1:5432,,h2:5432/name",
        "postgresql+psycopg://h1:abc/name",
        "postgresql+psycopg://h1:abc,h2/name",
    ],
)
def test_servers_that_would_be_misread_are_refused(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"database\.url"):
        open_engine(url)


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    database = postgres.create()
    engine = open_engine(postgres.url(database), Limits(connections=8), bound=4.0)
    yield engine
    engine.dispose()
    postgres.drop(database)


def cut(postgres: Postgres, engine: Engine) -> None:
    """Have the server end every connection of an engine."""
    ended = sql.SQL("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = {}")
    postgres.execute(ended.format(sql.Literal(engine.url.database)))


@pytest.mark.parametrize("ask", ASKS)
def test_a_connection_that_was_cut_after_its_last_use_fails_nothing(
    ask: Callable[[Engine], int], postgres: Postgres, engine: Engine
) -> None:
    together = threading.Barrier(4)

    def at_once(_: int) -> int:
        with reading(engine) as connection:
            together.wait(60)  # so that each has a connection of its own
            return int(connection.execute(SEVEN).scalar_one())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(at_once, range(4))) == [7] * 4
    cut(postgres, engine)
    assert [ask(engine) for _ in range(5)] == [7] * 5


def test_a_connection_that_was_cut_in_a_transaction_fails_it(postgres: Postgres, engine: Engine) -> None:
    for using in (reading, writing):
        with pytest.raises(DatabaseBusyError), using(engine) as connection:
            connection.execute(SEVEN)
            cut(postgres, engine)
            connection.execute(SEVEN)
        assert read(engine) == 7


def test_the_server_ends_what_takes_too_long_itself(postgres: Postgres) -> None:
    engine = open_engine(postgres.url("postgres"), Limits(lock_timeout=0.2), bound=0.5)
    active = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(61)%' AND pid <> pg_backend_pid()"
    )
    with pytest.raises(DatabaseBusyError, match="cannot be used now"), reading(engine) as connection:
        connection.execute(text("SELECT pg_sleep(61)"))
    with reading(engine, bound=30) as connection:
        until(lambda: connection.execute(active).scalar_one() == 0, "nothing of it goes on")
        connection.execute(text("SELECT pg_sleep(0.7)"))
    with writing(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
        with pytest.raises(DatabaseBusyError), writing(engine) as other:
            other.execute(text("SELECT pg_advisory_xact_lock(7)"))
    engine.dispose()


def test_a_process_takes_no_more_connections_than_it_may(postgres: Postgres, engine: Engine) -> None:
    held, most = threading.Event(), Limits().connections
    count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")

    def hold(_: int) -> int:
        try:
            with reading(engine) as connection:
                connection.execute(SEVEN)
                held.wait(60)
        except DatabaseBusyError:
            return 0
        return 1

    with ThreadPoolExecutor(most) as threads:
        holding = [threads.submit(hold, number) for number in range(most)]
        until(lambda: sum(one.done() for one in holding) == most - 7, "the others are refused")
        held.set()
        assert sum(one.result() for one in holding) == 7
    with reading(engine) as connection:
        assert connection.execute(count).scalar_one() <= 8


@pytest.fixture(scope="module")
def role(postgres: Postgres) -> str:
    """A role that may do nothing."""
    postgres.execute(sql.SQL("CREATE ROLE plain LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"))
    return "plain"


def homed(postgres: Postgres, role: str) -> str:
    """A database in which a role may use a schema of its own, and nothing else."""
    database = postgres.create()
    with psycopg.connect(postgres.address(database), autocommit=True) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("CREATE SCHEMA registry AUTHORIZATION {}").format(sql.Identifier(role)))
    return postgres.url(database).replace("waypost@", f"{role}@")


@pytest.fixture(scope="module")
def plain(postgres: Postgres, role: str) -> str:
    return homed(postgres, role)


def tables_of(engine: Engine) -> set[str]:
    """The schemas that hold tables of ours."""
    query = text("SELECT DISTINCT schemaname FROM pg_tables WHERE tableowner = 'plain'")
    with reading(engine) as connection:
        return set(connection.execute(query).scalars())


def test_a_role_without_rights_works_in_a_schema_of_its_own(postgres: Postgres, role: str) -> None:
    plain = homed(postgres, role)
    engine = open_engine(plain, Limits(schema="registry"))
    assert schema.migrate(engine) == (None, schema.LATEST)
    assert schema.migrate(engine) == (schema.LATEST, schema.LATEST)
    assert tables_of(engine) == {"registry"}
    assert replication.look(engine) is not None
    engine.dispose()
    nowhere = open_engine(plain, Limits(schema="missing"))
    with pytest.raises(DatabaseError, match="CREATE SCHEMA"):
        schema.migrate(nowhere)
    nowhere.dispose()


def test_a_migration_that_the_database_ends_for_another_transaction_begins_again(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create()
    engine, upgrade = open_engine(postgres.url(name)), schema.upgrade
    met: list[str] = []
    theirs, ours = threading.Event(), threading.Event()
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    )

    def meeting(connection: Connection, revision: str) -> None:
        upgrade(connection, revision)
        if not met:
            assert theirs.wait(PATIENCE)
            connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
            ours.set()
            until(lambda: scalar(engine, waiting), "the other one waits")
            met.append("once")
            connection.execute(text("SELECT pg_advisory_xact_lock(2)"))

    def other() -> None:
        with psycopg.connect(postgres.address(name)) as connection:
            connection.execute("SET LOCAL deadlock_timeout = '600s'")  # so it is never the one that is ended
            connection.execute("SELECT pg_advisory_xact_lock(2)")
            theirs.set()
            assert ours.wait(PATIENCE)
            connection.execute("SELECT pg_advisory_xact_lock(1)")

    monkeypatch.setattr(schema, "upgrade", meeting)
    thread = threading.Thread(target=other)
    thread.start()
    assert schema.migrate(engine) == (None, schema.LATEST)
    thread.join()
    assert met == ["once"]
    engine.dispose()
    postgres.drop(name)


@pytest.fixture
def pooled(postgres: Postgres, plain: str) -> Iterator[Callable[..., str]]:
    if pooler.program() is None:
        pytest.skip(pooler.PACKAGE)
    with ExitStack() as stack:

        def through(**options: str) -> str:
            running = stack.enter_context(pooler.pgbouncer(postgres, connections=2, **options))
            return plain.replace(f":{postgres.server.port}/", f":{running.port}/")

        yield through


@pytest.mark.parametrize("options", [{}, {"ignored": "options"}])
def test_through_a_pooler_nobody_gets_what_is_somebody_elses(
    options: dict[str, str], pooled: Callable[..., str]
) -> None:
    url = pooled(**options)
    one, other = (open_engine(url, Limits(schema="registry"), bound=bound) for bound in (20.0, 7.0))
    schema.migrate(one)
    setting = text("SELECT current_setting('statement_timeout'), current_setting('search_path')")

    def ask(number: int) -> bool:
        engine, bound = ((one, "20s"), (other, "7s"))[number % 2]
        with (reading, writing)[number % 3 == 0](engine) as connection:
            found = connection.execute(text(f"SELECT CAST(:given AS int) + {number % 2}"), {"given": number})
            right = found.scalar_one() == number + number % 2
            right &= tuple(connection.execute(setting).one()) == (bound, "registry")
        seen = glance(engine, lambda cursor: cursor.execute("SELECT count(*) FROM registry").fetchone())
        return bool(right and seen == (0,))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(400)))
    with reading(one) as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0
    for engine in (one, other):
        engine.dispose()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Postgres, Postgres]]:
    with postgres_server(unsafe=False) as primary, standby_of(primary) as standby:
        primary.wait_for_standby()
        yield primary, standby


def test_a_standby_that_is_promoted_takes_over_with_all_that_was_acknowledged(
    pair: tuple[Postgres, Postgres],
) -> None:
    primary, standby = pair
    places = ",".join(f"127.0.0.1:{one.server.port}" for one in (standby, primary))
    engine = open_engine(f"postgresql+psycopg://waypost@{places}/postgres", bound=10.0)
    beside = open_engine(standby.url("postgres"), bound=10.0)  # one that leads to a standby alone
    acknowledged: list[int] = []
    stopped = threading.Event()
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE kept (number int)"))
    # What a standby has on its disk counts as kept there; to be seen there it has to be replayed.
    until(lambda: scalar(beside, "SELECT to_regclass('kept') IS NOT NULL"), "the standby has the table")

    def keep() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            try:
                with writing(engine) as connection:
                    connection.execute(text("INSERT INTO kept VALUES (:number)"), {"number": number})
            except DatabaseError:
                continue
            acknowledged.append(number)

    report = until(lambda: replication.look(engine))
    assert report is not None
    assert report.loses_nothing
    assert [one.is_synchronous for one in report.standbys] == [True]
    with pytest.raises(DatabaseBusyError), writing(beside) as connection:
        connection.execute(text("DELETE FROM kept"))
    thread = threading.Thread(target=keep)
    thread.start()
    try:
        until(lambda: len(acknowledged) > 20)
        primary.server.kill()
        standby.promote()
        before = len(acknowledged)
        until(lambda: len(acknowledged) > before + 20, "it is written again")
    finally:
        stopped.set()
        thread.join()
    with reading(engine) as connection:
        kept = set(connection.execute(text("SELECT number FROM kept")).scalars())
    assert set(acknowledged) <= kept
    with writing(beside) as connection:
        connection.execute(text("DELETE FROM kept"))
    report = replication.look(beside)
    assert report is not None
    assert not report.loses_nothing
    for one in (engine, beside):
        assert not is_embedded(one)
        one.dispose()


def test_nobody_waits_for_a_server_from_which_another_has_taken_over(postgres: Postgres) -> None:
    cable = Cable(postgres.server.port)
    places = f"127.0.0.1:{cable.port},127.0.0.1:{postgres.server.port}"
    engine = open_engine(f"postgresql+psycopg://waypost@{places}/postgres", bound=600.0)
    with pytest.raises(DatabaseBusyError), reading(engine) as connection:
        connection.execute(SEVEN)
        cable.whole.clear()
        connection.execute(SEVEN)
    assert read(engine) == 7
    cable.close()
    engine.dispose()
