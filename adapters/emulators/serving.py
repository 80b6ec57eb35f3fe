"""What harnesses of emulated HTTP services have in common: faults, clocks and pages are the service's own."""

import contextlib
import time
from collections.abc import Callable, Iterator

from adapters.conformance.harness import RETRIED, Fault, Harness
from adapters.contract import Adapter
from adapters.emulators.services import EmulatedService, serve

SMALL, LARGE = 2, 1_000_000
"""Rows of a page."""


class ServedHarness(Harness):
    """One emulated service on a socket of its own."""

    def __init__(self, service: EmulatedService) -> None:
        self.service = service
        self.server = serve(service)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.fault: Fault | None = None

    @property
    def timeout(self) -> float:
        """Seconds that adapters made now wait."""
        return 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.service.fault = fault, fault.value
        try:
            yield
        finally:
            self.fault, self.service.fault = None, ""

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        self.service.clock = lambda: time.time() + seconds
        try:
            yield
        finally:
            self.service.clock = time.time

    def requests(self) -> int:
        return len(self.service.asked)

    def paged(self) -> Adapter:
        self.service.largest = SMALL
        return self.adapter()

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.service.listed = change
        try:
            yield
        finally:
            self.service.listed, self.service.largest = (lambda: None), LARGE

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
