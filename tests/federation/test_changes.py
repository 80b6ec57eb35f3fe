"""The change feed forgets what is old, and never the newest."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, update

from federation import changes, schema, tables
from federation.database import open_engine, reading, writing

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.migrate(engine)
    yield engine
    engine.dispose()


def fed(engine: Engine, hours: Sequence[int]) -> None:
    """Changes at so many hours after noon, the first at position 1."""
    rows = [
        {
            "position": position, "kind": "version", "target_id": position, "registry_id": 1,
            "time": NOON + timedelta(hours=hour),
        }
        for position, hour in enumerate(hours, 1)
    ]  # fmt: skip
    with writing(engine) as connection:
        connection.execute(insert(tables.change), rows)
        connection.execute(update(tables.head).values(position=len(rows)))


@pytest.mark.parametrize(
    ("hours", "kept"),
    [
        ([0, 1, 2, 3], [3, 4]),
        ([2, 3], [1, 2]),
        ([0, 0, 1], [3]),  # all are old: the newest stays
        ([0, 3, 1, 3], [2, 3, 4]),  # a clock was put back: what stands behind one that is kept is kept
    ],
)
def test_what_is_older_is_forgotten_and_the_newest_stays(
    engine: Engine, hours: list[int], kept: list[int]
) -> None:
    fed(engine, hours)
    with writing(engine) as connection:
        went = changes.trim(connection, NOON + timedelta(hours=2))
    with reading(engine) as connection:
        positions = select(tables.change.c.position).order_by(tables.change.c.position)
        assert list(connection.execute(positions).scalars()) == kept
    assert went == len(hours) - len(kept)
