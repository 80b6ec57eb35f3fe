"""A workspace for each test, and adapters on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import pytest

from adapters.azureml import AzuremlAdapter, AzuremlConfig, client
from adapters.emulators.azureml import AzureWorkspace, serve
from adapters.http import HttpClient


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class Opens(Protocol):
    """Makes an adapter on the workspace."""

    def __call__(self, **settings: Any) -> AzuremlAdapter: ...


@pytest.fixture
def workspace() -> AzureWorkspace:
    return AzureWorkspace()


@pytest.fixture
def opened(workspace: AzureWorkspace) -> Iterator[Opens]:
    server = serve(workspace)
    made: list[AzuremlAdapter] = []

    def opens(**settings: Any) -> AzuremlAdapter:
        url = f"http://127.0.0.1:{server.server_port}"
        place = {
            "subscription": "sub-1",
            "resource_group": "ml",
            workspace.kind.replace("ies", "y").rstrip("s"): "risk",
        }
        credential = {} if "client_id" in settings else {"token": workspace.token}
        made.append(
            AzuremlAdapter(AzuremlConfig(**{"url": url, "login_url": url, **place, **credential, **settings}))
        )
        return made[-1]

    yield opens
    for adapter in made:
        adapter.close()
    server.shutdown()
    server.server_close()
