"""From Azure ML's JSON to records."""

from collections.abc import Mapping

from adapters.azureml.config import AzuremlConfig
from adapters.azureml.keys import of_model, of_version
from adapters.keys import KeyParts
from adapters.payloads import Raw, part, parts, text, time_of
from adapters.records import Dataset, Lineage, ModelRecord, VersionRecord
from adapters.writing import digest

ACTIVE, ARCHIVED = "Active", "Archived"
READY = "Succeeded"
GENERIC = "python_function"
"""The flavour that every model of MLflow's has."""
COMMIT = ("azureml.git.commit", "mlflow.source.git.commit")
REPOSITORY = ("azureml.git.repository_uri", "mlflow.source.git.repoURL")


def to_model(raw: Raw) -> ModelRecord:
    """A model. That it is archived is a tag of it. Errors: `BadRecordError`."""
    at, said = of_model(raw), part(raw, "properties")
    flags = {"archived": "true"} if said.get("isArchived") is True else {}
    return ModelRecord(
        key=at.model,
        name=at.name,
        description=text(said, "description"),
        tags={**tags_of(raw), **flags},
        created_at=time_of(raw, "systemData", "createdAt"),
        updated_at=time_of(raw, "systemData", "lastModifiedAt"),
        etag=digest(raw),
        native=raw,
    )


def to_version(config: AzuremlConfig, model: KeyParts, raw: Raw) -> VersionRecord:
    """A version of this model. Errors: `BadRecordError`."""
    at, said = of_version(model, raw), part(raw, "properties")
    state = text(said, "provisioningState")
    registry = f"azureml://registries/{config.registry}/models/{at.name}/versions/{at.version}"
    return VersionRecord(
        key=at.key,
        model=at.model,
        version=at.version or "",
        state=None if state in (None, READY) else state,
        description=text(said, "description"),
        stage=text(said, "stage"),
        lifecycle=ARCHIVED if said.get("isArchived") is True else ACTIVE,
        tags=tags_of(raw),
        framework=next((name for name in part(said, "flavors") if name != GENERIC), None),
        creator=text(raw, "systemData", "createdBy"),
        artifact_uri=text(said, "modelUri"),
        addresses=(registry,) if config.registry else (),
        lineage=_lineage(said),
        created_at=time_of(raw, "systemData", "createdAt"),
        updated_at=time_of(raw, "systemData", "lastModifiedAt"),
        etag=digest(raw),
        native=raw,
    )


def tags_of(raw: Mapping[str, object]) -> dict[str, str]:
    """Tags, whose values are texts or nothing."""
    found = part(raw, "properties", "tags")
    return {name: value if isinstance(value, str) else "" for name, value in found.items() if name}


def _lineage(said: Raw) -> Lineage:
    stated = part(said, "properties")
    datasets = [(text(one, "name"), text(one, "id")) for one in parts(said, "datasets")]
    return Lineage(
        run_id=text(said, "jobName"),
        commit=next((found for name in COMMIT if (found := text(stated, name))), None),
        repository=next((found for name in REPOSITORY if (found := text(stated, name))), None),
        datasets=tuple(Dataset(name or uri or "", uri=uri) for name, uri in datasets if name or uri),
    )
