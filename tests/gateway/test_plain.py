"""What libraries refuse is told in plain words, with the values that would have done."""

from typing import Annotated, Literal

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from federation.access import Permission
from gateway.parameters import checked
from gateway.plain import plain
from gateway.problems import ProblemError


class Inner(msgspec.Struct):
    colours: list[Literal["red", "green"]]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=3)] = ""
    many: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1
    may: list[Permission] | None = None
    inner: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"many": "abc"}, "many: a whole number is expected, not text"),
        ({"many": 0}, "many: at least 1 is expected"),
        ({"many": 201}, "many: at most 200 is expected"),
        ({"name": "long"}, "name: at most 3 characters are expected"),
        ({"naem": "x"}, "body: naem is not known here: did you mean name?"),
        ({"x": "x"}, "body: x is not known here: known are name, many, may, inner"),
        ({"may": ["red"]}, f"may[0]: 'red' is not known here: known are {', '.join(Permission)}"),
        (
            {"inner": {"a": {"colours": ["red", "blue"]}}},
            "inner[...].colours[1]: 'blue' is not known here: known are",
        ),
        ({"inner": {"a": {}}}, "inner[...]: colours is missing"),
        ([], "body: an object is expected, not a list"),
    ],
)
def test_what_a_request_has_wrong(sent: object, said: str) -> None:
    with pytest.raises(ProblemError) as refused:
        checked(Asked, sent)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (int, "abc", "a whole number is expected"),
        (int, 1.5, "a whole number is expected"),
        (float, "abc", "a number is expected"),
        (bool, "maybe", "true or false is expected"),
        (Annotated[int, msgspec.Meta()], "x", "a whole number is expected"),
    ],
)
def test_what_a_configuration_or_a_command_line_has_wrong(kind: type, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    assert plain(refused.value.errors()[0]["msg"]) == said


def test_what_nobody_has_words_for_stays_as_it_is() -> None:
    assert plain("Value error, a colour is no number") == "a colour is no number"
    assert plain("Something else") == "Something else"
