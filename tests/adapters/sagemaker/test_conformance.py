"""The conformance suite on the emulator."""

import pytest
from botocore.retries.bucket import TokenBucket

from adapters.conformance import Conformance
from tests.adapters.sagemaker.harness import SageMakerHarness


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's own pace after a refusal for too many requests is not waited for."""
    monkeypatch.setattr(TokenBucket, "_sleep_amount", lambda bucket, amount: 0)


class TestSageMaker(Conformance, harness=SageMakerHarness):
    """Every check that applies to SageMaker."""
