"""The rest adapter under test: a shelf on a real socket, and the configuration that describes it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from adapters.conformance.harness import RETRIED, Fault, Harness
from adapters.contract import Adapter, StageField
from adapters.emulators.rest.server import Row, Shelf, serve
from adapters.rest.adapter import RestAdapter
from adapters.rest.config import RestConfig

SECRET = "shelf-s3cret-token"
PAGE = {"style": "cursor", "param": "cursor", "next": "next", "size": "limit", "size_value": 500}
SINCE = {"param": "updated_after", "format": "epoch_ms"}
SHELF: dict[str, Any] = {
    "auth": "bearer",
    "info": {"path": "/info"},
    "models": {
        "path": "/models",
        "one": "/models/{id}",
        "items": "items",
        "page": PAGE,
        "since": SINCE,
        "fields": {
            "name": "name",
            "owner": "owner",
            "tags": "tags",
            "aliases": "aliases",
            "created_at": "epoch_ms(created)",
            "updated_at": "epoch_ms(updated)",
        },
        "sample": {"id": "m1", "name": "churn", "created": 1767225600000, "updated": 1767225600000},
    },
    "versions": {
        "path": "/versions",
        "one": "/versions/{id}",
        "items": "items",
        "model": "model",
        "page": PAGE,
        "since": SINCE,
        "fields": {
            "version": "text(number)",
            "stage": "stage",
            "tags": "tags",
            "metrics": "metrics",
            "creator": "author",
            "artifact_uri": "uri",
            "created_at": "epoch_ms(created)",
            "updated_at": "epoch_ms(updated)",
        },
    },
    "writes": {
        "set_stage": {"path": "/versions/{id}/promote", "body": {"stage": "{value}"}},
        "set_alias": {"method": "PUT", "path": "/models/{id}/aliases", "body": "{aliases}"},
        "set_tags": {"method": "PUT", "path": "/versions/{id}/tags", "body": "{tags}"},
        "set_model_tags": {"method": "PUT", "path": "/models/{id}/tags", "body": "{tags}"},
        "register": {
            "path": "/versions",
            "body": {"name": "{name}", "uri": "{source}", "tags": "{tags}", "token": "{token}"},
        },
        "delete": {"method": "DELETE", "path": "/versions/{id}"},
        "delete_model": {"method": "DELETE", "path": "/models/{id}"},
    },
}
"""The configuration of a registry whose backend is a shelf, without address and token."""


class RestHarness(Harness):
    """A shelf on a socket of its own."""

    adapter_type: ClassVar[type[Adapter]] = RestAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"stage": ("staging", "production")}
    secrets = (SECRET,)
    config: ClassVar[Mapping[str, Any]] = SHELF

    def __init__(self) -> None:
        self.shelf = Shelf(token=SECRET)
        self.server = serve(self.shelf)
        self.fault: Fault | None = None

    def adapter(self) -> Adapter:
        return self._open(self.config)

    def paged(self) -> Adapter:
        def small(collection: Mapping[str, Any]) -> Mapping[str, Any]:
            page = collection.get("page", {})
            # Smaller numbered pages do not begin near every row.
            return {**collection, "page": {**page, "size_value": 5 if page.get("style") == "page" else 2}}

        names = ("models", "versions")
        return self._open({**self.config, **{name: small(self.config[name]) for name in names}})

    def _open(self, config: Mapping[str, Any]) -> Adapter:
        url = f"http://127.0.0.1:{self.server.server_port}/api"
        timeout = 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0
        return RestAdapter(RestConfig(**config, url=url, token=SECRET, timeout=timeout))

    def put(self, model: str) -> str:
        return str(self.shelf.put_version(model)["number"])

    def drop(self, model: str, version: str | None = None) -> None:
        with contextlib.suppress(LookupError):
            self.shelf.drop(
                self._model(model)["id"] if version is None else self._version(model, version)["id"]
            )

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.shelf.fault = fault, fault.value
        try:
            yield
        finally:
            self.fault, self.shelf.fault = None, ""

    def put_model(self, model: str) -> None:
        self.shelf.put_model(model)

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        row = self._model(model) if version is None else self._version(model, version)
        self.shelf.touch(row, tags={**row["tags"], key: value})

    def alias(self, model: str, alias: str, version: str | None) -> None:
        row = self._model(model)
        kept = {name: target for name, target in row["aliases"].items() if name != alias}
        self.shelf.touch(row, aliases=kept if version is None else {**kept, alias: version})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self.shelf.touch(self._version(model, version), stage=value)

    def spoil(self, model: str, version: str) -> None:
        self.shelf.touch(self._version(model, version), number=None)

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        self.shelf.clock = lambda: time.time() + seconds
        try:
            yield
        finally:
            self.shelf.clock = time.time

    def requests(self) -> int:
        return self.shelf.requests

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.shelf.listed = change
        try:
            yield
        finally:
            self.shelf.listed = lambda: None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _model(self, name: str) -> Row:
        found = self.shelf.named(name)
        if found is None:
            raise LookupError(name)
        return found

    def _version(self, model: str, version: str) -> Row:
        rows = self.shelf.of(self._model(model)["id"])
        return next((row for row in rows if str(row["number"]) == version), {})
