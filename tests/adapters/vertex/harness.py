"""The emulator, reached past the adapter, for the conformance suite."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from google.api_core.exceptions import NotFound

from adapters import Adapter
from adapters.conformance import RETRY_AFTER, Fault, Harness
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter, VertexConfig
from federation.blotting import guard
from tests.adapters.vertex.line import ForwardingLine, Mode
from tests.adapters.vertex.vendor import Vendor

SECRET = "1//0g-a-refresh-token-that-nobody-sees"
LINES: dict[Fault, Mode] = {
    Fault.UNREACHABLE: "refuse",
    Fault.GARBAGE: "html",
    Fault.TRUNCATED: "cut",
}
STATUSES: dict[Fault, dict[str, Any]] = {
    Fault.SILENT: {"code": "DEADLINE_EXCEEDED", "message": "Deadline exceeded."},
    Fault.BROKEN: {"code": "INTERNAL", "message": "Internal error encountered."},
    Fault.THROTTLED: {},
    Fault.THROTTLED_UNTIL: {"retry_after": float(RETRY_AFTER)},
    Fault.UNAUTHORISED: {"code": "UNAUTHENTICATED", "message": f"Invalid credential: Bearer {SECRET}"},
    Fault.FORBIDDEN: {"code": "PERMISSION_DENIED", "message": "Permission 'aiplatform.models.list' denied"},
}


class VertexHarness(Harness):
    """An emulator of its own behind a line that can be cut, and the vendor's clients straight on it."""

    adapter_type: ClassVar[type[Adapter]] = VertexAdapter
    hostile_names: ClassVar[tuple[str, ...]] = ()  # a resource id is a-z, 0-9, _ and -
    hostile_values: ClassVar[tuple[str, ...]] = ("", "ümläut-名前_1")  # a label is not much more
    source: ClassVar[str] = "gs://waypost-check/model"
    secrets = (SECRET,)

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.fails = False
        self.emulator = self._stack.enter_context(VertexEmulator())
        self.emulator.state.largest_page = 2
        self.line = self._stack.enter_context(ForwardingLine(self.emulator.address))
        self.vendor = Vendor(self.emulator.address, self.emulator.parent)
        self._stack.callback(self.vendor.close)

    def adapter(self) -> Adapter:
        config = VertexConfig(
            project=self.emulator.project,
            location=self.emulator.location,
            endpoint=self.line.address,
            credentials=json.dumps({"type": "authorized_user", "refresh_token": SECRET}),
            timeout=3.0 if self.fails else 30.0,
            sweep_every=0,
            evaluations_every=0,
            quota_per_minute=1_000_000,
        )
        # As the federation opens it: what the service says back is blotted there.
        return guard(VertexAdapter(config), config)

    def put(self, model: str) -> str:
        return self.vendor.upload(model, default=self.vendor.exists(model))

    def drop(self, model: str, version: str | None = None) -> None:
        for endpoint in list(self.emulator.state.endpoints.values()):
            for deployed in list(endpoint.deployed_models):
                if deployed.model == self.vendor.name(model) and version in (None, deployed.model_version_id):
                    self.vendor.undeploy(endpoint.name, deployed.id)
        with contextlib.suppress(NotFound):
            self.vendor.delete(model if version is None else f"{model}@{version}")

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        if fault in STATUSES:
            self.emulator.faults.fail("*", times=1_000_000, **STATUSES[fault])
        else:
            self.line.set(LINES[fault])
        self.fails = fault not in (Fault.UNAUTHORISED, Fault.FORBIDDEN)  # those are not tried again
        try:
            yield
        finally:
            self.fails = False
            self.emulator.faults.clear()
            if fault in LINES:
                self.line.set("through")

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        held = self.emulator.state.models[self.vendor.name(model)]
        labels = held.labels if version is None else held.versions[version].labels
        name = model if version is None else f"{model}@{version}"
        self.vendor.update(name, "labels", labels={**labels, key: value})

    def alias(self, model: str, alias: str, version: str | None) -> None:
        if version is not None:
            self.vendor.alias(model, version, alias)
            return
        for each in self.vendor.versions(model):
            if alias in each.version_aliases:
                self.vendor.alias(model, each.version_id, f"-{alias}")

    def serve(self, endpoint: str, model: str, version: str) -> None:
        self.vendor.deploy(self.vendor.endpoint(endpoint), f"{model}@{version}")

    def spoil(self, model: str, version: str) -> None:
        self.emulator.state.models[self.vendor.name(model)].versions[version].id = ""

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        self.emulator.state.clock = lambda: time.time() + seconds
        try:
            yield
        finally:
            self.emulator.state.clock = time.time

    def requests(self) -> int:
        return sum(self.emulator.faults.calls.values())

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        faults = self.emulator.faults
        faults.answered = lambda method: change() if method.startswith("List") else None
        try:
            yield
        finally:
            faults.answered = None

    def close(self) -> None:
        self._stack.close()
