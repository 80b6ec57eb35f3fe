"""The azureml adapter under test: a workspace on a real socket, and hands on it past the adapter."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.azureml.adapter import AzuremlAdapter
from adapters.azureml.config import AzuremlConfig
from adapters.conformance.harness import Gap
from adapters.contract import Adapter, StageField
from adapters.emulators.azureml.workspace import AzureWorkspace
from adapters.emulators.services import Row
from adapters.emulators.serving import ServedHarness

SECRET = "azure-s3cret-token"


class AzuremlHarness(ServedHarness):
    """A workspace of its own."""

    adapter_type: ClassVar[type[Adapter]] = AzuremlAdapter
    gaps: ClassVar[Mapping[str, Gap]] = {}
    hostile_names: ClassVar[tuple[str, ...]] = ("x" * 200,)  # letters, digits and - _ . are taken
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {
        "stage": ("Staging", "Production"),
        "lifecycle": ("Active", "Archived"),
    }
    source = "azureml://datastores/store/paths/check/model.bin"
    secrets = (SECRET,)

    def __init__(self) -> None:
        self.workspace = AzureWorkspace(token=SECRET)
        super().__init__(self.workspace)

    def adapter(self) -> Adapter:
        return AzuremlAdapter(self.config())

    def config(self, **more: Any) -> AzuremlConfig:
        """The configuration of a registry on this workspace."""
        place = {"subscription": "sub-1", "resource_group": "ml", "workspace": "risk"}
        return AzuremlConfig(**{"url": self.url, "token": SECRET, "timeout": self.timeout, **place, **more})

    def put(self, model: str) -> str:
        return str(self.workspace.put(model)["name"])

    def put_model(self, model: str) -> None:
        self.workspace.create(model)

    def drop(self, model: str, version: str | None = None) -> None:
        self.workspace.drop(model, version)

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        row = self._row(model, version)
        self.workspace.touch(row, tags={**row["properties"]["tags"], key: value})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        changed = {"stage": value} if field == "stage" else {"isArchived": value == "Archived"}
        self.workspace.touch(self._row(model, version), **changed)

    def spoil(self, model: str, version: str) -> None:
        self._row(model, version)["systemData"] = {"createdAt": "a/b"}

    def _row(self, model: str, version: str | None) -> Row:
        found: Row = self.workspace.models[model]
        return found if version is None else found["versions"][version]
