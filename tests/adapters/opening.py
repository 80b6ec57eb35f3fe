"""Adapters on an emulated service, for the tests of one kind: opened as often as a test likes, closed at its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from types import ModuleType
from typing import Any, Protocol, TypeVar

import pytest

from adapters.http import HttpClient


class Closes(Protocol):
    """An adapter."""

    def close(self) -> None: ...


A = TypeVar("A", bound=Closes)


def hurry(monkeypatch: pytest.MonkeyPatch, client: ModuleType) -> None:
    """Retries of a kind are made, and not waited for. `client` is the module with its client."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


@contextmanager
def opening(server: ThreadingHTTPServer, make: Callable[..., A]) -> Iterator[Callable[..., A]]:
    """What opens an adapter: `make(url=…)` with the settings that a test gives."""
    made: list[A] = []

    def opens(**settings: Any) -> A:
        made.append(make(**{"url": f"http://127.0.0.1:{server.server_port}", **settings}))
        return made[-1]

    try:
        yield opens
    finally:
        for adapter in made:
            adapter.close()
        server.shutdown()
        server.server_close()
