"""A registry of Kubeflow's for each test, and adapters on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.emulators.kubeflow import KubeflowRegistry, serve
from adapters.kubeflow import KubeflowAdapter, KubeflowConfig, client
from tests.adapters import opening

Opens = Callable[..., KubeflowAdapter]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    opening.hurry(monkeypatch, client)


@pytest.fixture
def registry() -> KubeflowRegistry:
    return KubeflowRegistry()


@pytest.fixture
def opened(registry: KubeflowRegistry) -> Iterator[Opens]:
    def make(**settings: Any) -> KubeflowAdapter:
        return KubeflowAdapter(KubeflowConfig(**{"settle": 0, **settings}))

    with opening.opening(serve(registry), make) as opens:
        yield opens
