"""PostgreSQL that falls silent instead of going away: nobody waits for it without a bound."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import Engine, make_url, text

from federation import postgresql, schema
from federation.database import DatabaseBusyError, DatabaseError, glance, open_engine, reading, writing
from federation.identity.credentials import PREFIX
from federation.identity.directory import CredentialError, Directory
from tests.patience import until
from tests.servers.cable import Cable
from tests.servers.postgres import Postgres


@pytest.fixture
def cable(postgres: Postgres) -> Iterator[Cable]:
    cable = Cable(postgres.server.port)
    yield cable
    cable.close()


@pytest.fixture
def engine(postgres: Postgres, cable: Cable) -> Iterator[Engine]:
    database = postgres.create()
    engine = open_engine(
        make_url(postgres.url(database)).set(port=cable.port).render_as_string(hide_password=False), bound=4.0
    )
    schema.migrate(engine)
    yield engine
    cable.whole.set()
    engine.dispose()
    postgres.drop(database)


def read(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text("SELECT 7")).scalar_one())


def look(engine: Engine) -> int:
    return int(glance(engine, lambda cursor: cursor.execute("SELECT 7").fetchone()[0]))


def write(engine: Engine) -> int:
    with writing(engine) as connection:
        return int(connection.execute(text("SELECT 7")).scalar_one())


def test_every_wait_for_a_silent_server_ends_and_all_is_right_after_its_return(
    engine: Engine, cable: Cable
) -> None:
    held, silent = threading.Event(), threading.Event()

    def in_the_middle() -> int:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
            held.set()
            assert silent.wait(60)
            return int(connection.execute(text("SELECT 7")).scalar_one())

    asks = [read, look, write]
    assert [ask(engine) for ask in asks] == [7, 7, 7]
    with ThreadPoolExecutor(24) as threads:
        middle = threads.submit(in_the_middle)
        assert held.wait(60)
        cable.whole.clear()
        silent.set()
        # More than there are connections: whoever finds none free waits for no other one either.
        asked = [threads.submit(ask, engine) for ask in asks * 7]
        for one in (middle, *asked):
            with pytest.raises(DatabaseBusyError, match="see that it runs"):
                one.result(timeout=60)
        cable.whole.set()

        def well() -> bool:
            with suppress(DatabaseError):
                return [ask(engine) for ask in asks] == [7, 7, 7]
            return False

        until(well, "the database answers again")


def test_whoever_waits_behind_a_look_up_waits_no_longer_than_that(engine: Engine, cable: Cable) -> None:
    directory = Directory(engine)
    secret = f"{PREFIX}{'a' * 43}"
    with pytest.raises((CredentialError, DatabaseError)):
        directory.of_token(secret)
    cable.whole.clear()
    with ThreadPoolExecutor(12) as threads:
        for asked in [threads.submit(directory.look) for _ in range(12)]:
            with pytest.raises(DatabaseBusyError):
                asked.result(timeout=60)


def test_a_server_that_is_slow_is_waited_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "SUSPECT", 0.1)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 7 FROM pg_sleep(0.5)")).scalar_one() == 7
    with pytest.raises(DatabaseBusyError), reading(engine, bound=0.2) as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    assert read(engine) == 7
