"""What a caller of one version may expect of another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Column, Schema
from federation.catalogue.contracts import compare

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
        (Schema(outputs=(VECTOR,)), []),
        (with_input(Column("sex", "string", required=False)), []),
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


def takes(old: str, new: str, side: str = "inputs") -> list[str]:
    """What a change of one column's type breaks, in words."""
    schemas = [Schema(**{side: (Column("x", of),)}) for of in (old, new)]
    return [f"{one.problem} ({one.detail})" for one in compare(*schemas).backward]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("integer", "long", []),
        ("integer", "double", []),
        ("float", "double", []),
        ("string", "any", []),
        ("array<long>", "any", []),
        ("array<string>", "array<any>", []),
        ("array<integer>", "array<long>", []),
        ("binary", "any", ["type changed (binary → any)"]),
        ("array<binary>", "array<any>", ["type changed ([]: binary → any)"]),
        ("map<array<binary>>", "any", ["type changed (map<array<binary>> → any)"]),
        ("object{a: binary}", "map<any>", []),
        ("any", "string", ["type changed (any → string)"]),
        ("long", "double", ["type changed (long → double)"]),
        ("integer", "float", ["type changed (integer → float)"]),
        ("double", "float", ["type changed (double → float)"]),
        ("long", "integer", ["type changed (long → integer)"]),
        ("array<string>", "array<long>", ["type changed ([]: string → long)"]),
        ("object{a: long}", "object{a: long, b?: string}", []),
        ("object{a: long, b: string}", "object{a: long, b?: string}", []),
        ("object{a: long, b?: string}", "object{a: long}", ["property missing (b is no longer taken)"]),
        ("object{a: long, b?: string}", "object{a: long, b: string}",
         ["optional made required (callers did not have to send b)"]),
        ("array<object{a: long}>", "array<object{a: long, b: string}>",
         ["optional made required (callers did not have to send [].b)"]),
        ("map<object{a?: long}>", "map<object{a: long}>",
         ["optional made required (callers did not have to send {}.a)"]),
        ("object{a: object{b: float}}", "object{a: object{b: string}}", ["type changed (a.b: float → string)"]),
        ("object{a: long, b: long}", "map<long>", []),
        ("object{a: long, b?: long}", "map<long>", ["optional made required (b may be null)"]),
        ("object{a: long, b?: long}", "map<any>", []),
        ("map<long>", "object{a: long}", ["type changed (map<long> → object{a: long})"]),
        ("decimal(10, 2)", "decimal(10, 2)", []),
        ("decimal(10, 2)", "decimal(12, 2)", ["type changed (decimal(10, 2) → decimal(12, 2))"]),
    ],
)  # fmt: skip
def test_types_are_compared_as_mlflow_enforces_them(old: str, new: str, expected: list[str]) -> None:
    assert takes(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("long", "integer", []),
        ("integer", "long", ["type changed (integer → long)"]),
        ("object{a: long}", "object{a: long, b: string}", []),
        ("object{a: long, b: string}", "object{a: long}", ["property missing (b is no longer given)"]),
        ("object{a: long}", "object{a?: long}", ["property missing (a is optional now)"]),
    ],
)
def test_outputs_are_compared_by_what_readers_need(old: str, new: str, expected: list[str]) -> None:
    assert takes(old, new, "outputs") == expected


def test_params_are_compared_and_one_that_is_gone_or_new_breaks_nothing() -> None:
    heat = Column("temperature", "double", required=False, default="0.5")
    old = Schema(params=(heat, Column("stop", "string", required=False, shape=(-1,), default="[]")))
    for new in (
        Schema(),
        Schema(params=(replace(heat, default="1.0"), Column("n", "long", required=False, default="1"))),
    ):
        assert compare(old, new).verdict == "full"
    for of, fits in (("float", True), ("long", False), ("string", False)):
        [*said] = compare(old, Schema(params=(replace(heat, type=of),))).backward
        assert [str(one) for one in said] == (
            [] if fits else [f"param temperature: type changed (double → {of})"]
        )
    scalar = Schema(params=(Column("stop", "string", required=False, default='""'),))
    assert [one.problem for one in compare(old, scalar).backward] == ["shape changed"]


def test_a_scalar_tensor_is_not_any_tensor() -> None:
    scalar, matrix = (Schema(inputs=(Column("t", "float32", shape=shape),)) for shape in ((), (-1, 3)))
    anything = Schema(inputs=(Column("t", "object", shape=(-1,)),))
    assert [str(one) for one in compare(scalar, matrix).backward] == ["input t: shape changed ([] → [-1, 3])"]
    assert compare(matrix, anything).backward == ()
    assert compare(anything, matrix).backward != ()


def test_names_and_places() -> None:
    named, placed = (
        Schema(inputs=(Column("0", "float32", shape=(-1,), positional=of),)) for of in (False, True)
    )
    assert compare(placed, named).backward == ()
    assert [one.problem for one in compare(named, placed).backward] == ["names changed"]
    columns = [Schema(inputs=(Column("0", "long", positional=of),)) for of in (False, True)]
    assert compare(*columns).verdict == "none"
    optional = Schema(inputs=(Column("a", "long", required=False),))
    assert compare(columns[1], optional).backward == (), "what comes is ignored, and nothing is wanted"
    pair = [Schema(inputs=tuple(Column(str(at), of, positional=True) for at, of in enumerate(side)))
            for side in (("long", "double"), ("double", "long"), ("long",))]  # fmt: skip
    assert [one.column for one in compare(pair[0], pair[1]).backward] == ["0", "1"]
    assert compare(pair[0], pair[2]).backward == ()


def test_who_takes_no_input_by_name_takes_everything() -> None:
    assert (
        compare(Schema(inputs=(AGE,)), Schema(params=(Column("p", "long", required=False),))).backward == ()
    )


columns = st.builds(
    Column,
    name=st.sampled_from("abc"),
    type=st.sampled_from(
        [
            "integer",
            "float",
            "any",
            "binary",
            "array<long>",
            "map<any>",
            "object{a: long, b?: any}",
            "object{a?: any}",
        ]
    ),
    required=st.booleans(),
    shape=st.none() | st.tuples(st.sampled_from([-1, 1, 2])),
    minimum=st.none() | st.sampled_from([0.0, 1.0]),
    maximum=st.none() | st.sampled_from([2.0, 3.0]),
)
sides = st.lists(columns, max_size=3, unique_by=lambda c: c.name).map(tuple)
schemas = st.builds(Schema, inputs=sides, outputs=sides, params=sides)


@given(schemas, schemas)
def test_forward_is_backward_the_other_way_round(left: Schema, right: Schema) -> None:
    assert compare(left, right).forward == compare(right, left).backward


@given(schemas)
def test_every_schema_can_stand_in_for_itself(schema: Schema) -> None:
    assert compare(schema, schema).verdict == "full"
