"""The unity adapter under test: a metastore on a real socket, and hands on it past the adapter."""

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.conformance.harness import Gap
from adapters.contract import Adapter
from adapters.emulators.services import ServiceRefusalError
from adapters.emulators.serving import ServedHarness
from adapters.emulators.unity.metastore import Metastore
from adapters.unity.adapter import UnityAdapter
from adapters.unity.config import UnityConfig

SECRET = "unity-s3cret-token"


class UnityHarness(ServedHarness):
    """Databricks' metastore, with one schema."""

    adapter_type: ClassVar[type[Adapter]] = UnityAdapter
    gaps: ClassVar[Mapping[str, Gap]] = {}
    hostile_names: ClassVar[tuple[str, ...]] = ()  # neither dots nor spaces, slashes or controls are taken
    prefix = "main.default."
    secrets = (SECRET,)

    def __init__(self) -> None:
        self.metastore = Metastore(token=SECRET)
        super().__init__(self.metastore)

    def adapter(self) -> Adapter:
        return UnityAdapter(self.config())

    def config(self, **more: Any) -> UnityConfig:
        """The configuration of a registry on this metastore."""
        known = {"url": self.url, "token": SECRET, "timeout": self.timeout, "tags": True}
        return UnityConfig(**{**known, **more})

    def put(self, model: str) -> str:
        return str(self.metastore.put(model)["version"])

    def put_model(self, model: str) -> None:
        self.metastore.create(model)

    def drop(self, model: str, version: str | None = None) -> None:
        with contextlib.suppress(ServiceRefusalError):
            self.metastore.drop(model, None if version is None else int(version))

    def alias(self, model: str, alias: str, version: str | None) -> None:
        self.metastore.point(model, alias, None if version is None else int(version))

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        row = self.metastore.model(model)
        (row if version is None else row["versions"][int(version)])["tags"][key] = value

    def spoil(self, model: str, version: str) -> None:
        self.metastore.model(model)["versions"][int(version)]["id"] = "a/b"
