"""The kubeflow adapter under test: a registry on a real socket, and hands on it past the adapter."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.conformance.harness import Gap
from adapters.contract import Adapter, StageField
from adapters.emulators.kubeflow.registry import KubeflowRegistry
from adapters.emulators.services import Row
from adapters.emulators.serving import ServedHarness
from adapters.kubeflow.adapter import KubeflowAdapter
from adapters.kubeflow.config import KubeflowConfig

SECRET = "kubeflow-s3cret-token"


class KubeflowHarness(ServedHarness):
    """A registry of its own."""

    adapter_type: ClassVar[type[Adapter]] = KubeflowAdapter
    gaps: ClassVar[Mapping[str, Gap]] = {}
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"lifecycle": ("LIVE", "ARCHIVED")}
    secrets = (SECRET,)

    def __init__(self) -> None:
        self.registry = KubeflowRegistry(token=SECRET)
        self.registry.make("serving_environments", {"name": "production"})
        self.registry.make("registered_models", {"name": "oldest"})  # by which it is known
        super().__init__(self.registry)

    def adapter(self) -> Adapter:
        return KubeflowAdapter(KubeflowConfig(url=self.url, token=SECRET, timeout=self.timeout, settle=0))

    def put(self, model: str) -> str:
        return str(self.registry.put(model)["name"])

    def put_model(self, model: str) -> None:
        self.registry.make("registered_models", {"name": model})

    def drop(self, model: str, version: str | None = None) -> None:
        found = self.registry.named("registered_models", model)
        if found is not None and version is None:
            for service in [*self.registry.tables["inference_services"].values()]:
                if service["registeredModelId"] == found["id"]:
                    self.registry.drop("inference_services", service["id"])
            self.registry.drop("registered_models", found["id"])
        elif found is not None and (row := self._version(found, version)) is not None:
            self.registry.drop("model_versions", row["id"])

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        row = self._row(model, version)
        value_ = {"metadataType": "MetadataStringValue", "string_value": value}
        self.registry.touch(row, customProperties={**row["customProperties"], key: value_})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self.registry.touch(self._row(model, version), state=value)

    def serve(self, endpoint: str, model: str, version: str) -> None:
        [environment] = self.registry.tables["serving_environments"]
        model_id, ident = self._row(model, None)["id"], self._row(model, version)["id"]
        named = {"name": endpoint, "registeredModelId": model_id, "modelVersionId": ident}
        self.registry.make("inference_services", named, environment)

    def spoil(self, model: str, version: str) -> None:
        row = self._row(model, version)
        self.registry.touch(row)
        row["name"] = ""

    def _row(self, model: str, version: str | None) -> Row:
        found = self.registry.named("registered_models", model)
        row = found if found is None or version is None else self._version(found, version)
        if row is None:
            raise LookupError(f"{model} {version}")
        return row

    def _version(self, model: Row, version: str | None) -> Row | None:
        return self.registry.named("model_versions", version or "", model["id"])
