"""Waiting for what another thread or process does: as long as a slow machine needs, and hardly longer."""

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
F = TypeVar("F", int, socket.socket)
PATIENCE = 60.0
"""Seconds: what a loaded machine may take. Nothing is measured by it."""
SOONEST, SELDOMEST = 0.02, 0.2
"""Seconds between two looks."""


def until(holds: Callable[[], T], what: str = "", *, patience: float = PATIENCE) -> T:
    """What `holds` gives once that is true. Errors: `AssertionError`."""
    began = time.monotonic()
    while not (found := holds()):
        waited = time.monotonic() - began
        assert waited < patience, f"not within {patience:g} s: {what or holds}"
        # To ask takes time from whoever is waited for: the longer it takes, the seldomer.
        time.sleep(min(SELDOMEST, max(SOONEST, waited / 10)))
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
