"""What a team does with its registry, through the vendor's own clients."""

from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import field_mask_pb2

from adapters.emulators.vertex import VertexEmulator, endpoint_client, model_client, pipeline_client

TIMEOUT = 60.0
UNTIL_TOLD = 3600.0
"""Seconds that an operation takes which is to end by `finish`."""


def finish(emulator: VertexEmulator) -> None:
    """End the operations that are under way; whatever comes later takes no time."""
    emulator.state.operation_seconds = 0.0
    for pending in list(emulator.state.operations.values()):
        pending.due = 0.0


class Vendor:
    """A team's hands on its project: every call goes over the socket."""

    def __init__(self, address: str, parent: str) -> None:
        self.parent = parent
        self.models: Any = model_client(address)
        self.endpoints: Any = endpoint_client(address)
        self.pipelines: Any = pipeline_client(address)

    def close(self) -> None:
        self.models.transport.close()
        self.endpoints.transport.close()
        self.pipelines.transport.close()

    def name(self, model: str) -> str:
        """`ID` or `ID@VERSION` as a resource name."""
        return f"{self.parent}/models/{model}"

    def upload(self, model: str, *, default: bool = False, **fields: Any) -> str:
        """A new model, or a new version of one that exists; answers the version."""
        fields = {"display_name": model, "artifact_uri": f"gs://bucket/{model}", **fields}
        if default:
            fields["version_aliases"] = [*fields.get("version_aliases", ()), "default"]
        request = v1.UploadModelRequest(parent=self.parent, model=v1.Model(**fields))
        if self.exists(model):
            request.parent_model = self.name(model)
        else:
            request.model_id = model
        done = self.models.upload_model(request, timeout=TIMEOUT).result(timeout=TIMEOUT)
        return str(done.model_version_id)

    def exists(self, model: str) -> bool:
        request = v1.ListModelsRequest(parent=self.parent, filter=f"model={model}")
        return bool(list(self.models.list_models(request, timeout=TIMEOUT)))

    def get(self, model: str) -> Any:
        return self.models.get_model(name=self.name(model), timeout=TIMEOUT)

    def versions(self, model: str) -> list[Any]:
        return list(self.models.list_model_versions(name=self.name(model), timeout=TIMEOUT))

    def alias(self, model: str, version: str, *changes: str) -> Any:
        """Give aliases to a version; `-alias` takes one from it."""
        name = self.name(f"{model}@{version}")
        return self.models.merge_version_aliases(name=name, version_aliases=changes, timeout=TIMEOUT)

    def update(self, model: str, *paths: str, **fields: Any) -> Any:
        """Write fields of a model (`ID`) or version (`ID@3`)."""
        asked = v1.Model(name=self.name(model), **fields)
        mask = field_mask_pb2.FieldMask(paths=paths or tuple(f for f in fields if f != "etag"))
        return self.models.update_model(model=asked, update_mask=mask, timeout=TIMEOUT)

    def evaluate(self, model: str, metrics: dict[str, Any]) -> Any:
        evaluation = v1.ModelEvaluation(metrics_schema_uri="gs://schema", metrics=metrics)
        return self.models.import_model_evaluation(
            parent=self.name(model), model_evaluation=evaluation, timeout=TIMEOUT
        )

    def training(self, dataset: str) -> str:
        """A training pipeline on a Vertex AI dataset; answers its resource name."""
        config = v1.InputDataConfig(dataset_id=dataset) if dataset else None
        pipeline = v1.TrainingPipeline(display_name="train", input_data_config=config)
        made = self.pipelines.create_training_pipeline(parent=self.parent, training_pipeline=pipeline)
        return str(made.name)

    def delete(self, model: str) -> None:
        """Delete a model (`ID`) or a version (`ID@3`)."""
        call = self.models.delete_model_version if "@" in model else self.models.delete_model
        call(name=self.name(model), timeout=TIMEOUT).result(timeout=TIMEOUT)

    def endpoint(self, display_name: str, **fields: Any) -> str:
        """A new endpoint; answers its resource name."""
        endpoint = v1.Endpoint(display_name=display_name, **fields)
        done = self.endpoints.create_endpoint(parent=self.parent, endpoint=endpoint, timeout=TIMEOUT)
        return str(done.result(timeout=TIMEOUT).name)

    def deploy(self, endpoint: str, model: str, split: dict[str, int] | None = None) -> str:
        """Deploy `ID@VERSION`; key `0` of the split is the new deployment. Answers the deployment's id."""
        done = self.endpoints.deploy_model(
            endpoint=endpoint,
            deployed_model=v1.DeployedModel(model=self.name(model)),
            traffic_split={"0": 100} if split is None else split,
            timeout=TIMEOUT,
        )
        return str(done.result(timeout=TIMEOUT).deployed_model.id)

    def undeploy(self, endpoint: str, deployed: str) -> None:
        """Take a deployment away, and its traffic with it."""
        left = {k: s for k, s in self.split(endpoint).items() if k != deployed}
        call = self.endpoints.undeploy_model
        call(endpoint=endpoint, deployed_model_id=deployed, traffic_split=left, timeout=TIMEOUT).result(
            timeout=TIMEOUT
        )

    def split(self, endpoint: str) -> dict[str, int]:
        return dict(self.endpoints.get_endpoint(name=endpoint, timeout=TIMEOUT).traffic_split)
