"""The enclosure: a sound adapter over the memory backend, with hooks where the broken ones of the zoo break it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from adapters import (
    Adapter,
    AdapterConfig,
    AdapterError,
    BackendInfo,
    BadRecordError,
    Deleted,
    Key,
    Mark,
    ModelRecord,
    NewModel,
    Page,
    Record,
    Registration,
    StageField,
    VersionRecord,
    Watermark,
)
from adapters.conformance.memory import MemoryHarness
from adapters.memory import MemoryAdapter, MemoryConfig

SECRET = "zoo-s3cret/with+signs"
SPOILED: dict[str, set[Key]] = {}
TORN: set[str] = set()
"""Backends whose listings come without tags and aliases."""
LISTED: dict[str, Callable[[], None]] = {}
"""What is called when a page of a backend's is put together."""


class ZooConfig(MemoryConfig):
    token: SecretStr = Field(default=SecretStr(SECRET), description="credential of the zoo")


class Sound(MemoryAdapter):
    """Passes every check. Animals override `record`, `page` or `error`, or a method of the contract."""

    kind: ClassVar[str] = "zoo"
    config_type: ClassVar[type[AdapterConfig]] = ZooConfig
    breaks: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.name = config.backend
        self.token: SecretStr = config.token

    def record(self, record: Any) -> Any:
        """Every record on its way out."""
        return record

    def torn(self, record: Any) -> Any:
        """A record of which a listing lacks what another statement fills."""
        if isinstance(record, ModelRecord):
            return replace(record, tags={}, aliases={})
        return replace(record, tags={}) if isinstance(record, VersionRecord) else record

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        """Every page on its way out."""
        return page

    def error(self, error: AdapterError) -> Exception:
        """Every error on its way out."""
        return error

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except AdapterError as error:
            raise self.error(error) from None

    def probe(self) -> BackendInfo:
        with self.errors():
            return super().probe()

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        with self.errors():
            for found in super().scan(since=since, limit=limit, resume=resume):
                LISTED.get(self.name, lambda: None)()
                yield self.page(self.shown(found), since, limit)

    def shown(self, page: Page) -> Page:
        """A page as the backend's state lets it be seen."""
        spoiled = SPOILED.get(self.name, set())
        rows = [self.torn(r) for r in page.records] if self.name in TORN else page.records
        good = tuple(r if isinstance(r, Deleted) else self.record(r) for r in rows if r.key not in spoiled)
        bad = tuple(
            BadRecordError("a version has no number: repair it in the zoo", native=r.key.native_id)
            for r in page.records
            if r.key in spoiled
        )
        return replace(page, records=good, bad=bad)

    def get(self, key: Key) -> Record:
        with self.errors():
            if key in SPOILED.get(self.name, set()) and key in self.backend.records:
                raise BadRecordError("a version has no number: repair it in the zoo", native=key.native_id)
            return self.record(super().get(key))  # type: ignore[no-any-return]

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        with self.errors():
            return self.record(super().set_stage(key, field, value, etag=etag))  # type: ignore[no-any-return]

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        with self.errors():
            return self.record(super().set_alias(key, alias, version, etag=etag))  # type: ignore[no-any-return]

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        with self.errors():
            return self.record(super().set_tags(key, tags, etag=etag))  # type: ignore[no-any-return]

    def register(self, registration: Registration) -> VersionRecord:
        with self.errors():
            return self.record(super().register(registration))  # type: ignore[no-any-return]

    def create_model(self, model: NewModel) -> ModelRecord:
        with self.errors():
            return self.record(super().create_model(model))  # type: ignore[no-any-return]

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        with self.errors():
            return [self.record(one) for one in super().rename(key, name, etag=etag)]

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        with self.errors():
            return self.record(super().describe(key, text, etag=etag))  # type: ignore[no-any-return]

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        with self.errors():
            super().delete(key, etag=etag)


class ZooHarness(MemoryHarness):
    """A memory backend that also has bad records and a credential, and whose models change with their versions."""

    adapter_type: ClassVar[type[Adapter]] = Sound
    secrets = (SECRET,)

    def adapter(self) -> Adapter:
        return self.adapter_type(self.adapter_type.config_type(backend=self.name))  # type: ignore[call-arg]

    def put(self, model: str) -> str:
        if self.backend.named(model) is not None:
            self._change(self._model(model))
        return super().put(model)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        LISTED[self.name] = change
        try:
            yield
        finally:
            del LISTED[self.name]

    @contextlib.contextmanager
    def torn(self) -> Iterator[None]:
        TORN.add(self.name)
        try:
            yield
        finally:
            TORN.discard(self.name)

    def spoil(self, model: str, version: str) -> None:
        SPOILED.setdefault(self.name, set()).add(self._version(model, version).key)

    def close(self) -> None:
        SPOILED.pop(self.name, None)
        super().close()


def breaks(*checks: str) -> Any:
    """Name the checks that an animal fails, all of them."""

    def name(animal: type[Sound]) -> type[Sound]:
        animal.breaks = frozenset(checks)
        return animal

    return name
