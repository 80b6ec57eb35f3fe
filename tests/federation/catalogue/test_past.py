"""What was in production on a day, with the interval in which each change must have happened."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from federation.access import EVERYTHING, NOTHING
from federation.catalogue.past import every_held, read_held, read_model_then
from federation.catalogue.timeline import read_timeline
from federation.database import now, reading
from federation.errors import UnknownError
from federation.references import parse
from federation.standby import Reads
from tests.federation.graph.estate import Estate
from tests.federation.takings import model, registered, take, version
from tests.servers import blank

MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """`champion` is version 1 from 3 May 12:00 on and moves to version 2 between 15:00 and 16:00."""
    engine = blank.opened(f"sqlite:///{tmp_path / 'past.db'}")
    registry = registered(engine)
    take(engine, registry, [model({"champion": "1"}), version(1)], MAY)
    take(engine, registry, [version(2)], MAY + 2 * HOUR, MAY + HOUR)
    take(engine, registry, [model({"champion": "2"})], MAY + 4 * HOUR, MAY + 3 * HOUR)
    return engine


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (-1, []),
        (1, [("fraud/scorer:1", True)]),
        (3.5, [("fraud/scorer:1", False), ("fraud/scorer:2", False)]),
        (5, [("fraud/scorer:2", True)]),
    ],
)
def test_what_was_in_production(engine: Engine, hours: float, expected: list[tuple[str, bool]]) -> None:
    with reading(engine) as connection:
        found = read_held(connection, EVERYTHING, "production", MAY + hours * HOUR)
        assert read_held(connection, NOTHING, "production", MAY + hours * HOUR) == []
    assert sorted((str(one.reference), one.certain) for one in found) == expected
    assert list(every_held(Reads(engine), EVERYTHING, "production", MAY + hours * HOUR)) == found


def test_each_change_has_its_interval(engine: Engine) -> None:
    with reading(engine) as connection:
        [new] = read_held(connection, EVERYTHING, "production", MAY + 5 * HOUR)
        [old] = read_held(connection, EVERYTHING, "production", MAY + HOUR)
    assert (new.began_after, new.began_by, new.ended_by) == (MAY + 3 * HOUR, MAY + 4 * HOUR, None)
    assert (old.began_after, old.ended_after, old.ended_by) == (None, MAY + 3 * HOUR, MAY + 4 * HOUR)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_of_a_long_history_what_lasts_and_then_the_newest(engine: Engine, most: int) -> None:
    with reading(engine) as connection:
        everything = read_timeline(connection, EVERYTHING, parse("fraud/scorer"))
        found = read_timeline(connection, EVERYTHING, parse("fraud/scorer"), most=most)
    lasting = [span for span in everything if span.ended_by is None]
    chosen = [*lasting, *(span for span in everything if span.ended_by is not None)][:most]
    assert len(everything) > 2
    assert found == [span for span in everything if span in chosen]


def test_a_model_as_it_was(engine: Engine) -> None:
    with reading(engine) as connection:
        early = read_model_then(connection, EVERYTHING, parse("fraud/scorer"), MAY + HOUR)
        late = read_model_then(connection, EVERYTHING, parse("fraud/scorer"), MAY + 5 * HOUR)
        with pytest.raises(UnknownError):
            read_model_then(connection, EVERYTHING, parse("fraud/scorer"), MAY - HOUR)
        with pytest.raises(UnknownError):
            read_model_then(connection, NOTHING, parse("fraud/scorer"), MAY + HOUR)
    assert [(one.version, one.stage) for one in early.versions] == [("1", "production")]
    assert early.record.aliases == {"champion": "1"}
    assert [(one.version, one.stage) for one in late.versions] == [("2", "production"), ("1", "none")]
    assert late.record.aliases == {"champion": "2"}


def test_any_page_over_any_registries_is_a_part_of_the_whole(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    counts = {"beta": 3, "alpha": 2, "empty": 0, "gamma": 4}
    for name, count in counts.items():
        estate.join(name, "one team" if name != "gamma" else "another")
        for number in range(count):
            made = estate.model(f"m{number}")
            estate.put(name, made, estate.version(made, "1", stage="Production"))
    with reading(estate.engine) as connection:

        def page(**chosen: Any) -> list[str]:
            found = read_held(connection, EVERYTHING, "production", now() + HOUR, **chosen)
            return [str(one.reference) for one in found]

        by_team = ["gamma", "alpha", "beta", "empty"]
        whole = [f"{name}/m{number}:1" for name in by_team for number in range(counts[name])]
        assert page() == whole
        for skip in range(len(whole) + 2):
            for limit in range(1, len(whole) + 2):
                assert page(skip=skip, limit=limit) == whole[skip : skip + limit]
        assert page(team="another") == whole[:4]
        assert page(registry="beta", skip=1) == ["beta/m1:1", "beta/m2:1"]
