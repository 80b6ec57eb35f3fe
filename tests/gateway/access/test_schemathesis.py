"""Whatever the API's own description allows, and what it does not: no fault of ours, no answer it does not describe."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from tests.gateway.served import Served, served
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


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("gateway"), config=CONFIG) as running:
        yield running


@soak(sample=60, full=20_000)
def test_schemathesis(cases: int, seed: int, gateway: Served) -> list[str]:
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json", timeout=30)
    kinds = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) > 40
    found = [operation.as_strategy(generation_mode=kind) for operation in operations for kind in kinds]
    left_out = [CHECKS.get_one(name) for name in BEYOND_A_SCHEMA]

    @given(st.one_of(*found))
    def answers_as_described(case: Any) -> None:
        response = case.call(timeout=60)
        try:
            case.validate_response(response, excluded_checks=left_out)
        except FailureGroup as group:  # no Exception of Python's, so it would end the soak
            raise AssertionError(f"{case.as_curl_command()}: {group.exceptions}") from None

    return explore(answers_as_described, cases, seed)
