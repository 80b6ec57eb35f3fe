"""Debian's docker-registry, and the clients that push models to it."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from adapters.conformance import Conformance, Gap
from adapters.emulators.oci.harness import INCARNATIONS, PushingHarness
from gateway.demo.servers import Server

NO_UNTAGGING = Gap("upstream", "docker-registry 2.8.2 takes no tag away")


class RealHarness(PushingHarness):
    """Debian's docker-registry."""

    gaps: ClassVar[Mapping[str, Gap]] = {
        **INCARNATIONS,
        "a_removed_alias_is_seen": NO_UNTAGGING,
        "an_alias_is_set_moved_and_removed": NO_UNTAGGING,
        "other_aliases_stay": NO_UNTAGGING,
    }


@pytest.fixture(scope="module")
def harness(docker_registry: Server) -> Iterator[RealHarness]:
    made = RealHarness(docker_registry.url)
    yield made
    made.close()


class TestReal(Conformance, harness=RealHarness):
    """What can be done without breaking it."""
