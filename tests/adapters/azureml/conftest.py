"""A workspace for each test, and adapters on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.azureml import AzuremlAdapter, AzuremlConfig, client
from adapters.emulators.azureml import AzureWorkspace, serve
from tests.adapters import opening

Opens = Callable[..., AzuremlAdapter]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    opening.hurry(monkeypatch, client)


@pytest.fixture
def workspace() -> AzureWorkspace:
    return AzureWorkspace()


@pytest.fixture
def opened(workspace: AzureWorkspace) -> Iterator[Opens]:
    def make(**settings: Any) -> AzuremlAdapter:
        place = workspace.kind.replace("ies", "y").rstrip("s")
        known = {"login_url": settings["url"], "subscription": "sub-1", "resource_group": "ml", place: "risk"}
        credential = {} if "client_id" in settings else {"token": workspace.token}
        return AzuremlAdapter(AzuremlConfig(**{**known, **credential, **settings}))

    with opening.opening(serve(workspace), make) as opens:
        yield opens
