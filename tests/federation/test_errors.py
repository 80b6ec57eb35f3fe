"""One tree of errors: its branches say what the caller should do, and every dialect prints them from that alone."""

import re
from importlib import import_module
from pkgutil import walk_packages
from typing import ClassVar

import pytest

import federation
import gateway
from federation.errors import (
    DeniedError,
    GoneError,
    InvalidRequestError,
    PreconditionError,
    SetupError,
    StateError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
    WaypostError,
)
from gateway.cli import failure
from gateway.problems import STATUS, explain

LEFT_OUT = re.compile(r"__main__$|\.migrations\.")
ANSWERS = [
    (InvalidRequestError("x"), 422, failure.USAGE),
    (UnauthenticatedError("x"), 401, failure.USAGE),
    (DeniedError("tag", "registry fraud"), 403, failure.USAGE),
    (UnknownError(), 404, failure.USAGE),
    (GoneError("fraud/m:1", None), 410, failure.USAGE),
    (StateError("x"), 409, failure.USAGE),
    (PreconditionError("x"), 412, failure.USAGE),
    (TooManyError("x"), 429, failure.USAGE),
    (SetupError("x"), 503, failure.USAGE),
    (UnavailableError("x"), 503, failure.UNREACHABLE),
]


class LateError(UnavailableError):
    """What a room would add, and nothing else would have to know of."""

    code = "much-too-late"
    retry_after: ClassVar[int | None] = 7


def errors() -> set[type[WaypostError]]:
    """Every error of the tree, once all modules are there."""
    for package in (federation, gateway):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not LEFT_OUT.search(module.name):
                import_module(module.name)
    found, left = set[type[WaypostError]](), [WaypostError]
    while left:
        found.add(one := left.pop())
        left += one.__subclasses__()
    return {one for one in found if one.__module__.startswith(("federation", "gateway"))}


@pytest.mark.parametrize(("error", "status", "exit_code"), ANSWERS, ids=lambda one: type(one).__name__)
def test_each_branch_has_one_status_and_one_exit_code(
    error: WaypostError, status: int, exit_code: int
) -> None:
    assert (explain(error).status, explain(error).name) == (status, error.code)
    assert failure.explain(error) == (str(error), exit_code)


def test_every_branch_is_tried_here() -> None:
    assert set(WaypostError.__subclasses__()) <= {type(error) for error, _, _ in ANSWERS}


def test_every_error_of_the_house_has_a_branch_and_a_code() -> None:
    found = errors()
    assert len(found) > 35
    for one in found - {WaypostError}:
        assert any(kind in STATUS for kind in one.__mro__), one
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.code), one


def test_a_new_error_is_answered_without_a_word_elsewhere() -> None:
    problem = explain(LateError("come again", "db.internal:5432 said no"))
    assert (problem.status, problem.name, str(problem)) == (503, "much-too-late", "come again")
    assert problem.headers == {"Retry-After": "7"}
    operator = "come again (db.internal:5432 said no)"
    assert failure.explain(LateError("come again", "db.internal:5432 said no")) == (
        operator,
        failure.UNREACHABLE,
    )


def test_an_error_that_nobody_foresaw_says_nothing_of_itself() -> None:
    assert (explain(KeyError("hunter2")).status, str(explain(KeyError("hunter2")))) == (
        500, "an error inside Waypost",
    )  # fmt: skip
