"""The conformance suite on the emulator."""

from adapters.conformance import Conformance
from tests.adapters.sagemaker.harness import SageMakerHarness


class TestSageMaker(Conformance, harness=SageMakerHarness):
    """Every check that applies to SageMaker."""
