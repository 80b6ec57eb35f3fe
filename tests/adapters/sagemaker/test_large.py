"""An answer that is larger than allowed is asked for in smaller pages."""

import json
from collections.abc import Callable
from typing import Any

from adapters.sagemaker import SageMakerAdapter
from tests.adapters.sagemaker.aws import package, scan

CARD = json.dumps({"model_overview": {"model_description": "x" * 90_000}})


def test_pages_are_as_large_as_an_answer_may_be(boto: Any, connect: Callable[..., SageMakerAdapter]) -> None:
    for _ in range(30):
        package(boto, "wide", ModelCard={"ModelCardContent": CARD, "ModelCardStatus": "Draft"})
    found = scan(connect(max_response_mb=1)).versions()
    assert len(found) == 30
