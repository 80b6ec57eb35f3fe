"""MLflow's language of filters and orders, read without a server."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.catalogue.catalogue import Order
from gateway.mlflow.grammar import (
    MODELS,
    VERSIONS,
    Clause,
    like,
    read_filter,
    read_order,
    read_token,
    token_of,
)
from gateway.mlflow.names import files_of, meant_name, shown_name, version_at
from gateway.problems import ProblemError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("name = 'a'", [Clause("name", "=", "a")]),
        ('name="a b"  AND  tag.x != "y"', [Clause("name", "=", "a b"), Clause("x", "!=", "y", True)]),
        ("tags.`a.b c` iLike '%x%'", [Clause("a.b c", "ILIKE", "%x%", True)]),
        ("attribute.name not  in ('a', \"b\")", [Clause("name", "NOT IN", ("a", "b"))]),
        ("version_number>=3 and run_id IN ('x')", [Clause("version_number", ">=", 3), Clause("run_id", "IN", ("x",))]),
        ("name = 'it''s and = that'", [Clause("name", "=", "it''s and = that")]),
    ],
)  # fmt: skip
def test_a_filter_is_read(text: str, found: list[Clause]) -> None:
    assert read_filter(text, VERSIONS) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name", "Invalid clause(s) in filter string: name"),
        ("name = 'a' OR name = 'b'", "Invalid clause(s) in filter string: OR name = 'b'"),
        ("name = 'a', name = 'b'", "Invalid clause(s) in filter string: , name = 'b'"),
        (
            "metrics.a = 'b'",
            "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', 'tags')",
        ),
        ("owner = 'b'", "Invalid attribute key 'owner' specified. Valid keys are '{'name'}'"),
        (
            "name = 3",
            "Expected a quoted string value or a list of quoted string values for attributes. Got value 3",
        ),
        (
            "name = b",
            "Parameter value is either not quoted or unidentified quote types used for string value b.",
        ),
        ("name > 'b'", "Invalid comparator for attribute: >"),
        ("tags.a > 'b'", "Invalid comparator for tag: >"),
        ("tags.a = 3", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 3"),
        ("name IN ()", "expected a non-empty list of string values, but got empty list"),
        ("name IN (,)", "expected a non-empty list of string values, but got ill-formed list."),
        ("name IN ('a', 2)", "but got different type in list"),
        ("name = true", "Invalid clause(s) in filter string: name = true"),
    ],
)
def test_a_mistake_is_told_in_mlflows_words(text: str, said: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(said)) as error:
        read_filter(text, MODELS)
    assert error.value.status == 400


def test_an_order_is_total() -> None:
    assert read_order((), MODELS) == (Order("name"),)
    assert read_order(["timestamp desc"], MODELS) == (Order("updated", False), Order("name"))
    assert read_order((), VERSIONS) == (Order("updated", False), Order("name"), Order("version", False))
    assert read_order(["version_number"], VERSIONS) == (Order("version"), Order("name"))
    with pytest.raises(ProblemError, match="Invalid attribute key 'run_id' specified"):
        read_order(["name", "run_id DESC"], VERSIONS)
    for wrong in (["owner"], ["name UP"], ["name", "name DESC"], [""], ["a b c"]):
        with pytest.raises(ProblemError):
            read_order(wrong, MODELS)


@given(st.text(alphabet="ab%_", max_size=8), st.text(alphabet="ab", max_size=8))
def test_like_is_sqls(pattern: str, text: str) -> None:
    expected = re.fullmatch(re.escape(pattern).replace("%", ".*").replace("_", "."), text) is not None
    assert like(text, pattern) is expected


@given(st.text(alphabet="ab%_", max_size=8), st.text(alphabet="ab", max_size=8))
def test_a_token_belongs_to_its_search(asked: str, other: str) -> None:
    token = token_of(["a", 3], asked)
    assert read_token(token, asked) == ["a", 3]
    for wrong in (token[:-4], "x", token_of(["a"], f"{asked}x"), "W10=", "e30="):
        with pytest.raises(ProblemError):
            read_token(wrong, asked)


@given(st.text(min_size=1))
def test_names_and_paths_come_back(name: str) -> None:
    shown = shown_name(name)
    assert meant_name(shown) == name and "/" not in shown and ":" not in shown
    sound: Any = name.encode("utf-8", "replace").decode()
    path = files_of(sound, sound)
    assert re.fullmatch("[A-Za-z0-9_.~-]+/[A-Za-z0-9_.~-]+", path)
    assert version_at(f"/{path}/data/model.pkl") == (sound, sound, "data/model.pkl")
