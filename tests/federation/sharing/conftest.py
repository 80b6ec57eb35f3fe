"""The world of these tests, over SQLite and over PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.federation.sync.world import World, make_world


@pytest.fixture
def world(database: str) -> Iterator[World]:
    made = make_world(database)
    yield made
    made.close()
