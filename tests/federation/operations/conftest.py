"""The world of these tests, over SQLite and over PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.federation.operations.world import OperationsWorld, hurry, make_operations_world


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OperationsWorld]:
    hurry(monkeypatch)
    made = make_operations_world(database)
    made.sync.model("m", "1", "2")
    made.sync.sync()
    yield made
    made.close()
