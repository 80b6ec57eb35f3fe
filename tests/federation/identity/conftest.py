"""A migrated database with registries of two teams."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from federation import tables
from federation.database import reading
from federation.registries.configured import RegistrySpec
from tests.gateway.served import migrated

TEAMS = {"fraud": "risk", "credit": "risk", "images": "vision"}


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    specs = [RegistrySpec(name=name, kind="memory", team=team) for name, team in TEAMS.items()]
    made = migrated(database, *specs)
    yield made
    made.dispose()


@pytest.fixture
def ids(engine: Engine) -> dict[str, int]:
    """Ids of the registries, by name."""
    known = tables.registry.c
    with reading(engine) as connection:
        return {row.name: row.id for row in connection.execute(select(known.name, known.id))}
