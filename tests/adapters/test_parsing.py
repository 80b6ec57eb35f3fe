"""Text that strangers wrote is bounded, plain and storable, or refused in one line, whichever way it is spelled."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import BadRecordError
from adapters.parsing import Bounds, parse_json, parse_yaml, with_entry

SMALL = Bounds(size=4096, depth=8, nodes=50)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text("ab é\u2028'\"", max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
NESTED: dict[str, Callable[[int], str]] = {
    "flow lists": lambda depth: "[" * depth + "]" * depth,
    "flow mappings": lambda depth: "{a: " * depth + "1" + "}" * depth,
    "dashes on one line": lambda depth: "- " * depth + "1",
    "indented keys": lambda depth: "".join(f"{' ' * at}a:\n" for at in range(depth)),
    "question marks": lambda depth: "? " * depth + "1",
}


@given(PLAIN)
def test_what_json_and_yaml_write_is_read_as_it_was(value: Any) -> None:
    assert parse_json(json.dumps(value), "it") == value
    assert parse_yaml(yaml.safe_dump(value), "it") == value


def test_an_mlmodel_file_is_read_as_yaml_itself_reads_it() -> None:
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = Schema([ColSpec(DataType.double, f"a column with the number {at}") for at in range(40)])
    model = Model(
        signature=ModelSignature(columns, columns), metadata={"shared": (same := {"a": [1.5]}), "by": same}
    )
    written = model.to_yaml()
    assert "&id" in written, "MLflow repeats what it repeats by an alias"
    assert parse_yaml(written.encode(), "it") == yaml.safe_load(written)


@pytest.mark.parametrize("spelled", NESTED.values(), ids=NESTED.keys())
def test_depth_is_bounded_in_every_spelling_of_yaml(spelled: Callable[[int], str]) -> None:
    if spelled is not NESTED["question marks"]:  # a mapping as a key is refused at any depth
        parse_yaml(spelled(7), "it", SMALL)
        with pytest.raises(BadRecordError, match="it is nested more than 8 levels deep"):
            parse_yaml(spelled(10), "it", SMALL)
    with pytest.raises(BadRecordError):
        parse_yaml(spelled(10), "it", SMALL)


def test_depth_is_bounded_in_json() -> None:
    assert parse_json("[" * 8 + "]" * 8, "it", SMALL)
    for depth in (10, 1200):
        with pytest.raises(BadRecordError, match="it is nested more than 8 levels deep"):
            parse_json("[" * depth + "]" * depth, "it", SMALL)


def test_what_an_alias_repeats_counts_each_time() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\n", "it", SMALL) == {"a": [1, 2], "b": [1, 2]}
    with pytest.raises(BadRecordError, match="more than 50 values"):
        parse_yaml(f"a: &x [{'1, ' * 20}]\nb: [*x, *x]\n", "it", SMALL)
    with pytest.raises(BadRecordError, match="nested"):
        parse_yaml("a: &x [[[[1]]]]\nb: [[[[*x]]]]\n", "it", SMALL)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "merge key"),
        ("&x [*x]", "not YAML"),
        ("*x", "not YAML"),
        ("a: !!python/tuple [1]", "not YAML"),
        ("!!set {a, b}", "not YAML"),
        ("a: !!bool perhaps", "not YAML"),
        ("a: !!int ''", "not YAML"),
        ("[a: b]: c", "not YAML"),
        ("a\n---\nb", "not YAML"),
        ("a: [", "not YAML"),
        ("\udc80", "not YAML"),
        ("x" * 4097, "larger than 4 KiB"),
        ("[" + "1, " * 60 + "]", "more than 50 values"),
    ],
)
def test_a_yaml_text_that_is_not_taken_says_why(text: str, why: str) -> None:
    with pytest.raises(BadRecordError, match=f"^it .*{why}"):
        parse_yaml(text, "it", SMALL)


@pytest.mark.parametrize("text", [b"\xff", "{", "", "1" * 5000, "'a'"])
def test_a_json_text_that_is_not_taken_says_why(text: str | bytes) -> None:
    with pytest.raises(BadRecordError, match=r"^it is"):
        parse_json(text, "it")


def test_yaml_gives_text_where_others_would_make_objects_of_it() -> None:
    text = (
        "1: 2026-01-01\nyes: !!binary aGk=\nlong: 1"
        + ":1" * 40
        + "\nnumber: 0x1f\nnothing: ~\nquoted: '12'\n"
    )
    assert parse_yaml(text, "it") == {
        "1": "2026-01-01",
        "yes": "aGk=",
        "long": "1" + ":1" * 40,
        "number": 31,
        "nothing": None,
        "quoted": "12",
    }
    assert parse_yaml("", "it") is None


def test_every_text_and_number_can_be_stored() -> None:
    assert parse_json('{"a\\ud800b": ["\\u0000", 18446744073709551616]}', "it") == {"a�b": ["�", 2.0**64]}
    assert parse_yaml('{"a": "b\\0c", n: 18446744073709551616}', "it") == {"a": "b�c", "n": 2.0**64}
    assert parse_json(f"[{'9' * 400}]", "it") == [float("inf")]


WRITTEN = """# of the risk team
stage: staging   # since May
tags:
  tier: 1   # of the last of its lines
# who to ask
owner: risk
block: |
  one
  two

# the end
"""


@pytest.mark.parametrize(
    ("name", "value", "before", "after"),
    [
        ("stage", "production", "stage: staging ", "stage: production "),
        ("stage", None, "stage: staging   # since May\n", ""),
        ("tags", {"a": "b: c"}, "  tier: 1 ", "  a: 'b: c' "),
        ("owner", "x\ny", "owner: risk\n", "owner: 'x\n\n  y'\n"),
        ("block", ["q"], "block: |\n  one\n  two\n\n", "block:\n- q\n"),
        ("added", "1", "# the end\n", "# the end\nadded: '1'\n"),
        ("absent", None, "", ""),
    ],
)
def test_one_entry_of_a_text_is_written_and_the_rest_stays(
    name: str, value: object, before: str, after: str
) -> None:
    assert with_entry(WRITTEN, name, value, "it") == WRITTEN.replace(before, after, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words\n",
        "a: 1",
        "  a: 1\n  stage: x\n",
        '{"a": [1, {"stage": 2}], "stage": "x"}',
        "---\na: 1\n...\n",
        "a: &x [1]\nb: *x\nstage: *x\n",
        "stage: &x [1]\nb: *x\n",
        "stage:\nb: {stage: 1}\n",
        "? stage\n: x\n",
        "stage: x\r\nb: 2\r\n",
    ],
)
@pytest.mark.parametrize("value", ["production", {"a": "two\nlines", "": ""}, ["\u2028", "- x"], None])
def test_a_text_of_any_form_says_what_was_written_and_all_else(text: str, value: object) -> None:
    known = parse_yaml(text, "it") or {}
    wanted = {key: each for key, each in {**known, "stage": value}.items() if each is not None}
    assert (parse_yaml(with_entry(text, "stage", value, "it"), "it") or {}) == wanted


def test_what_is_no_mapping_has_no_entry() -> None:
    for text in ("- a\n", "text", "a: [", "<<: {a: 1}"):
        with pytest.raises(BadRecordError):
            with_entry(text, "stage", "x", "it")


def test_a_name_that_is_there_twice_is_an_error_where_it_must_be() -> None:
    twice = '{"a": {"b": 1, "b": 2}}'
    assert parse_json(twice, "it") == {"a": {"b": 2}}
    with pytest.raises(BadRecordError):
        parse_json(twice, "it", unique=True)
