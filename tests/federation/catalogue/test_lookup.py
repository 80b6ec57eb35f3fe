"""The short way to a version finds what the reader finds, or leaves it to the reader; on both databases."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from adapters import Key
from federation.access import EVERYTHING, NOTHING, View
from federation.catalogue.lookup import _several, find_or_read_version, find_rows, find_version
from federation.catalogue.origin import Origin
from federation.catalogue.reader import as_version, read_version
from federation.catalogue.writer import CatalogueWriter
from federation.database import open_engine, reading, writing
from federation.errors import GoneError, UnknownError
from federation.prepared import cursor_of
from federation.references import encode_part, parse
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.stages import parse_rules
from federation.standby import Reads
from tests.federation.takings import model, registered, take, version
from tests.servers import blank

MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    registry = registered(engine)
    take(engine, registry, [model({"champion": "2"}), version(1), version(2, created_at=MAY)], MAY)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("view", [EVERYTHING, View.of([1]), View.of([1, 2, 3])])
@pytest.mark.parametrize("ref", ["fraud/scorer:1", "fraud/scorer:2", "fraud/scorer@champion"])
def test_it_finds_what_the_reader_finds(engine: Engine, view: View, ref: str) -> None:
    with reading(engine) as connection:
        expected = read_version(connection, view, parse(ref))
        assert find_version(Reads(engine), view, parse(ref)) == expected
        assert find_or_read_version(connection, view, parse(ref)) == expected


@pytest.mark.parametrize("view", [NOTHING, View.of([2])])
@pytest.mark.parametrize("ref", ["fraud/scorer:1", "fraud/scorer@champion"])
def test_what_is_hidden_is_not_found(engine: Engine, view: View, ref: str) -> None:
    assert find_version(Reads(engine), view, parse(ref)) is None


@pytest.mark.parametrize("view", [EVERYTHING, View.of([1]), View.of([1, 2, 3])])
def test_many_by_one_statement_are_the_same_as_each_by_itself(engine: Engine, view: View) -> None:
    absent = ("fraud/scorer:9", "fraud/none:1", "absent/scorer:1", "fraud/scorer@champion", "fraud/scorer")
    odd = replace(version(3), version="3:%'\"]")
    take(engine, registered(engine), [odd], MAY)
    present = ["fraud/scorer:1", "fraud/scorer:2", f"fraud/scorer:{encode_part(odd.version)}"]
    wanted = list(map(parse, (*present, *absent)))
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _r, text, *_: asked.append(text))
    with reading(engine) as connection:
        rows = find_rows(connection, view, wanted)
        assert asked == [], "it goes past SQLAlchemy"
        assert rows.keys() == {parse(text) for text in present}
        for one, row in rows.items():
            assert as_version(row) == read_version(connection, view, one)


@pytest.mark.parametrize("view", [NOTHING, View.of([2])])
def test_what_is_hidden_is_not_found_among_many(engine: Engine, view: View) -> None:
    with reading(engine) as connection:
        assert find_rows(connection, view, [parse("fraud/scorer:1"), parse("fraud/scorer:2")]) == {}


def test_of_many_with_a_name_each_finds_the_one_that_was_created_last(engine: Engine) -> None:
    later = replace(version(2), key=Key("version", "again"), created_at=MAY + timedelta(days=1))
    take(engine, registered(engine), [later], MAY)
    with reading(engine) as connection:
        rows = find_rows(connection, EVERYTHING, [parse("fraud/scorer:1"), parse("fraud/scorer:2")])
        found = as_version(rows[parse("fraud/scorer:2")])
        assert found == find_or_read_version(connection, EVERYTHING, parse("fraud/scorer:2"))
        assert found.record.key == later.key


def test_sqlite_looks_up_each_of_many_by_its_name(tmp_path: Path) -> None:
    engine = blank.opened(f"sqlite:///{tmp_path / 'plans.db'}")
    take(engine, registered(engine), [model({"champion": "2"}), version(2)], MAY)
    statement = _several(engine.dialect, EVERYTHING)
    with reading(engine) as connection, closing(cursor_of(connection)) as cursor:
        assert statement.order is not None
        values = [{**statement.values, "named": "[]"}[name] for name in statement.order]
        plan = str(cursor.execute(f"EXPLAIN QUERY PLAN {statement.text}", values).fetchall())
    assert "version_of_model (model_id=? AND version=?)" in plan, plan
    assert "model_by_name (registry_id=? AND name=?)" in plan, plan
    engine.dispose()


@pytest.mark.parametrize(
    "ref",
    [
        "fraud/scorer",
        "fraud/scorer@rival",
        "fraud/scorer@stage:production",
        "fraud/scorer:3",
        "fraud/x@champion",
    ],
)
def test_what_takes_more_than_a_name_is_left_to_the_reader(engine: Engine, ref: str) -> None:
    assert find_version(Reads(engine), EVERYTHING, parse(ref)) is None
    with reading(engine) as connection:
        try:
            expected = read_version(connection, EVERYTHING, parse(ref))
        except UnknownError:
            with pytest.raises(UnknownError):
                find_or_read_version(connection, EVERYTHING, parse(ref))
        else:
            assert find_or_read_version(connection, EVERYTHING, parse(ref)) == expected


def test_the_deleted_and_former_names_are_left_to_the_reader(engine: Engine) -> None:
    with writing(engine) as connection:
        configured.apply(
            connection,
            [RegistrySpec(name="scams", kind="memory", team="risk", former_names=("fraud",))],
        )
    assert find_version(Reads(engine), EVERYTHING, parse("fraud/scorer:1")) is None
    assert find_version(Reads(engine), EVERYTHING, parse("scams/scorer:1")) is not None
    assert find_version(Reads(engine), EVERYTHING, parse("fraud/scorer@champion")) is None
    with writing(engine) as connection:
        writer = CatalogueWriter(connection, Origin(1, "scams", parse_rules({}, {}), MAY))
        writer.delete("version", [1, 2])
        writer.batch.append(connection)
    assert find_version(Reads(engine), EVERYTHING, parse("scams/scorer:1")) is None
    assert find_version(Reads(engine), EVERYTHING, parse("scams/scorer@champion")) is None


@pytest.mark.parametrize("name", ["fraud", "unknown"])
@pytest.mark.parametrize("selector", [":2", "", "@champion", "@stage:production", ":9"])
def test_no_name_makes_sqlite_walk_the_registry(tmp_path: Path, name: str, selector: str) -> None:
    engine = blank.opened(f"sqlite:///{tmp_path / 'plans.db'}")
    take(engine, registered(engine), [model({"champion": "2"}), version(2)], MAY)
    said: list[tuple[str, Any]] = []
    event.listen(
        engine, "before_cursor_execute", lambda _c, _r, text, values, *_: said.append((text, values))
    )
    with reading(engine) as connection, suppress(UnknownError, GoneError):
        read_version(connection, EVERYTHING, parse(f"{name}/scorer{selector}"))
    asked = [(text, values) for text, values in said if "FROM version" in text]
    assert asked
    with reading(engine) as connection:
        for text, values in asked:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all())
            assert "version_of_model" in plan, plan
    engine.dispose()
