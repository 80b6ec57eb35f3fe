"""A metastore for each test, and adapters on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.emulators.unity import Metastore, serve
from adapters.unity import UnityAdapter, UnityConfig, client
from tests.adapters import opening

Opens = Callable[..., UnityAdapter]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    opening.hurry(monkeypatch, client)


@pytest.fixture
def metastore() -> Metastore:
    return Metastore()


@pytest.fixture(params=["databricks", "open source"])
def either(request: pytest.FixtureRequest, metastore: Metastore) -> Metastore:
    """A metastore of Databricks', and one of an open-source server."""
    metastore.is_databricks = request.param == "databricks"
    return metastore


@pytest.fixture
def opened(metastore: Metastore) -> Iterator[Opens]:
    def make(**settings: Any) -> UnityAdapter:
        return UnityAdapter(UnityConfig(**settings))

    with opening.opening(serve(metastore), make) as opens:
        yield opens
