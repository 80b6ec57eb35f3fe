"""An organisation for each test, and adapters on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import pytest

from adapters.emulators.wandb import Organization, serve
from adapters.http import HttpClient
from adapters.wandb import WandbAdapter, WandbConfig, client


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class Opens(Protocol):
    """Makes an adapter on the organisation."""

    def __call__(self, **settings: Any) -> WandbAdapter: ...


@pytest.fixture
def organization() -> Organization:
    return Organization()


@pytest.fixture
def opened(organization: Organization) -> Iterator[Opens]:
    server = serve(organization)
    made: list[WandbAdapter] = []

    def opens(**settings: Any) -> WandbAdapter:
        known = {"organization": "acme", "api_key": organization.key}
        made.append(
            WandbAdapter(
                WandbConfig(**{"url": f"http://127.0.0.1:{server.server_port}", **known, **settings})
            )
        )
        return made[-1]

    yield opens
    for adapter in made:
        adapter.close()
    server.shutdown()
    server.server_close()
