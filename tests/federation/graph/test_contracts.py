"""What a caller of one version may expect of another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Column, Schema
from federation.graph.contracts import compare

AGE = Column("age", "double", minimum=0, maximum=120)
VECTOR = Column("vector", "float", shape=(-1, 128))
ENCODER = Schema(inputs=(AGE,), outputs=(VECTOR,))


def problems(old: Schema, new: Schema) -> list[tuple[str, str, str]]:
    return [(b.side, b.column, b.problem) for b in compare(old, new).backward]


def with_input(column: Column) -> Schema:
    return Schema(inputs=(column,), outputs=(VECTOR,))


def with_output(column: Column) -> Schema:
    return Schema(inputs=(AGE,), outputs=(column,))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (Schema(outputs=(VECTOR,)), [("input", "age", "column missing")]),
        (Schema(inputs=(AGE,)), [("output", "vector", "column missing")]),
        (with_input(replace(AGE, type="string")), [("input", "age", "type changed")]),
        (with_output(replace(VECTOR, type="double")), [("output", "vector", "type changed")]),
        (with_output(replace(VECTOR, shape=(-1, 256))), [("output", "vector", "shape changed")]),
        (with_output(replace(VECTOR, shape=(128,))), [("output", "vector", "shape changed")]),
        (with_output(replace(VECTOR, required=False)), [("output", "vector", "column missing")]),
        (with_input(replace(AGE, minimum=18)), [("input", "age", "range narrowed")]),
        (with_input(replace(AGE, maximum=None)), []),
        (with_output(replace(VECTOR, shape=(1, 128))), []),
        (with_input(replace(AGE, required=False)), []),
        (
            Schema(inputs=(AGE, Column("sex", "string")), outputs=(VECTOR,)),
            [("input", "sex", "optional made required")],
        ),
        (Schema(inputs=(AGE, Column("sex", "string", required=False)), outputs=(VECTOR,)), []),
        (Schema(inputs=(AGE,), outputs=(VECTOR, Column("norm", "float"))), []),
    ],
)
def test_each_change_is_named(new: Schema, expected: list[tuple[str, str, str]]) -> None:
    assert problems(ENCODER, new) == expected


def test_an_optional_input_that_becomes_required_breaks_its_callers() -> None:
    old = with_input(replace(AGE, required=False))
    assert problems(old, ENCODER) == [("input", "age", "optional made required")]


def test_an_output_may_not_leave_the_range_that_was_promised() -> None:
    score = Column("score", "double", minimum=0, maximum=1)
    assert problems(with_output(score), with_output(replace(score, maximum=10))) == [
        ("output", "score", "range widened")
    ]
    assert problems(with_output(score), with_output(replace(score, maximum=0.5))) == []


def test_the_verdict_is_the_strongest_notion_that_holds() -> None:
    more = Schema(inputs=(AGE,), outputs=(VECTOR, Column("norm", "float")))
    assert compare(ENCODER, ENCODER).verdict == "full"
    assert compare(ENCODER, more).verdict == "backward"
    assert compare(more, ENCODER).verdict == "forward"
    assert compare(ENCODER, Schema(inputs=(replace(AGE, type="string"),))).verdict == "none"
    assert compare(ENCODER, None).verdict == "unknown"


columns = st.builds(
    Column,
    name=st.sampled_from("abc"),
    type=st.sampled_from(["int", "float"]),
    required=st.booleans(),
    shape=st.none() | st.tuples(st.sampled_from([-1, 1, 2])),
    minimum=st.none() | st.sampled_from([0.0, 1.0]),
    maximum=st.none() | st.sampled_from([2.0, 3.0]),
)
sides = st.lists(columns, max_size=3, unique_by=lambda c: c.name).map(tuple)
schemas = st.builds(Schema, inputs=sides, outputs=sides)


@given(schemas, schemas)
def test_forward_is_backward_the_other_way_round(left: Schema, right: Schema) -> None:
    assert compare(left, right).forward == compare(right, left).backward


@given(schemas)
def test_every_schema_can_stand_in_for_itself(schema: Schema) -> None:
    assert compare(schema, schema).verdict == "full"
