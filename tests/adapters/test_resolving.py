"""A name that is not looked up keeps nobody longer than he would wait for anything else."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from adapters import resolving
from adapters.outgoing import HttpError, ask
from adapters.resolving import addresses


class Resolver:
    """The system's resolver, which answers for names only when it is let."""

    def __init__(self) -> None:
        self.let, self.asked = threading.Event(), 0
        self._real = socket.getaddrinfo

    def __call__(self, host: str, port: int, **chosen: Any) -> Any:
        if chosen.get("flags") or host == "127.0.0.1":
            return self._real(host, port, **chosen)
        self.asked += 1
        self.let.wait(60)
        return self._real("127.0.0.1", port, **chosen)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.let.set()
    for thread in threading.enumerate():
        if thread.name == "resolver":
            thread.join(60)
    assert resolving._under_way == {}


def test_who_asks_waits_no_longer_than_the_deadline(resolver: Resolver) -> None:
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(HttpError, match="its name is not looked up") as raised:
            ask("GET", "http://models.example/", seconds=0.05, most=100)
        assert raised.value.reason == "unconnected"
    assert time.monotonic() - began < 20
    assert resolver.asked == 1, "a look-up that hangs is waited for, not begun again"


def test_what_hangs_is_bounded_and_heals(resolver: Resolver) -> None:
    for number in range(resolving.MOST + 5):
        with pytest.raises(TimeoutError):
            addresses(f"h{number}.example", 80, 0.0)
    assert resolver.asked <= resolving.MOST
    assert addresses("127.0.0.1", 80, 0.0)[0][4] == ("127.0.0.1", 80), "an address is no name"
    resolver.let.set()
    for thread in threading.enumerate():
        if thread.name == "resolver":
            thread.join(60)
    assert addresses("h0.example", 80, 10.0)[0][4] == ("127.0.0.1", 80)


def test_a_name_that_leads_nowhere_says_so() -> None:
    with pytest.raises(HttpError, match="its name leads nowhere"):
        ask("GET", "http://no-such-name.invalid/", seconds=20.0, most=100)
