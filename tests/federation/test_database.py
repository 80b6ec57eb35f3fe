"""What a database is to everything else: an engine whose connections can all be given up."""

import gc
import threading
import weakref
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from federation import changes
from federation.database import (
    DatabaseError,
    UnwritableError,
    glance,
    open_engine,
    reading,
    sqlite_module,
    writing,
)
from federation.prepared import cursor_of
from tests.servers import blank


def test_a_connection_in_use_when_the_pool_was_disposed_of_is_closed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    connection = engine.connect()
    driver: Any = connection.connection.driver_connection
    engine.dispose()
    connection.close()
    with pytest.raises(Exception, match="closed"):
        driver.execute("SELECT 1")
    engine.dispose()


class Cycle:
    """What a failure may leave: it goes by collection alone, and with it whatever it holds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_refused_attempt_has_left_open_goes_before_the_next(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    gc.disable()
    try:
        with pytest.raises(UnwritableError), writing(engine):
            left = weakref.ref(Cycle())
            raise UnwritableError("this disk takes nothing")
        assert left() is not None
        with writing(engine):
            assert left() is None
    finally:
        gc.enable()
        engine.dispose()


def opened(database: Path) -> int:
    """How often this process has a file open."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that reads this folder
            found += each.readlink() == database
    return found


def test_a_connection_that_waited_while_the_pool_was_disposed_of_is_closed_and_forgotten(
    tmp_path: Path,
) -> None:
    database = tmp_path / "waypost.db"
    engine = open_engine(f"sqlite:///{database}")
    former = engine.connect()
    with pytest.raises(UnwritableError), writing(engine):
        raise UnwritableError("this disk takes nothing")
    waiting = threading.Thread(target=lambda: engine.connect().close())
    waiting.start()
    gc.disable()  # a pool that is given up lies in a cycle
    try:
        engine.dispose()
        former.close()
        waiting.join()
        engine.dispose()
        assert opened(database) == 0
    finally:
        gc.enable()


def test_an_engine_that_nobody_holds_is_closed_though_its_statements_are_kept(tmp_path: Path) -> None:
    engine = open_engine(blank.sqlite(tmp_path / "waypost.db"))
    with reading(engine) as connection:
        changes.newest(connection)  # prepared once for its dialect
    del connection
    left = weakref.ref(engine)
    del engine
    gc.collect()
    assert left() is None
    assert opened(tmp_path / "waypost.db") == 0


@pytest.mark.parametrize("way", ["a glance", "a transaction"])
def test_a_table_that_is_gone_is_told_each_time_and_never_read_as_empty(tmp_path: Path, way: str) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE paper (page INTEGER)")
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO paper VALUES (1)")

    def pages(cursor: Any) -> Any:
        return cursor.execute("SELECT page FROM paper").fetchall()

    def read() -> Any:
        if way == "a glance":
            return glance(engine, pages)
        with reading(engine) as connection:
            return pages(cursor_of(connection))

    assert read() == [(1,)]
    with closing(sqlite_module().connect(tmp_path / "waypost.db")) as other:
        other.execute("ALTER TABLE paper RENAME TO moved")
    failed = []  # as a log or a traceback keeps them: with them lives what failed
    for _ in range(3):
        with pytest.raises(DatabaseError) as seen:
            read()
        failed.append(seen)
    engine.dispose()
