"""Prepared queries: one statement for lists of any length, found by index."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql

import federation
from federation import tables
from federation.access import EVERYTHING, View
from federation.database import now, open_engine, reading, writing
from federation.graph import edges, impact, unresolved
from federation.prepared import Prepared, Statement, among, begins, prepare

GROWING = {
    "model", "version", "endpoint", "traffic", "span", "change", "journal", "operation", "event", "graph_edge",
    "graph_node", "graph_address",
}  # fmt: skip
"""Tables that are not read as a whole."""
FEW = {"operation_open"}
"""Indexes of the few rows that are not done with."""
UNRESOLVED = "graph_edge_unresolved"
WHOLE = {
    "federation.graph.edges._OF_REGISTRY",
    "federation.graph.edges._STANDING",
}
"""Of a registry that was forgotten, and of what people declared."""
_change = tables.change.c


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    opened = open_engine(database)
    with writing(opened) as connection:
        rows = [
            {"position": number, "kind": "model", "target_id": number, "registry_id": 1, "time": now()}
            for number in range(1, 41)
        ]
        connection.execute(insert(tables.change), rows)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("wanted", [[], [3], [1, 7, 40, 41], list(range(2000))])
def test_a_list_of_any_length_is_given_to_one_statement(engine: Engine, wanted: list[int]) -> None:
    query = Prepared(select(_change.target_id).where(among(_change.position, "wanted")))
    with reading(engine) as connection:
        found = {target for (target,) in query.bare(connection, wanted=wanted)}
        assert found == {number for number in wanted if 1 <= number <= 40}


def test_texts_are_given_likewise(engine: Engine) -> None:
    query = Prepared(select(_change.position).where(among(_change.kind, "kinds"), _change.position < 3))
    with reading(engine) as connection:
        assert len(query.rows(connection, kinds=["model", 'it\'s "quoted"'])) == 2
        assert not query.rows(connection, kinds=["version"])


def test_changes_say_how_many_rows_they_met_and_times_are_moments(engine: Engine) -> None:
    later = now() + timedelta(days=1)
    moved = Prepared(
        update(tables.change)
        .where(among(_change.position, "wanted"))
        .values(time=bindparam("at", None, type_=_change.time.type))
    )
    read = Prepared(select(_change.position, _change.time).where(_change.time >= bindparam("since", None)))
    with writing(engine) as connection:
        assert moved.run(connection, wanted=[5, 6, 99], at=later) == 2
    with reading(engine) as connection:
        assert [(row.position, row.time) for row in read.rows(connection, since=later)] == [
            (5, later),
            (6, later),
        ]


def test_what_begins_so_is_found_in_this_case_and_as_a_stretch_of_the_index(engine: Engine) -> None:
    refs = ["a/b", "a/b:1", "a/b:10", "A/b:1", "a/bb:1", "a/b@new", "a/b:\u00fc", "a/b;1", "a/b:%", "a/b_:1"]
    columns = tables.journal.c
    with writing(engine) as connection:
        empty = {"time": now(), "action": "x", "actor": "x", "entry": b"", "leaf_hash": b""}
        connection.execute(
            insert(tables.journal), [{"seq": 9_000 + at, "ref": ref, **empty} for at, ref in enumerate(refs)]
        )
    query = select(columns.ref).where(begins(columns.ref, "a/b:")).order_by(columns.seq)
    with reading(engine) as connection:
        assert list(connection.scalars(query)) == ["a/b:1", "a/b:10", "a/b:\u00fc", "a/b:%"]
        assert list(connection.scalars(select(columns.seq).where(begins(columns.ref, "a/b%")))) == []
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        words = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
        steps = str(connection.exec_driver_sql(f"{words} {text}".replace("%", "%%")).all())
    assert "journal_by_ref" in steps
    assert "(ref>? AND ref<?)" in steps if engine.dialect.name == "sqlite" else "~>=~" in steps


def prepared() -> Iterator[tuple[str, Prepared]]:
    """Every prepared query that a module holds, by its name."""
    for found in pkgutil.walk_packages(federation.__path__, "federation."):
        if ".migrations" in found.name:
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            held: list[Any] = list(value.values()) if isinstance(value, dict) else [value]
            yield from ((f"{found.name}.{name}", one) for one in held if isinstance(one, Prepared))


def test_a_number_of_any_size_is_given_to_any_of_them() -> None:
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]  # which says of each value what it is
    narrow = {
        found
        for _, one in prepared()
        for found in re.findall(r"%\((\w+)\)s::INTEGER", prepare(dialect, one.query).text)
    }
    assert narrow == {"details_begun", "details_tries"}  # which stand in a statement, and are 0


def test_positions_after_a_restored_backup_are_found(engine: Engine) -> None:
    far = 1 << 33
    with writing(engine) as connection:
        row = {"position": far, "kind": "model", "target_id": 1, "registry_id": 1, "time": now()}
        connection.execute(insert(tables.change), [row])
    behind = Prepared(
        select(_change.position).where(_change.position > bindparam("at", 0)).limit(bindparam("most", 0))
    )
    with reading(engine) as connection:
        assert behind.bare(connection, at=far - 1, most=5) == [(far,)]
    assert [tuple(row) for row in behind.polled(engine, at=far - 1, most=5)] == [(far,)]


def steps_of(engine: Engine, statement: Statement) -> list[str]:
    """How SQLite carries a statement out."""
    with reading(engine) as connection:
        cursor = connection.connection.cursor()
        values = [statement.values[key] or "[]" for key in statement.order or ()]
        cursor.execute(f"EXPLAIN QUERY PLAN {statement.text}", values)
        return [str(row[3]) for row in cursor.fetchall()]


def test_unresolved_references_are_looked_up_by_what_they_name(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("what PostgreSQL does depends on what it knows of the rows")
    asked = [prepare(engine.dialect, edges._WAITING.query)]
    for view in (EVERYTHING, View(frozenset({1, 2}))):
        asked += [unresolved._naming(engine.dialect, view), impact._any(engine.dialect, view, view)]
    for statement in asked:
        steps = [one for one in steps_of(engine, statement) if "graph_edge" in one]
        assert steps
        assert all(UNRESOLVED in step for step in steps)


def test_none_of_them_reads_a_table_that_grows_as_a_whole(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("what PostgreSQL does depends on what it knows of the rows")
    whole, seen = set(), set()
    for name, one in prepared():
        steps = [step.split() for step in steps_of(engine, prepare(engine.dialect, one.query))]
        seen.add(name)
        if any(step[0] == "SCAN" and step[1] in GROWING and step[-1] not in FEW for step in steps):
            whole.add(name)
    assert whole == WHOLE
    assert len(seen) > 30
