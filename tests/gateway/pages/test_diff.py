"""How two versions are laid side by side."""

from adapters import Column, Schema
from federation.catalogue.diff import Difference
from gateway.pages.version import rows_of


def column(name: str, type_: str = "double", **more: object) -> dict[str, object]:
    return {
        "name": name, "type": type_, "required": True, "shape": None, "minimum": None, "maximum": None,
        "positional": False, "default": None, **more
    }  # fmt: skip


def shown(**differences: Difference) -> dict[str, list[tuple[str, object, object]]]:
    named = {name.replace("__", "."): pair for name, pair in differences.items()}
    return {head: [(r.field, r.left, r.right) for r in rows] for head, rows in rows_of(named).items()}


def test_of_two_schemas_only_the_columns_that_differ_are_shown_in_words() -> None:
    left = {"inputs": [column("amount"), column("hour", "long")], "outputs": [column("score")]}
    right = {
        "inputs": [column("amount"), column("hour", "long", required=False, minimum=0.0)],
        "outputs": [column("score", shape=[-1, 2])],
    }
    assert shown(schema=Difference(left, right)) == {
        "Schema": [
            ("input hour", "long", "long, optional, from 0 to any"),
            ("output score", "double", "double, shape [-1, 2]"),
        ]
    }


def test_a_schema_that_only_one_has_is_absent_on_the_other_side() -> None:
    found = shown(schema=Difference(None, {"inputs": [column("amount")], "outputs": []}))
    assert found == {"Schema": [("input amount", None, "double")]}


def test_schemas_in_another_order_say_so() -> None:
    left = {"inputs": [column("a"), column("")], "outputs": []}
    right = {"inputs": [column(""), column("a")], "outputs": []}
    rows = shown(schema=Difference(left, right))["Schema"]
    assert rows == [("input 2", "double", None), ("input 1", None, "double")]
    left["inputs"] = [column("b"), column("a")]
    right["inputs"] = [column("a"), column("b")]
    assert shown(schema=Difference(left, right)) == {
        "Schema": [("order of the columns", ["input b", "input a"], ["input a", "input b"])]
    }


def test_what_they_were_made_from_stands_together() -> None:
    found = shown(
        framework=Difference("onnx", "xgboost"),
        lineage__run_id=Difference("r1", "r2"),
        lineage__datasets=Difference([{"name": "pay", "digest": "9f", "uri": None}], []),
    )
    assert found == {
        "": [("framework", "onnx", "xgboost")],
        "Made from": [("run_id", "r1", "r2"), ("data", ["pay #9f"], None)],
    }


def test_every_part_of_a_column_is_told() -> None:
    told = {"name", "type", "required", "shape", "minimum", "maximum", "positional", "default"}
    assert set(Column.__dataclass_fields__) == told, "say in gateway/pages/version.py what is new"
    assert set(Schema.__dataclass_fields__) == {"inputs", "outputs", "params"}


def test_a_param_is_told_with_its_default() -> None:
    left = {"inputs": [], "outputs": [], "params": [column("heat", required=False, default="0.5")]}
    right = {"inputs": [column("0", positional=True)], "outputs": [],
             "params": [column("heat", required=False, default="1.0")]}  # fmt: skip
    assert shown(schema=Difference(left, right)) == {
        "Schema": [
            ("param heat", "double, default 0.5", "double, default 1.0"),
            ("input 0", None, "double, told by its place"),
        ]
    }
