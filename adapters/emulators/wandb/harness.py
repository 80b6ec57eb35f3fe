"""The wandb adapter under test: an organisation on a real socket, and hands on it past the adapter."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.conformance.harness import Gap
from adapters.contract import Adapter
from adapters.emulators.services import Row
from adapters.emulators.serving import ServedHarness
from adapters.emulators.wandb.organization import Organization
from adapters.wandb.adapter import WandbAdapter
from adapters.wandb.config import WandbConfig

SECRET = "wandb-s3cret-key"


class WandbHarness(ServedHarness):
    """An organisation with one registry."""

    adapter_type: ClassVar[type[Adapter]] = WandbAdapter
    gaps: ClassVar[Mapping[str, Gap]] = {
        "a_version_is_registered": Gap("upstream", "a link keeps no tags: an artifact has words of its own")
    }
    hostile_names: ClassVar[tuple[str, ...]] = ()  # letters, digits and - _ . between them are taken
    prefix = "model/"
    source = "wandb-artifact://research/training/check:v0"
    secrets = (SECRET,)

    def __init__(self) -> None:
        self.organization = Organization(key=SECRET)
        self.organization.registry("model")
        self.organization.log("check")
        super().__init__(self.organization)

    def adapter(self) -> Adapter:
        return WandbAdapter(self.config())

    def config(self, **more: Any) -> WandbConfig:
        """The configuration of a registry on this organisation."""
        known = {"url": self.url, "organization": "acme", "api_key": SECRET, "timeout": self.timeout}
        return WandbConfig(**{**known, **more})

    def put(self, model: str) -> str:
        return f"v{self.organization.put(model)['index']}"

    def put_model(self, model: str) -> None:
        self.organization.collection(model)

    def drop(self, model: str, version: str | None = None) -> None:
        self.organization.drop(model, None if version is None else int(version[1:]))

    def alias(self, model: str, alias: str, version: str | None) -> None:
        index = None if version is None else int(version[1:])
        self.organization.point(self._row(model), alias, index)

    def spoil(self, model: str, version: str) -> None:
        [row] = [row for row in self.organization.of(self._row(model)) if f"v{row['index']}" == version]
        row["artifact"] = "gone"

    def _row(self, model: str) -> Row:
        found = self.organization.named(model)
        if found is None:
            raise LookupError(model)
        return found
