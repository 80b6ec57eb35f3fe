"""Waiting for what another thread or process does: as long as a slow machine needs, and not a moment longer."""

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
F = TypeVar("F", int, socket.socket)
PATIENCE = 60.0
"""Seconds: what a loaded machine may take. Nothing is measured by it."""


def until(holds: Callable[[], T], what: str = "", *, patience: float = PATIENCE) -> T:
    """What `holds` gives once that is true. Errors: `AssertionError`."""
    end = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {patience:g} s: {what or holds}"
        time.sleep(0.02)
    return found


def listens(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def readable(files: Iterable[F], seconds: float) -> list[F]:
    """Those of some descriptors or sockets that can be read within seconds, whatever their numbers: select() knows
    none above 1,023."""
    with selectors.DefaultSelector() as selector:
        for file in files:
            selector.register(file, selectors.EVENT_READ, file)
        return [key.data for key, _ in selector.select(seconds)]
