"""The harness of the in-memory adapter: the shortest example of one."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from adapters.conformance.harness import RETRY_AFTER, Fault, Harness
from adapters.contract import Adapter, StageField
from adapters.errors import AdapterError, AuthError, TransientError
from adapters.memory import BACKENDS, MemoryAdapter, MemoryBackend, MemoryConfig
from adapters.records import EndpointRecord, Key, ModelRecord, Traffic, VersionRecord

_numbers = itertools.count()


class MemoryHarness(Harness):
    """A `MemoryBackend` of its own, reached without the adapter."""

    adapter_type: ClassVar[type[Adapter]] = MemoryAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {
        "stage": ("Staging", "Production"),
        "approval": ("Pending", "Approved"),
        "lifecycle": ("Development/Ready", "Production/Approved"),
    }

    def __init__(self) -> None:
        self.name = f"conformance-{next(_numbers)}"
        self.backend = BACKENDS[self.name] = MemoryBackend(identity=self.name, before=self._count)
        self.asked = 0

    def adapter(self) -> Adapter:
        return MemoryAdapter(MemoryConfig(backend=self.name))

    def put(self, model: str) -> str:
        record = self.backend.named(model) or self.backend.model(model, native={"name": model})
        version = f"{len(self.backend.versions(record.key)) + 1}"
        self.backend.add_version(
            record,
            version,
            native={"name": model, "version": version},
            url=f"https://registry.example/versions/{version}",
            artifact_uri=self.source,
        )
        return version

    def drop(self, model: str, version: str | None = None) -> None:
        record = self.backend.named(model)
        if record is None:
            return
        if version is not None:
            self.backend.drop(self._version(model, version).key)
            return
        versions = {v.key for v in self.backend.versions(record.key)}
        serving = [
            e.key
            for e in self.backend.records.values()
            if isinstance(e, EndpointRecord) and versions & {t.version for t in e.traffic}
        ]
        for key in [*serving, record.key]:
            self.backend.drop(key)

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        def fail(call: str) -> None:
            raise _error(fault)

        self.backend.before = fail
        try:
            yield
        finally:
            self.backend.before = self._count

    def put_model(self, model: str) -> None:
        self.backend.model(model, native={"name": model})

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        record = self._model(model) if version is None else self._version(model, version)
        self._change(record, tags={**record.tags, key: value})

    def alias(self, model: str, alias: str, version: str | None) -> None:
        record = self._model(model)
        aliases = {name: target for name, target in record.aliases.items() if name != alias}
        self._change(record, aliases=aliases if version is None else {**aliases, alias: version})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self._change(self._version(model, version), **{field: value})

    def serve(self, endpoint: str, model: str, version: str) -> None:
        traffic = (Traffic(self._version(model, version).key, 100.0),)
        key = Key("endpoint", f"{endpoint}#{self.backend.last + 1}")
        self.backend.put(
            EndpointRecord(key=key, name=endpoint, traffic=traffic, created_at=self.backend.now())
        )

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        now: Callable[[], datetime] = self.backend.now
        self.backend.now = lambda: datetime.now(UTC) + timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.backend.now = now

    def requests(self) -> int:
        return self.asked

    def close(self) -> None:
        BACKENDS.pop(self.name, None)

    def _count(self, call: str) -> None:
        self.asked += 1

    def _model(self, name: str) -> ModelRecord:
        record = self.backend.named(name)
        assert record is not None, f"no model {name}"
        return record

    def _version(self, model: str, version: str) -> VersionRecord:
        return next(v for v in self.backend.versions(self._model(model).key) if v.version == version)

    def _change(self, record: ModelRecord | VersionRecord, **fields: Any) -> None:
        self.backend.put(replace(record, **fields, updated_at=self.backend.now()))


def _error(fault: Fault) -> AdapterError:
    if fault in (Fault.UNAUTHORISED, Fault.FORBIDDEN):
        return AuthError(f"the memory backend is {fault.value}: this is a test, end it")
    wish = RETRY_AFTER if fault is Fault.THROTTLED_UNTIL else None
    return TransientError(f"the memory backend is {fault.value}: this is a test, end it", retry_after=wish)
