"""Two to eight versions beside each other."""

from collections.abc import Mapping

from gateway.api.comparison_out import ComparedOut, ComparisonOut
from gateway.pages.beside import in_words
from gateway.pages.compare import columns


def beside(*metrics: Mapping[str, float]) -> ComparisonOut:
    versions = [ComparedOut(f"r/m:{at}", "none", "risk", one) for at, one in enumerate(metrics)]
    return ComparisonOut(sorted({name for one in metrics for name in one}), versions, {})


def test_a_metric_is_sorted_with_the_best_first_and_then_turned_around() -> None:
    found = beside({"auc": 0.9, "loss": 0.2}, {"auc": 0.8, "loss": 0.1}, {})
    assert [(one.name, one.sort, one.direction, one.best) for one in columns(found, "-auc")] == [
        ("auc", "auc", "descending", 0.9),
        ("loss", "loss", "none", 0.1),
    ]
    assert [(one.sort, one.direction) for one in columns(found, "loss")] == [
        ("-auc", "none"),
        ("-loss", "ascending"),
    ]


def test_columns_of_three_schemas_stand_where_they_are_not_alike() -> None:
    def schema(*names: str) -> dict[str, object]:
        plain = dict.fromkeys(("shape", "minimum", "maximum", "default"))
        column = {"type": "double", "required": True, "positional": False, **plain}
        return {"inputs": [{"name": name, **column} for name in names], "outputs": []}

    found = in_words({"schema": [schema("a", "b"), schema("a"), None]})
    assert found == {
        "Schema": [("input a", ["double", "double", None]), ("input b", ["double", None, None])],
    }


def test_times_are_dates_and_clocks() -> None:
    (row,) = in_words({"created_at": ["2026-11-30T21:51:48.694000Z", None]})[""]
    assert row[0] == "created_at"
    assert ">2026-11-30 21:51<" in row[1][0]
    assert row[1][1] is None
