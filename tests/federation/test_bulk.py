"""Many rows at once: what is read is what was written, on both databases, however few or many."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, BigInteger, Boolean, Column, LargeBinary, MetaData, String, Table, select, text
from sqlalchemy import types as sql

from federation import bulk
from federation.database import open_engine, reading, writing

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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=bulk.FEW + 5), changed=st.lists(ROWS, max_size=bulk.FEW + 5))
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
