"""Vertex AI's messages as records. Pure functions over the raw messages of the vendor's library.

What has no field of its own in a `VertexRecord` becomes a parameter (searched as `param.NAME:`):
`source_type` and `source_copy` (`model_source_info`), `container_image`, `instance_schema_uri`,
`parameters_schema_uri`, `prediction_schema_uri`, `explanation_method`. The message itself is the record's
`native`, in the names of the REST API, without the values of the serving container's environment, which
often hold secrets.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from adapters.errors import BadRecordError, InvalidError
from adapters.naming import reference
from adapters.records import (
    HIDDEN,
    Dataset,
    EndpointRecord,
    Environment,
    Image,
    Key,
    Lineage,
    ModelRecord,
    Parent,
    Traffic,
    Unread,
    VersionRecord,
)
from adapters.vertex.keys import ProjectLocation, key_of, model_id_of, model_key, version_key, version_number
from adapters.writing import digest

CONSOLE = "https://console.cloud.google.com/vertex-ai"
TOKEN_LABEL = "waypost-token"
"""The label that makes a repeated registration recognisable."""
_FRAMEWORK = re.compile(
    r"/(?:prediction|training)/(sklearn|xgboost|pytorch|tf2?)[-.](?:[cgt]pu\.(\d+(?:-\d+)*))?"
)
_FRAMEWORK_NAMES = {"tf": "tensorflow", "tf2": "tensorflow"}
_MODEL = re.compile(r"(projects/[^/]+/locations/[^/]+)/models/([^/@]+)(?:@(.+))?")
_METRIC_DEPTH = 4
_METRICS = 200


class RelatedMessages(NamedTuple):
    """What other messages say of a version: its evaluations, and the pipeline that trained it, where one did."""

    evaluations: tuple[Any, ...] = ()
    training: Any = None
    refused: Mapping[str, str] = MappingProxyType({})
    """By method: why this credential may not ask."""


NO_ORIGINS = RelatedMessages()


def shared_labels(versions: Iterable[Any]) -> dict[str, str]:
    """What can be seen of the labels of the model itself."""
    return alike([dict(version.labels) for version in versions])


def alike(shown: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all show with the same value."""
    first, *others = shown or [{}]
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def visible(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that are somebody's, without the one this adapter sets."""
    return {key: value for key, value in labels.items() if key != TOKEN_LABEL}


def aliases_of(versions: Iterable[Any]) -> dict[str, str]:
    """Alias → version id, over all versions of a model."""
    return {alias: version.version_id for version in versions for alias in version.version_aliases}


def to_model(place: ProjectLocation, versions: list[Any]) -> ModelRecord:
    """The model that all these versions belong to. `versions` is every version, none left out.

    Raises BadRecordError where the message makes no sense.
    """
    newest = max(versions, key=version_number)
    name = model_id_of(newest)
    labels, aliases = visible(shared_labels(versions)), aliases_of(versions)
    written = [newest.display_name, newest.description, labels, aliases]
    return ModelRecord(
        key=model_key(newest),
        name=name,
        title=newest.display_name or None,
        description=newest.description or None,
        owner=labels.get("owner"),
        license=labels.get("license"),
        tags=labels,
        aliases=aliases,
        created_at=_time(newest.create_time),
        updated_at=_time(newest.update_time),
        etag=digest(written, 32),
        url=f"{CONSOLE}/models/locations/{place.location}/models/{name}?project={place.project}",
        native={
            "name": place.model(name),
            "displayName": newest.display_name,
            "description": newest.description,
            "labels": labels,
            "createTime": f"{_time(newest.create_time) or ''}",
            "updateTime": f"{_time(newest.update_time) or ''}",
        },
    )


def to_version(place: ProjectLocation, message: Any, origins: RelatedMessages = NO_ORIGINS) -> VersionRecord:
    """One version with what other messages say of it. Raises BadRecordError where the message makes no sense."""
    name = model_id_of(message)
    evaluations = sorted(
        origins.evaluations, key=lambda each: (each.create_time.seconds, each.create_time.nanos)
    )
    try:
        native = _native(message)
        native["evaluations"] = [_json(each) for each in evaluations]
        return VersionRecord(
            key=version_key(message),
            model=model_key(message),
            version=message.version_id,
            description=message.version_description or None,
            tags=visible(message.labels),
            metrics=_metrics(evaluations),
            params=_attributes(message),
            framework=_framework(message),
            license=message.labels.get("license") or None,
            owner=message.labels.get("owner") or None,
            artifact_uri=message.artifact_uri or None,
            addresses=(_address(f"{_parent(message)}/models/{name}@{message.version_id}"),),
            lineage=_lineage(place, message, (*_trained_on(origins.training), *_measured_on(evaluations))),
            environment=_environment(message),
            created_at=_time(message.version_create_time),
            updated_at=_time(message.version_update_time),
            etag=message.etag or digest([dict(message.labels), message.version_description], 32),
            url=f"{CONSOLE}/models/locations/{place.location}/models/{name}/versions/{message.version_id}"
            f"?project={place.project}",
            native=native,
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRecordError(
            f"version {name}:{message.version_id} cannot be understood: {error}", native=message.name
        ) from None


def to_endpoint(
    place: ProjectLocation, message: Any, served: Mapping[tuple[str, str], Key]
) -> EndpointRecord:
    """One endpoint. `served` has the key of each deployed version, by model id and version.

    What is deployed from another project or location has no key here: it stays in `native` only.
    """
    name = str(message.name).rpartition("/")[2]
    percent: Counter[Key] = Counter()
    unknown: list[str] = []
    for deployed in message.deployed_models:
        which = deployed_version(message, deployed)
        key = served.get(which) if which else None
        if key is not None:
            percent[key] = min(100, percent[key] + _share(message, deployed))
        elif which and not which[1]:
            unknown.append(f"which version of {which[0]} was deployed is not said")
    return EndpointRecord(
        key=key_of("endpoint", name, message.create_time),
        name=message.display_name or name,
        state="DEPLOYED" if message.deployed_models else "EMPTY",
        live=any(_share(message, deployed) > 0 for deployed in message.deployed_models),
        traffic=tuple(Traffic(key, float(share)) for key, share in sorted(percent.items())),
        unread=Unread(("traffic",), f"endpoint {name}: {'; '.join(unknown)}") if unknown else None,
        created_at=_time(message.create_time),
        updated_at=_time(message.update_time),
        etag=message.etag or None,
        url=f"{CONSOLE}/online-prediction/locations/{place.location}/endpoints/{name}?project={place.project}",
        native=_json(message),
    )


def deployed_version(endpoint: Any, deployed: Any) -> tuple[str, str] | None:
    """Model id and version (`""` where it is not said) of a deployment, or None where the model lives in another
    project or location.
    """
    found = _MODEL.fullmatch(deployed.model)
    if found is None or found[1] != _parent(endpoint):
        return None
    named = found[3] or ""
    return found[2], deployed.model_version_id or (named if named.isdecimal() else "")


def _share(endpoint: Any, deployed: Any) -> int:
    """The percentage of an endpoint's requests that one deployment takes.

    A private endpoint has no split: each deployment there is called at an address of its own. A public endpoint
    without one takes no requests.
    """
    if endpoint.traffic_split:
        return int(endpoint.traffic_split.get(deployed.id, 0))
    private = (
        endpoint.network
        or endpoint.enable_private_service_connect
        or endpoint.private_service_connect_config.enable_private_service_connect
        or deployed.HasField("private_endpoints")
    )
    return 100 if private else 0


def shared(
    message: Any, served: Mapping[tuple[str, str], Key], shares: Mapping[Key, float]
) -> dict[str, int]:
    """The traffic split of an endpoint by its deployments' ids. Errors: `InvalidError` where it cannot be so."""
    if any(percent != int(percent) for percent in shares.values()):
        raise InvalidError("Vertex AI shares traffic by whole percentages")
    if not message.traffic_split:
        raise InvalidError(
            "this endpoint has no traffic split: each of its deployments has an address of its own"
        )
    split = dict.fromkeys((str(one.id) for one in message.deployed_models), 0)
    left = {key: int(percent) for key, percent in shares.items()}
    for one in message.deployed_models:
        which = deployed_version(message, one)
        key = served.get(which) if which else None
        if key is not None and key in left:
            split[str(one.id)] = left.pop(key)  # where a version is deployed twice, the first takes it all
    return split


def _parent(message: Any) -> str:
    """Project and location as the service names them in its answers, where the project is a number."""
    return "/".join(str(message.name).split("/")[:4])


def _native(message: Any) -> dict[str, Any]:
    native = _json(message)
    native.pop("updateTime", None)  # the model's: each new version would change all the others
    for variable in native.get("containerSpec", {}).get("env", ()):
        variable["value"] = HIDDEN
    return native


def _json(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import Error, MessageToDict

    try:
        as_dict: dict[str, Any] = MessageToDict(message)
    except (Error, ValueError):  # a number that JSON cannot hold: metrics may be NaN
        return {"name": message.name}
    return as_dict


def _metrics(evaluations: Iterable[Any]) -> dict[str, float]:
    """Every number of every evaluation, the newest winning; nested names are joined with a dot."""
    found: dict[str, float] = {}
    for evaluation in evaluations:
        found |= dict(_numbers(evaluation.metrics, "", _METRIC_DEPTH))
    return dict(list(found.items())[:_METRICS])


def _numbers(value: Any, name: str, depth: int) -> Iterator[tuple[str, float]]:
    kind = value.WhichOneof("kind")
    if kind == "number_value" and name and math.isfinite(value.number_value):
        yield name, value.number_value
    elif kind == "struct_value" and depth:
        for key in sorted(value.struct_value.fields):
            inner = value.struct_value.fields[key]
            yield from _numbers(inner, f"{name}.{key}" if name else key, depth - 1)


def _attributes(message: Any) -> dict[str, str]:
    info, schemata = message.model_source_info, message.predict_schemata
    source = (
        type(info).DESCRIPTOR.fields_by_name["source_type"].enum_type.values_by_number.get(info.source_type)
    )
    explanation = message.explanation_spec.parameters.WhichOneof("method")
    found = {
        "source_type": source.name if source is not None and info.source_type else "",
        "source_copy": "true" if info.copy else "",
        "container_image": message.container_spec.image_uri,
        "instance_schema_uri": schemata.instance_schema_uri,
        "parameters_schema_uri": schemata.parameters_schema_uri,
        "prediction_schema_uri": schemata.prediction_schema_uri,
        "explanation_method": explanation or "",
    }
    return {name: value for name, value in found.items() if value}


def _framework(message: Any) -> str | None:
    if label := message.labels.get("framework"):
        return str(label)
    found = _FRAMEWORK.search(message.container_spec.image_uri)
    return _FRAMEWORK_NAMES.get(found[1], found[1]) if found else None


def _environment(message: Any) -> Environment:
    """The serving container's image, and what the name of one of Google's says of the framework inside."""
    address = str(message.container_spec.image_uri)
    if not address:
        return Environment()
    found = _FRAMEWORK.search(address)
    inside = {_FRAMEWORK_NAMES.get(found[1], found[1]): (found[2] or "").replace("-", ".")} if found else {}
    return Environment(images=(Image.at(address),), libraries=inside)


def _lineage(place: ProjectLocation, message: Any, datasets: Iterable[Dataset]) -> Lineage:
    job = message.pipeline_job or None
    run = message.labels.get("run_id") or message.training_pipeline or None
    job_id = message.pipeline_job.rpartition("/")[2]
    return Lineage(
        run_id=run,
        run_url=f"{CONSOLE}/pipelines/locations/{place.location}/runs/{job_id}?project={place.project}"
        if job
        else None,
        commit=message.labels.get("git_commit") or None,
        pipeline=job,
        datasets=tuple(dict.fromkeys(datasets)),
        parents=tuple(_parents(message)),
    )


def _trained_on(pipeline: Any) -> Iterator[Dataset]:
    """The Vertex AI dataset that a training pipeline took."""
    dataset = str(pipeline.input_data_config.dataset_id) if pipeline is not None else ""
    if dataset:
        yield Dataset(dataset, uri=_address(f"{_parent(pipeline)}/datasets/{dataset}"), role="training")


def _measured_on(evaluations: Iterable[Any]) -> Iterator[Dataset]:
    """The data of evaluations, which those of Vertex AI's own pipelines name."""
    for evaluation in evaluations:
        given = evaluation.metadata.struct_value.fields.get("evaluation_dataset_path")
        if given is None:
            continue
        several = given.list_value.values if given.WhichOneof("kind") == "list_value" else [given]
        for uri in (each.string_value for each in several if each.string_value):
            yield Dataset.at(uri, "evaluation")


def _parents(message: Any) -> Iterator[Parent]:
    base, parent = message.base_model_source, _parent(message)
    if garden := base.model_garden_source.public_model_name:
        yield Parent(_reference(parent, garden, base.model_garden_source.version_id), "base")
    if genie := base.genie_source.base_model_uri:
        yield Parent(_reference(parent, genie), "base")
    if original := message.original_model_info.model:
        yield Parent(_reference(parent, original), "copy")


def _reference(parent: str, resource: str, version: str = "") -> str:
    """How a record names this resource: `ID:3` under `parent`, a model elsewhere by its address, else
    `publishers/google/models/NAME:VERSION`.
    """
    found = _MODEL.fullmatch(resource)
    if found is not None:
        return reference(found[2], found[3]) if found[1] == parent else _address(resource)
    name, _, named_version = resource.partition("@")
    name = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    if not name.startswith(("publishers/", "projects/")):
        name = f"publishers/google/models/{name}"
    version = version or named_version
    return reference(name, version or None)


def _address(resource: str) -> str:
    """The full resource name, which says what service it belongs to."""
    return f"//aiplatform.googleapis.com/{resource}"


def _time(moment: Any) -> datetime | None:
    """The moment, or None where the service gave none, or one that no calendar has."""
    if not moment.seconds and not moment.nanos:
        return None
    try:
        found: datetime = moment.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found
