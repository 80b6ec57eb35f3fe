"""Whatever the API's own description allows, and what it does not: no fault of ours, no answer it does not describe."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from tests.gateway.served import Served, served
from tests.patience import until
from tests.soak import explore, soak

CONFIG = """
[[registries]]
name = "alpha"
kind = "memory"
team = "risk"
sync_every = 0
writable = true
"""
BEYOND_A_SCHEMA = ("positive_data_acceptance", "negative_data_rejection")
"""References, times and queries have grammars of their own; a schema can neither tell nor forbid what they refuse."""


MODELS = 3
STEPS = 6
"""Requests of a walk, at most."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that knows a few models."""
    with served(tmp_path_factory.mktemp("gateway"), config=CONFIG) as running:
        for number in range(MODELS):
            body = {"model": f"model-{number}", "source": f"s3://models/{number}"}
            running.client.post("/registries/alpha/versions", json=body).raise_for_status()
        until(lambda: running.client.get("/search").json()["models"] == MODELS, "the models are found")
        yield running


@soak(sample=15, full=20_000)
def test_schemathesis(cases: int, seed: int, gateway: Served) -> list[str]:
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json", timeout=30)
    kinds = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) > 40
    found = [operation.as_strategy(generation_mode=kind) for operation in operations for kind in kinds]

    @given(st.one_of(*found))
    def answers_as_described(case: Any) -> None:
        as_described(case, case.call(timeout=60))

    return explore(answers_as_described, cases, seed)


@soak(sample=3, full=2_000)
def test_schemathesis_walks(cases: int, seed: int, gateway: Served) -> list[str]:
    """Sequences of requests, each made of what an earlier one answered: what was found is changed and deleted."""
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json", timeout=30)
    wrong: list[str] = []

    class Walk(schema.as_state_machine()):  # type: ignore[misc]  # made anew for each description
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"timeout": 60}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            try:
                as_described(case, response)
            except AssertionError as error:  # kept, not raised: Hypothesis would try to repeat what can't be
                wrong.append(str(error))

    # The gateway remembers the walks before, so that one may go on otherwise when it is tried again: that is no fault.
    return wrong + [
        line
        for line in explore(Walk, cases, seed, stateful_step_count=STEPS, phases=[Phase.generate])
        if not line.startswith("hypothesis.errors.Flaky")
    ]


def as_described(case: Any, response: Any) -> None:
    """Hold an answer to the description. Errors: AssertionError with the command that asks for it."""
    try:
        case.validate_response(response, excluded_checks=[CHECKS.get_one(name) for name in BEYOND_A_SCHEMA])
    except FailureGroup as group:  # no Exception of Python's, so it would end the soak
        raise AssertionError(f"{case.as_curl_command()}: {group.exceptions}") from None
