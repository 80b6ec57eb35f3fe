"""Waiting for what another thread or process does: as long as a slow machine needs, and not a moment longer."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
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
