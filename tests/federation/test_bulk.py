"""Many rows at once: what is read is what was written, on both databases, however few or many."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    select,
    text,
)
from sqlalchemy import types as sql

from federation import bulk, schema, tables
from federation.database import micros, open_engine, reading, writing

TABLE = Table(
    "bulk_rows",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("words", String),
    Column("body", JSON),
    Column("raw", LargeBinary),
    Column("flag", Boolean),
    Column("number", BigInteger),
    Column("share", sql.Float),
)
COLUMNS = ("words", "body", "raw", "flag", "number", "share")
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
ROWS = st.tuples(
    st.none() | WORDS | st.sampled_from(["{NULL}", 'a"b', "a\\b", "NULL", "a,b", "%s", ""]),
    st.sampled_from(['{"a": [1, "x\\"y"]}', "[]", '"NULL"']),
    st.none() | st.binary(max_size=9),
    st.none() | st.booleans(),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
SEEN = datetime(2026, 5, 3, 12, tzinfo=UTC)
ENDPOINT = ("id", "registry_id", "native_id", "name", "live", "body", "digest", "created_at", "first_seen_at")
HOSTILE = ("", "null", '"]', "[1]", "%", "a'b", "\\", "\x01", "é", "\U0001f600", "NaN", "1")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=bulk.AT_ONCE + 5), changed=st.lists(ROWS, max_size=bulk.FEW + 5))
def test_what_was_written_is_read(database: str, rows: list[Any], changed: list[Any]) -> None:
    engine = open_engine(database)
    TABLE.create(engine, checkfirst=True)
    with writing(engine) as connection:
        connection.execute(TABLE.delete())
        bulk.insert(connection, TABLE, ("id", *COLUMNS), [(i, *row) for i, row in enumerate(rows)])
        bulk.update(connection, TABLE, COLUMNS, [(*row, i) for i, row in enumerate(changed)])
    with reading(engine) as connection:
        body = text("CAST(body AS TEXT)")
        columns = [body if name == "body" else TABLE.c[name] for name in COLUMNS]
        found = [tuple(row) for row in connection.execute(select(*columns).order_by(TABLE.c.id))]
    engine.dispose()
    assert found == [*changed, *rows[len(changed) :]][: len(rows)]


def test_of_two_changes_of_a_row_the_last_counts(database: str) -> None:
    engine = open_engine(database)
    TABLE.create(engine, checkfirst=True)
    with writing(engine) as connection:
        bulk.insert(connection, TABLE, ("id", "words"), [(1, "old"), (2, "old")])
        bulk.update(connection, TABLE, ("words",), [("first", 1), ("second", 1), ("other", 2)])
        found = connection.execute(select(TABLE.c.words).order_by(TABLE.c.id)).scalars().all()
    engine.dispose()
    assert found == ["second", "other"]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """In a transaction on an empty database."""
    engine = open_engine(database)
    schema.migrate(engine)
    with writing(engine) as opened:
        yield opened
    engine.dispose()


def rows(ids: list[int], registry_id: int = 1) -> list[tuple[Any, ...]]:
    """Endpoints, every other one alive and every third without a creation."""
    return [
        (i, registry_id, f"e{i}", f"endpoint {i}", i % 2 == 0, "{}", bytes([i % 256]) * 32,
         None if i % 3 == 0 else micros(SEEN) + i, micros(SEEN))
        for i in ids
    ]  # fmt: skip


def test_ids_go_on_where_the_last_row_was_even_when_it_is_gone(connection: Connection) -> None:
    first = bulk.allocate(connection, tables.endpoint, 3)
    bulk.insert(connection, tables.endpoint, ENDPOINT, rows(first))
    connection.execute(tables.endpoint.delete())
    then = bulk.allocate(connection, tables.endpoint, 2)
    assert min(then) > max(first)
    assert len(set(then)) == 2


def test_rows_are_found_by_native_id_in_their_own_registry(connection: Connection) -> None:
    ids = bulk.allocate(connection, tables.endpoint, 90)
    bulk.insert(connection, tables.endpoint, ENDPOINT, rows(ids[:60]))
    bulk.insert(connection, tables.endpoint, ENDPOINT, rows(ids[60:], registry_id=2))
    asked = [f"e{i}" for i in [*ids[30:], max(ids) + 1]]
    found = bulk.find(connection, tables.endpoint, ("native_id", "id"), 1, asked)
    assert sorted(row[1] for row in found) == ids[30:60]
    assert all(row[0] == f"e{row[1]}" for row in found)
    assert bulk.find(connection, tables.endpoint, ("id",), 3, asked) == []
    assert bulk.find(connection, tables.endpoint, ("id",), 1, []) == []


def test_native_ids_are_found_whatever_they_are_made_of(connection: Connection) -> None:
    ids = bulk.allocate(connection, tables.endpoint, len(HOSTILE))
    named = [(*row[:2], native, *row[3:]) for row, native in zip(rows(ids), HOSTILE, strict=True)]
    bulk.insert(connection, tables.endpoint, ENDPOINT, named)
    for native, i in zip(HOSTILE, ids, strict=True):
        assert [tuple(row) for row in bulk.find(connection, tables.endpoint, ("id",), 1, [native])] == [(i,)]
    everything = bulk.find(connection, tables.endpoint, ("native_id",), 1, HOSTILE)
    assert {row[0] for row in everything} == set(HOSTILE)


def test_rows_are_matched_by_several_keys_together(connection: Connection) -> None:
    ids = bulk.allocate(connection, tables.endpoint, 4 * len(HOSTILE))
    keys = [(registry, native) for registry in (1, 2) for native in HOSTILE]
    named = [(id_, *key, *row[3:]) for id_, key, row in zip(ids, keys, rows(ids), strict=False)]
    bulk.insert(connection, tables.endpoint, ENDPOINT, named)
    columns, by = ("registry_id", "native_id"), ("registry_id", "native_id")
    assert {tuple(row) for row in bulk.match(connection, tables.endpoint, columns, by, keys)} == set(keys)
    crossed = [*keys[::2], (3, HOSTILE[0]), (1, "nobody's"), *((9, str(i)) for i in range(2 * bulk.AT_ONCE))]
    assert {tuple(row) for row in bulk.match(connection, tables.endpoint, columns, by, crossed)} == set(
        keys[::2]
    )
    assert bulk.match(connection, tables.endpoint, columns, by, []) == []


def test_what_fails_in_the_middle_of_many_rows_leaves_none(connection: Connection) -> None:
    ids = bulk.allocate(connection, tables.endpoint, 2 * bulk.AT_ONCE)
    doubled = rows([*ids[:-1], ids[0]])
    with pytest.raises(Exception, match=r"(?i)unique"), connection.begin_nested():
        bulk.insert(connection, tables.endpoint, ENDPOINT, doubled)
    assert connection.execute(select(func.count()).select_from(tables.endpoint)).scalar() == 0
