"""How a metric over versions is drawn."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.chart import BOTTOM, DOTS, HEIGHT, LEFT, LINES, RIGHT, TOP, WIDTH, chart, marks

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.text(), finite), max_size=300))
def test_every_point_is_inside_of_the_drawing(points: list[tuple[str, float]]) -> None:
    drawn = chart("auc", points)
    if drawn is None:
        return
    places = [tuple(map(float, pair.split(","))) for pair in drawn.line.split()]
    assert len(places) == len(points) == len(json.loads(drawn.data)["values"])
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in places)
    assert all(TOP <= y <= HEIGHT - BOTTOM for y, _ in drawn.values)
    assert bool(drawn.dots) == (len(points) <= DOTS)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.93, 0.965, ["0.93", "0.94", "0.95", "0.96"]),
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (995.0, 1_010.0, ["995", "1,000", "1,005", "1,010"]),
        (1e12, 8e12, ["2 T", "4 T", "6 T", "8 T"]),
        (-5e8, 2e9, ["-0.5 B", "0.0", "0.5 B", "1.0 B", "1.5 B", "2.0 B"]),
        (6.7e9, 7.2e9, ["6.7 B", "6.8 B", "6.9 B", "7.0 B", "7.1 B", "7.2 B"]),
        (1_000_000, 1_000_400, ["1.0000 M", "1.0001 M", "1.0002 M", "1.0003 M", "1.0004 M"]),
        (1e9, 1e9 + 10, ["1e+09"]),
        (200_000, 999_000, ["200,000", "400,000", "600,000", "800,000"]),
        (1e15, 8e15, ["2e+15", "4e+15", "6e+15", "8e+15"]),
        (-2e-9, 2e-9, ["-2e-09", "-1e-09", "0", "1e-09", "2e-09"]),
    ],
)
def test_values_beside_the_line_are_round_and_in_equal_steps(
    low: float, high: float, said: list[str]
) -> None:
    assert [text for _, text in marks(low, high)] == said
    assert len(said) <= LINES + 1


def test_the_newest_version_always_has_its_place_below_the_line() -> None:
    drawn = chart("auc", [(str(number), 0.5 + number / 100) for number in range(1, 12)])
    assert drawn is not None
    assert [text for _, text in drawn.steps] == ["11", "8", "5", "2"]
    assert drawn.newest == "0.61 in version 11"


def test_long_versions_are_named_by_what_tells_them_apart() -> None:
    drawn = chart("auc", [(f"2026.05.0{day}+build.T12", float(day)) for day in (1, 2, 3)])
    assert drawn is not None
    assert [text for _, text in drawn.steps] == ["…3+build…", "…2+build…", "…1+build…"]


def test_one_version_is_no_line() -> None:
    assert chart("auc", [("1", 0.5)]) is None
    assert chart("auc", [("1", -1e308), ("2", 1e308)]) is None  # their distance is no number
