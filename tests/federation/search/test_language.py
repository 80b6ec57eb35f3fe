"""The search language: what it understands, and what it says about a mistake."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from federation.search.fields import BY_NAME
from federation.search.language import parse
from federation.search.syntax import (
    AllOf,
    AnyOf,
    Between,
    Everything,
    Is,
    Node,
    Not,
    Phrase,
    Qualifier,
    QuerySyntaxError,
    Word,
    quoted,
)

DAY = 86_400.0
NEW_YEAR_2026 = 1_767_225_600.0


def qualifier(text: str) -> Qualifier:
    found = parse(text)
    assert isinstance(found, Qualifier)
    return found


def test_words_next_to_each_other_must_all_match() -> None:
    assert parse("fraud detector") == AllOf((Word("fraud", False, 0, 5), Word("detector", False, 6, 14)))


def test_or_binds_looser_than_juxtaposition() -> None:
    found = parse("a b OR c")
    assert isinstance(found, AnyOf)
    assert isinstance(found.children[0], AllOf)


def test_parentheses_minus_and_phrases() -> None:
    found = parse('-(a OR "b c") d*')
    assert found == AllOf((
        Not(AnyOf((Word("a", False, 2, 3), Phrase("b c", 7, 12)))),
        Word("d", True, 14, 16),
    ))  # fmt: skip


@pytest.mark.parametrize("text", ["", "   ", "*", "**"])
def test_nothing_typed_finds_everything(text: str) -> None:
    assert parse(text) == Everything()


def test_a_list_takes_or_or_nothing_between_its_values() -> None:
    expected = (Is("staging", False), Is("production", False))
    assert qualifier("stage:(staging OR production)").matches == expected
    assert qualifier("stage:(staging production)").matches == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tag.git.commit:abc", "git.commit"),
        ("tag.mlflow-source:abc", "mlflow-source"),
        ("tag.größe/x:abc", "größe/x"),
        ('tag."a: (b)":abc', "a: (b)"),
        ('param."say \\"hi\\"":abc', 'say "hi"'),
    ],
)
def test_any_name_works_after_the_dot(text: str, key: str) -> None:
    assert qualifier(text).key == key


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("metric.auc:>0.9", Between(0.9, None, low_included=False)),
        ("metric.auc:>=0.9", Between(0.9, None)),
        ("metric.auc:<-1e-3", Between(None, -0.001, high_included=False)),
        ("metric.auc:0.5..0.9", Between(0.5, 0.9)),
        ("metric.auc:..0.9", Between(None, 0.9)),
        ("metric.auc:0.5..*", Between(0.5, None)),
        ("metric.auc:1", Between(1.0, 1.0)),
        ("param.lr:>1e-4", Between(1e-4, None, low_included=False)),
        ("param.lr:1e-4", Is("1e-4", False)),
        ("param.depth:3..5", Between(3.0, 5.0)),
        ("tag.path:a..b", Is("a..b", False)),
        ("created:>=2026-01-01", Between(NEW_YEAR_2026, None)),
        ("created:2026-01-01", Between(NEW_YEAR_2026, NEW_YEAR_2026 + DAY - 1e-6)),
        ("updated:<2026", Between(None, NEW_YEAR_2026, high_included=False)),
        ("updated:2026-01-01T00:00:00Z..2026-01-01T01:00:00+01:00", Between(NEW_YEAR_2026, NEW_YEAR_2026)),
        ("license:apache*", Is("apache", True)),
        ('license:"apache*"', Is("apache*", False)),
        ("depends_on:fraud/encoder:3", Is("fraud/encoder:3", False)),
        ("STAGE:Production", Is("Production", False)),
        ("is:stale", Is("stale", False)),
    ],
)
def test_a_qualifier_takes_values_ranges_and_dates(text: str, match: Is | Between) -> None:
    assert qualifier(text).matches == (match,)


def test_a_day_ends_before_the_next_begins() -> None:
    after = qualifier("created:>2026-01-01").matches[0]
    assert isinstance(after, Between)
    assert isinstance(after.low, float)
    assert NEW_YEAR_2026 + DAY - 1e-3 < after.low < NEW_YEAR_2026 + DAY


@pytest.mark.parametrize(
    "text", ["fraud/model:3", "model-x:3", "resnet:3", "models:/a/3", "a:b/c"[:0] + "x.y/z"]
)
def test_a_reference_can_be_pasted(text: str) -> None:
    assert parse(text) == Word(text, False, 0, len(text))


@pytest.mark.parametrize(
    ("text", "position", "says", "expects"),
    [
        ("fraud stge:production", 6, "stage:", "stage:"),
        ("stage:", 6, "too early", "a value"),
        ("(fraud", 6, "too early", "a closing parenthesis"),
        ("fraud)", 5, "does not fit", "the end of the query"),
        ('a "b', 2, "never closed", 'a closing "'),
        ("a OR", 4, "too early", "a word"),
        ("OR a", 0, "does not fit", "a word"),
        ("stage:()", 7, "does not fit", "a value"),
        ("metric.auc:>high", 12, "not a number", "a number"),
        ("metric.auc:nan", 11, "not a number", "a number"),
        ("metric.auc:1e999", 11, "not a number", "a number"),
        ("metric:>1", 6, "needs the name", "metric.NAME:"),
        ("tag.:x", 4, "empty", "tag.NAME:"),
        ("stage.x:y", 5, "no name", "stage:"),
        ("stage:>production", 6, "cannot be compared", "a value"),
        ("created:yesterday", 8, "not a date", "a date such as 2026-01-31"),
        ("created:2026-13-01", 8, "not a date", "a date such as 2026-01-31"),
        ("has:wings", 4, "does not know", "has:schema"),
        ("churn -has:", 11, "has: needs a value. It knows schema, ", "has:schema"),
        ("(has", 4, "The query ends too early.", "a closing parenthesis"),
        ("metric.auc:..", 11, "at least one end", "a number"),
        ("a" * 3_000, 2_000, "longer than", None),
        ("(" * 100, 40, "nested", None),
        ("-" * 100 + "a", 40, "nested", None),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_was_expected(
    text: str, position: int, says: str, expects: str | None
) -> None:
    with pytest.raises(QuerySyntaxError, match=says) as caught:
        parse(text)
    assert caught.value.position == position
    assert expects is None or expects in caught.value.expected


PIECES = st.sampled_from([
    "fraud", "stage:", "tag.", "metric.auc:",
    "param.x:", "created:", "has:", "is:", "depends_on:", ">", ">=", "<",
    "..", "2026-01-01",
    "1e400", "0.5", "-", "OR", "AND", "(", ")", '"', "\\", "*", ":", ".", " ", "\n", "ü",
    "\x00", "\ud800", "/",
    "@", "%", "9" * 400, "..5", "5..",
])  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map("".join)))
def test_whatever_is_typed_is_understood_or_a_mistake_with_a_place(text: str) -> None:
    try:
        parse(text)
    except QuerySyntaxError as problem:
        assert 0 <= problem.position <= len(text)
        assert problem.message


@given(st.sampled_from(tuple(BY_NAME)), st.text(max_size=20))
def test_every_qualifier_survives_every_value(field: str, value: str) -> None:
    head = f"{field}.x" if field in ("tag", "metric", "param") else field
    try:
        found: Node = parse(f"{head}:{value}")
    except QuerySyntaxError:
        return
    assert found is not None


@example("OR")
@example("AND")
@given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' "\\*()<>-~:.'), min_size=1))
def test_any_name_is_asked_for_as_it_is_written(name: str) -> None:
    assume(name.strip() == name)
    assert parse(f"model:{quoted(name)}") == Qualifier(
        "model", None, (Is(name, False),), 0, len(f"model:{quoted(name)}")
    )
    word = quoted(name, also=":")
    found = parse(word)
    assert isinstance(found, Phrase if word.startswith('"') else Word) and found.text == name
