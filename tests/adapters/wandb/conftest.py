"""An organisation for each test, and adapters on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.emulators.wandb import Organization, serve
from adapters.wandb import WandbAdapter, WandbConfig, client
from tests.adapters import opening

Opens = Callable[..., WandbAdapter]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    opening.hurry(monkeypatch, client)


@pytest.fixture
def organization() -> Organization:
    return Organization()


@pytest.fixture
def opened(organization: Organization) -> Iterator[Opens]:
    def make(**settings: Any) -> WandbAdapter:
        known = {"organization": "acme", "api_key": organization.key}
        return WandbAdapter(WandbConfig(**{**known, **settings}))

    with opening.opening(serve(organization), make) as opens:
        yield opens
