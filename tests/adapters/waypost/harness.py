"""The suite's hands on another gateway: on the backend behind it, which that gateway then reads."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from adapters.conformance.harness import HOSTILE_NAMES, RETRIED, Fault
from adapters.conformance.memory import MemoryHarness
from adapters.contract import Adapter, StageField
from adapters.emulators.services import serve
from adapters.portions import Portion
from adapters.waypost import WaypostAdapter, WaypostConfig
from tests.adapters.waypost.gateways import Door, gateway, registry

INNER = "shelf"


class WaypostHarness(MemoryHarness):
    """A gateway with a registry in memory; names of models have that in front here."""

    adapter_type: ClassVar[type[Adapter]] = WaypostAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {}
    prefix: ClassVar[str] = f"{INNER}/"
    hostile_names: ClassVar[tuple[str, ...]] = tuple(f"{INNER}/{name}" for name in HOSTILE_NAMES)

    def __init__(self) -> None:
        super().__init__()
        self._held = contextlib.ExitStack()
        folder = self._held.enter_context(tempfile.TemporaryDirectory())
        inner = registry(INNER, "memory", backend=self.name)
        self.inner = self._held.enter_context(gateway(Path(folder), inner, auth="token"))
        self.token = self.inner.token("reader", ("viewer", "*"))
        self.secrets = (self.token,)
        self.door = Door(behind=self.inner.url)
        self.server = serve(self.door)
        self.fault: Fault | None = None
        self.inner.sync(INNER)

    def adapter(self) -> Adapter:
        url = f"http://127.0.0.1:{self.server.server_port}"
        timeout = 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0
        return WaypostAdapter(WaypostConfig(url=url, token=self.token, timeout=timeout))

    def paged(self) -> Adapter:
        adapter = self.adapter()
        assert isinstance(adapter, WaypostAdapter)
        adapter._api._portion = Portion(2)
        return adapter

    def put(self, model: str) -> str:
        version = super().put(_inside(model))
        self._read()
        return version

    def drop(self, model: str, version: str | None = None) -> None:
        super().drop(_inside(model), version)
        self._read()

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.door.fault = fault, fault.value
        try:
            yield
        finally:
            self.fault, self.door.fault = None, ""

    def put_model(self, model: str) -> None:
        super().put_model(_inside(model))
        self._read()

    def alias(self, model: str, alias: str, version: str | None) -> None:
        super().alias(_inside(model), alias, version)

    def serve(self, endpoint: str, model: str, version: str) -> None:
        super().serve(endpoint, _inside(model), version)
        self._read()

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        super().tag(_inside(model), version, key, value)

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        super().stage(_inside(model), version, field, value)

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        clock = self.door.clock
        self.door.clock = lambda: clock() + seconds
        try:
            with super().skew(seconds):
                yield
        finally:
            self.door.clock = clock

    def requests(self) -> int:
        return len(self.door.asked)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.door.listed = change
        try:
            yield
        finally:
            self.door.listed = lambda: None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.door.client.close()
        self._held.close()
        super().close()

    def _change(self, record: Any, **fields: Any) -> None:
        super()._change(record, **fields)
        self._read()

    def _read(self) -> None:
        state = self.inner.sync(INNER)
        assert state == "ok", self.inner.errors(INNER)


def _inside(model: str) -> str:
    return model.removeprefix(f"{INNER}/")
