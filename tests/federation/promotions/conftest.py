"""The world of these tests, over SQLite and over PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.federation.operations.world import hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromotionsWorld]:
    hurry(monkeypatch)
    made = make_promotions_world(database)
    yield made
    made.operations.close()
