"""A model of many versions: which of them are read where only the newest are wanted; on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from adapters import EndpointRecord, Key, Traffic
from federation import schema, tables
from federation.access import EVERYTHING
from federation.catalogue.models import Model, read_model
from federation.catalogue.reader import read_version
from federation.database import open_engine, reading, writing
from federation.errors import GoneError
from federation.references import parse
from tests.federation.takings import model, registered, take, version

MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)
ALIASES = {"champion": "2", "first": "1", "former": "5", "latest": "12"}
SERVED = 3


def made(number: int) -> datetime | None:
    """Three at once each, and the last three at a time that nobody tells."""
    return MAY - timedelta(hours=9 - number // 3) if number < 10 else None


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.migrate(engine)
    served = Traffic(Key("version", f"v{SERVED}"), 100.0)
    versions = [version(number, created_at=made(number)) for number in range(1, 13)]
    endpoint = EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=(served,))
    take(engine, registered(engine), [model(ALIASES), *versions, endpoint], MAY)
    yield engine
    engine.dispose()


def read(engine: Engine, newest: int | None) -> Model:
    with reading(engine) as connection:
        return read_model(connection, EVERYTHING, parse("fraud/scorer"), newest=newest)


def test_all_are_there_newest_first(engine: Engine) -> None:
    found = read(engine, None)
    assert [one.version for one in found.versions] == [str(number) for number in range(12, 0, -1)]
    assert found.total == 12


@pytest.mark.parametrize(
    ("newest", "older"),
    [(1, []), (2, ["5"]), (4, ["5", "3", "2"]), (5, ["5", "3", "2", "1"]), (9, ["3", "2", "1"])],
)
def test_the_newest_and_the_newest_of_those_that_somebody_relies_on(
    engine: Engine, newest: int, older: list[str]
) -> None:
    found, everything = read(engine, newest), read(engine, None)
    expected = [*(one.version for one in everything.versions[:newest]), *older]
    assert [one.version for one in found.versions] == expected
    assert [one for one in everything.versions if one.version in expected] == list(found.versions)
    assert found.total == 12


def test_none_where_none_are_wanted_and_all_where_there_are_fewer(engine: Engine) -> None:
    assert read(engine, 0).versions == ()
    assert read(engine, 12).versions == read(engine, 400).versions == read(engine, None).versions


@pytest.mark.parametrize(
    ("ref", "meant"), [("", "12"), ("@stage:production", "2"), ("@stage:none", "12"), ("@former", "5")]
)
def test_what_a_reference_means_among_many(engine: Engine, ref: str, meant: str) -> None:
    with reading(engine) as connection:
        assert read_version(connection, EVERYTHING, parse(f"fraud/scorer{ref}")).record.version == meant


def test_of_a_deleted_model_everything_is_told_however_little_was_asked_for(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in (tables.model, tables.version):
            connection.execute(table.update().values(deleted_at=MAY))
    with reading(engine) as connection, pytest.raises(GoneError) as gone:
        read_model(connection, EVERYTHING, parse("fraud/scorer"), newest=0)
    assert isinstance(gone.value.known, Model)
    assert len(gone.value.known.versions) == 12
