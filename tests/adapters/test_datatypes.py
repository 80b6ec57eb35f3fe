"""Types as text: what is written is read back, and what is no expression stays a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ArrayOf, DataType, MapOf, ObjectOf, Property, Scalar, parse_type

words = st.from_regex(r"[a-z][a-z0-9_\[\]]*", fullmatch=True).filter(
    lambda word: word not in ("array", "map")
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
types: st.SearchStrategy[DataType] = st.recursive(
    words.map(Scalar),
    lambda inner: (
        inner.map(ArrayOf)
        | inner.map(MapOf)
        | st.dictionaries(names, st.builds(Property, inner, st.booleans()), max_size=3).map(ObjectOf)
    ),
    max_leaves=8,
)


@given(types)
def test_what_is_written_is_read_back(of: DataType) -> None:
    assert parse_type(str(of)) == of


@given(st.text())
def test_any_text_is_a_type(text: str) -> None:
    assert str(parse_type(text)) == text or isinstance(parse_type(text), ObjectOf)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("long", Scalar("long")),
        ("array<map<string>>", ArrayOf(MapOf(Scalar("string")))),
        (
            'object{a: long, "b c"?: any}',
            ObjectOf({"a": Property(Scalar("long")), "b c": Property(Scalar("any"), required=False)}),
        ),
        ("object{}", ObjectOf({})),
    ],
)
def test_the_expressions(text: str, of: DataType) -> None:
    assert (parse_type(text), str(of)) == (of, text)


@pytest.mark.parametrize(
    "text", ["", "array<", "array<long", "array<long>>", "object{a}", "object{a: long, }", "decimal(10, 2)", "<x>",
             'object{"a: long}', "array<" * 65 + "long" + ">" * 65]
)  # fmt: skip
def test_what_is_no_expression_is_one_word(text: str) -> None:
    assert parse_type(text) == Scalar(text)
