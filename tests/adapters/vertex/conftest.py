"""An emulator for each test, the vendor's own clients on it, and adapters."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter, VertexConfig
from tests.adapters.vertex.vendor import Vendor


@pytest.fixture
def emulator() -> Iterator[VertexEmulator]:
    with VertexEmulator() as running:
        yield running


@pytest.fixture
def vendor(emulator: VertexEmulator) -> Iterator[Vendor]:
    client = Vendor(emulator.address, emulator.parent)
    yield client
    client.close()


MakeAdapter = Callable[..., VertexAdapter]


@pytest.fixture
def make_adapter(emulator: VertexEmulator) -> Iterator[MakeAdapter]:
    """An adapter on the emulator; keywords go into its configuration."""
    made: list[VertexAdapter] = []

    def make(**options: Any) -> VertexAdapter:
        place = {"project": emulator.project, "location": emulator.location, "endpoint": emulator.address}
        made.append(VertexAdapter(VertexConfig(**{**place, "timeout": 60.0, **options})))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


@pytest.fixture
def adapter(make_adapter: MakeAdapter) -> VertexAdapter:
    return make_adapter()
