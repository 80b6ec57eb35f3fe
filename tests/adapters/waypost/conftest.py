"""Gateways on sockets, and backends in memory for them to read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.memory import BACKENDS, MemoryBackend
from tests.adapters.waypost.gateways import SocketGateway, gateway

Starts = Callable[..., SocketGateway]


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    """Starts gateways: a name, and its registries as the file has them."""
    with ExitStack() as held:

        def start(name: str, *registries: str, auth: str = "local") -> SocketGateway:
            return held.enter_context(gateway(tmp_path / name, *registries, auth=auth))

        yield start


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Callable[[str], MemoryBackend]]:
    """Backends in memory, by the name that `registry(…, backend=NAME)` gives."""
    made: list[str] = []

    def make(name: str) -> MemoryBackend:
        made.append(name)
        return BACKENDS.setdefault(name, MemoryBackend(identity=f"memory:{name}"))

    yield make
    for name in made:
        BACKENDS.pop(name, None)
