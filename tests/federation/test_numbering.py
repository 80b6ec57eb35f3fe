"""Ids that people see tell when, never how many."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from federation import numbering, schema, tables
from federation.database import micros, open_engine, writing
from federation.graph import tables as graph_tables
from federation.numbering import insert_dated

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
SEEN, HIDDEN = 1, 2
Clock = Callable[[timedelta], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time to so long after noon."""

    def set_to(since: timedelta) -> None:
        monkeypatch.setattr(numbering, "now", lambda: NOON + since)

    set_to(timedelta())
    return set_to


def run(connection: Connection, registry_id: int) -> int:
    """A run of a registry is queued."""
    values: dict[str, Any] = {
        "registry_id": registry_id, "state": "ok", "full": False, "asked_full": False, "epoch": 0, "counts": {},
        "errors": [], "queued_at": NOON,
    }  # fmt: skip
    return int(insert_dated(connection, tables.sync, values, registry_id=registry_id).id)


def declaration(connection: Connection) -> int:
    values = {
        "consumer": "a/b:1", "consumer_registry": "a", "consumer_model": "b", "provider": "a/c:1",
        "kind": "depends_on", "note": "", "said_by": "p", "created_at": NOON, "withdrawn_at": None,
    }  # fmt: skip
    return int(insert_dated(connection, graph_tables.dependency, values).id)


def test_the_id_is_the_moment(database: str, clock: Clock) -> None:
    engine = open_engine(database)
    schema.migrate(engine)
    clock(timedelta(seconds=5))
    with writing(engine) as connection:
        assert run(connection, SEEN) == micros(NOON + timedelta(seconds=5))
    engine.dispose()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=20))
def test_hidden_runs_move_no_visible_id(
    tmp_path_factory: pytest.TempPathFactory, happened: list[tuple[int, bool]]
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path_factory.getbasetemp() / 'numbers.db'}")
    schema.migrate(engine)

    def told(all_of_it: Iterable[tuple[int, bool]]) -> list[int]:
        visible, moment = [], NOON
        with pytest.MonkeyPatch.context() as patch, writing(engine) as connection:
            connection.execute(delete(tables.sync))
            for pause, is_hidden in all_of_it:
                moment += timedelta(microseconds=pause + 1)
                patch.setattr(numbering, "now", lambda moment=moment: moment)
                if is_hidden:
                    run(connection, HIDDEN)
                else:
                    visible.append(run(connection, SEEN))
        return visible

    alone: list[tuple[int, bool]] = []  # the same moments, with nothing hidden at the others
    since = 0
    for pause, is_hidden in happened:
        since += pause + 1
        if not is_hidden:
            alone.append((since - 1, False))
            since = 0
    assert told(happened) == told(alone)
    engine.dispose()


def test_the_ids_of_a_registry_rise_when_the_clock_goes_back(database: str, clock: Clock) -> None:
    engine = open_engine(database)
    schema.migrate(engine)
    ids = []
    for since in (0, 10, -3600, -3599, 86400, 5):
        clock(timedelta(seconds=since))
        with writing(engine) as connection:
            ids.append(run(connection, SEEN))
    assert ids == sorted(set(ids))
    engine.dispose()


def test_what_is_made_in_one_moment_is_told_apart(database: str, clock: Clock) -> None:
    engine = open_engine(database)
    schema.migrate(engine)

    def declare(_: int) -> int:
        with writing(engine) as connection:
            return declaration(connection)

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(declare, range(20)))
    assert len(set(ids)) == 20
    assert min(ids) == micros(NOON)
    engine.dispose()
