"""A small SageMaker model registry in memory, for demos and tests: boto3 speaks to it as it speaks to AWS.

It is driven by botocore's own service model: every request and every answer is checked against the shapes,
required members, enums, lengths and patterns. As a process: `python -m adapters.emulators.sagemaker --port 0`;
in a test: `with Emulator() as emulator`.
"""

from adapters.emulators.sagemaker.account import Account
from adapters.emulators.sagemaker.demo import seed
from adapters.emulators.sagemaker.faults import Faults
from adapters.emulators.sagemaker.server import Emulator

__all__ = ["Account", "Emulator", "Faults", "seed"]
