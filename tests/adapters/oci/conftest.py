"""Registries: emulated ones, and Debian's docker-registry where it is installed."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from adapters import ModelRecord, VersionRecord
from adapters.emulators.oci import OciRegistry, serve
from adapters.emulators.oci.pushing import Pusher
from adapters.oci import OciAdapter, OciConfig
from gateway.demo.servers import Server
from tests.adapters.scans import scanned


@dataclass
class Site:
    """A registry, hands on it, and a repository of the test's own."""

    url: str
    pusher: Pusher
    repository: str
    registry: OciRegistry | None = None

    def adapter(self, **settings: Any) -> OciAdapter:
        """A new adapter, which reads the test's repository unless it is told otherwise."""
        return OciAdapter(OciConfig(**{"url": self.url, "repositories": (self.repository,), **settings}))

    def only(self, adapter: OciAdapter | None = None) -> tuple[ModelRecord, VersionRecord]:
        """The one model and version there is."""
        adapter = adapter or self.adapter()
        model, version = scanned(adapter).records
        assert isinstance(model, ModelRecord)
        assert isinstance(version, VersionRecord)
        assert adapter.get(model.key) == model
        assert adapter.get(version.key) == version
        return model, version


@contextlib.contextmanager
def emulated(**settings: Any) -> Iterator[Site]:
    """A registry of its own."""
    registry = OciRegistry(key=secrets.token_hex(8), **settings)
    server = serve(registry)
    url = f"http://127.0.0.1:{server.server_port}"
    with Pusher(url, registry.key) as pusher:
        yield Site(url, pusher, "models/churn", registry)
    server.shutdown()
    server.server_close()


Emulate = Callable[..., Site]


@pytest.fixture
def emulate() -> Iterator[Emulate]:
    """Makes emulated registries."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(emulated(**settings))


@pytest.fixture
def emulator(emulate: Emulate) -> Site:
    """One without switches."""
    return emulate()


@pytest.fixture(params=["emulated", "real"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """An emulated registry, and a real one."""
    if request.param == "emulated":
        with emulated() as made:
            yield made
        return
    server: Server = request.getfixturevalue("docker_registry")
    with Pusher(server.url) as pusher:
        yield Site(server.url, pusher, f"models/m{secrets.token_hex(6)}")
