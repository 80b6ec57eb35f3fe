"""A registry of Kubeflow's for each test, and adapters on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import pytest

from adapters.emulators.kubeflow import KubeflowRegistry, serve
from adapters.http import HttpClient
from adapters.kubeflow import KubeflowAdapter, KubeflowConfig, client


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class Opens(Protocol):
    """Makes an adapter on the registry."""

    def __call__(self, **settings: Any) -> KubeflowAdapter: ...


@pytest.fixture
def registry() -> KubeflowRegistry:
    return KubeflowRegistry()


@pytest.fixture
def opened(registry: KubeflowRegistry) -> Iterator[Opens]:
    server = serve(registry)
    made: list[KubeflowAdapter] = []

    def opens(**settings: Any) -> KubeflowAdapter:
        url = f"http://127.0.0.1:{server.server_port}"
        made.append(KubeflowAdapter(KubeflowConfig(**{"url": url, "settle": 0, **settings})))
        return made[-1]

    yield opens
    for adapter in made:
        adapter.close()
    server.shutdown()
    server.server_close()
