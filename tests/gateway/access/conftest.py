"""One gateway with registries of two teams for the tests that only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.access.gate import Gate, gate

TEAMS = (("fraud", "risk"), ("images", "vision"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gateway for everybody on this machine."""
    with gate(tmp_path_factory.mktemp("local"), config="", teams=TEAMS[:1]) as found:
        yield found


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Gate]:
    with gate(tmp_path, teams=TEAMS) as found:
        yield found
