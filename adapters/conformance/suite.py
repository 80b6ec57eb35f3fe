"""The suite as a pytest class."""

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

from adapters.conformance.check import Check
from adapters.conformance.checks import CHECKS
from adapters.conformance.harness import Harness
from adapters.conformance.run import perform, unknown_gaps


class Conformance:
    """Inherit this, name your harness, and every check that applies is a test of yours:

        class TestAcme(Conformance, harness=AcmeHarness): ...

    A harness whose constructor takes arguments (the address of a server that runs for the session) comes
    from a fixture called `harness` in the author's module, with scope `module`; `harness=` then only says
    which checks apply.
    """

    harness_type: ClassVar[type[Harness]]

    def __init_subclass__(cls, harness: type[Harness] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if harness is None:
            return
        cls.harness_type = harness
        unknown = unknown_gaps(harness)
        if unknown:
            raise TypeError(
                f"{harness.__qualname__} marks gaps in checks that do not exist: {', '.join(unknown)}"
            )
        if not _takes_arguments(harness):
            cls.harness = _fixture(harness)  # type: ignore[attr-defined]

    @classmethod
    def pytest_generate_tests(cls, metafunc: Any) -> None:
        """One test for each check that applies."""
        if "check" in metafunc.fixturenames:
            checks = [check for check in CHECKS if check.not_applicable(cls.harness_type) is None]
            metafunc.parametrize("check", checks, ids=[check.name for check in checks])

    def test_conforms(self, check: Check, harness: Harness) -> None:
        """The adapter does what the check proves, or fails as its gap says."""
        perform(check, harness)


def _takes_arguments(harness: type[Harness]) -> bool:
    parameters = inspect.signature(harness).parameters.values()
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _fixture(harness: type[Harness]) -> object:
    """A fixture that makes the harness once for the class. Imports pytest, which only tests need."""
    import pytest

    def make(cls: type) -> Iterator[Harness]:
        made = harness()
        yield made
        made.close()

    return pytest.fixture(scope="class", name="harness")(classmethod(make))  # type: ignore[arg-type]
