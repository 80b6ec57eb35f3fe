"""An emulator of its own for each test, boto3 on it, and adapters that are closed afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from tests.adapters.sagemaker import aws


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running
        assert running.faults.breaches == []


@pytest.fixture
def boto(emulator: Emulator) -> Iterator[Any]:
    client = aws.client(emulator.url)
    yield client
    client.close()


@pytest.fixture
def connect(emulator: Emulator) -> Iterator[Callable[..., SageMakerAdapter]]:
    """Makes adapters on the emulator; keywords are configuration."""
    made: list[SageMakerAdapter] = []

    def make(**settings: Any) -> SageMakerAdapter:
        made.append(SageMakerAdapter(aws.config(emulator.url, **settings)))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()
