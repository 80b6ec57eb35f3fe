"""A metastore for each test, and adapters on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import pytest

from adapters.emulators.unity import Metastore, serve
from adapters.http import HttpClient
from adapters.unity import UnityAdapter, UnityConfig, client


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class Opens(Protocol):
    """Makes an adapter on the metastore."""

    def __call__(self, **settings: Any) -> UnityAdapter: ...


@pytest.fixture
def metastore() -> Metastore:
    return Metastore()


@pytest.fixture
def opened(metastore: Metastore) -> Iterator[Opens]:
    server = serve(metastore)
    made: list[UnityAdapter] = []

    def opens(**settings: Any) -> UnityAdapter:
        made.append(
            UnityAdapter(UnityConfig(**{"url": f"http://127.0.0.1:{server.server_port}", **settings}))
        )
        return made[-1]

    yield opens
    for adapter in made:
        adapter.close()
    server.shutdown()
    server.server_close()
