"""SageMaker's answers as records. Pure: what is needed besides an answer is passed in."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from adapters.errors import BadRecordError
from adapters.parsing import parse_json
from adapters.payloads import at, parts, text
from adapters.records import (
    Column,
    Dataset,
    EndpointRecord,
    Key,
    Lineage,
    ModelRecord,
    Parent,
    Schema,
    Traffic,
    Unread,
    VersionRecord,
)
from adapters.sagemaker.keys import Raw, is_package, key_of, moment, version_of
from adapters.sagemaker.software import environment_of, framework_of, without_values
from adapters.writing import digest

_JOB = ("training_details", "training_job_details")
S = TypeVar("S")
T = TypeVar("T")


def understood(make: Callable[[S], T], row: S, native: str) -> T:
    """What `make` gives. Errors: BadRecordError with the native name where the row cannot be understood."""
    try:
        return make(row)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        found = f"{type(error).__name__}: {error}"[:120]
    raise BadRecordError(f"{native} cannot be understood ({found}): look at it in SageMaker", native=native)


def group_record(group: Raw) -> ModelRecord:
    """A model package group as a model; its AWS tags are the model's tags."""
    name, description = group["ModelPackageGroupName"], group.get("ModelPackageGroupDescription")
    return _model(group, group["ModelPackageGroupArn"], name, description, None)


def unversioned_record(package: Raw) -> ModelRecord:
    """An unversioned package as a model of its own; its AWS tags are the model's tags."""
    arn, name = package["ModelPackageArn"], package["ModelPackageName"]
    url = _console(arn, f"model-packages/{name}")
    return _model(package, arn, name, package.get("ModelPackageDescription"), url)


def _model(row: Raw, arn: str, name: str, description: str | None, url: str | None) -> ModelRecord:
    tags = _tags(row)
    return ModelRecord(
        key=key_of("model", arn, row["CreationTime"]),
        name=name,
        description=description,
        owner=_said(tags, "owner") or _person(row.get("CreatedBy")),
        license=_said(tags, "license"),
        tags=tags,
        created_at=moment(row["CreationTime"]),
        etag=digest([tags], 20),
        url=url,
        native=without_values(row),
    )


def version_record(package: Raw, model: Key, dependencies: tuple[str, ...], walked: Lineage) -> VersionRecord:
    """A model package as a version.

    Its tags are the customer metadata. `dependencies` are the other packages its containers hold, `walked` is
    what the lineage graph added.
    """
    containers = containers_of(package)
    main: Raw = containers[0] if containers else {}
    tags = dict(package.get("CustomerMetadataProperties") or {})
    said = {
        "description": package.get("ModelPackageDescription"),
        "license": _said(tags, "license"),
        "owner": _said(tags, "owner"),
        "lineage.run_id": (package.get("MetadataProperties") or {}).get("GeneratedBy") or walked.run_id,
    }
    card, unread = _card(package, said)
    framework = framework_of(main, tags)
    approval, lifecycle = package.get("ModelApprovalStatus"), lifecycle_of(package)
    return VersionRecord(
        key=key_of("version", package["ModelPackageArn"], package["CreationTime"]),
        model=model,
        version=version_of(package),
        description=said["description"] or text(card, "model_overview", "model_description"),
        approval=approval,
        lifecycle=lifecycle,
        tags=tags,
        metrics=dict(_metrics(card)),
        params=dict(_params(card)),
        state=_state(package),
        framework=framework,
        license=said["license"] or text(card, "additional_information", "custom_details", "license"),
        owner=said["owner"] or text(card, "model_overview", "model_owner"),
        creator=_person(package.get("CreatedBy")),
        schema=_schema(package),
        artifact_uri=artifact_of(main) or artifact_of(_algorithm(package)) or package.get("SourceUri"),
        artifact_digest=_digest(main),
        addresses=(package["ModelPackageArn"],),
        lineage=_lineage(package, card, dependencies, walked),
        environment=environment_of(containers, framework),
        created_at=moment(package["CreationTime"]),
        updated_at=moment(package.get("LastModifiedTime")),
        etag=digest([tags, approval, lifecycle], 20),
        native=without_values(package),
        unread=unread,
    )


def endpoint_record(
    endpoint: Raw, shares: Mapping[Key, float], live: bool, unknown: Iterable[str] = ()
) -> EndpointRecord:
    """An endpoint; `shares` gives the percentage of its requests that may reach each version."""
    name, missing = endpoint["EndpointName"], "; ".join(unknown)
    changes = [
        endpoint["EndpointStatus"],
        endpoint.get("LastModifiedTime"),
        endpoint.get("InferenceComponents"),
    ]
    return EndpointRecord(
        key=key_of("endpoint", endpoint["EndpointArn"], endpoint["CreationTime"]),
        name=name,
        state=endpoint["EndpointStatus"],
        live=live,
        traffic=tuple(Traffic(version, round(share, 6)) for version, share in shares.items()),
        unread=Unread(("traffic",), f"endpoint {name}: {missing}") if missing else None,
        created_at=moment(endpoint["CreationTime"]),
        updated_at=moment(endpoint.get("LastModifiedTime")),
        etag=digest([changes, sorted((key.native_id, share) for key, share in shares.items())], 20),
        url=_console(endpoint["EndpointArn"], f"endpoints/{name}"),
        native=without_values(endpoint),
    )


def containers_of(package: Raw) -> list[Raw]:
    """The containers of a package's inference specification, in their order; none for a logged model."""
    return list((package.get("InferenceSpecification") or {}).get("Containers") or [])


def artifact_of(container: Raw) -> str | None:
    """Where a container's model data lies."""
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return container.get("ModelDataUrl") or source.get("S3Uri")


def _algorithm(package: Raw) -> Raw:
    """The algorithm that a package was made from, with its model data, where it was made from one."""
    algorithms = (package.get("SourceAlgorithmSpecification") or {}).get("SourceAlgorithms") or [{}]
    found: Raw = algorithms[0]
    return found


def artifacts_of(package: Raw) -> tuple[str, ...]:
    """Where the model data of each of its containers lies."""
    return tuple(uri for uri in map(artifact_of, containers_of(package)) if uri)


def lifecycle_of(package: Raw) -> str | None:
    """`Stage/Status`."""
    lifecycle = package.get("ModelLifeCycle") or {}
    return f"{lifecycle['Stage']}/{lifecycle['StageStatus']}" if lifecycle.get("Stage") else None


def _state(package: Raw) -> str | None:
    """SageMaker's word for a package that is not ready to be used, with the first reason it gives."""
    status = package.get("ModelPackageStatus")
    if status in (None, "Completed"):
        return None
    details = package.get("ModelPackageStatusDetails") or {}
    steps = [*(details.get("ValidationStatuses") or []), *(details.get("ImageScanStatuses") or [])]
    reason = next((step["FailureReason"] for step in steps if step.get("FailureReason")), None)
    return f"{status}: {reason}" if reason else str(status)


def _said(tags: Mapping[str, str], name: str) -> str | None:
    """What a tag says, whose name AWS's users write with a capital or without."""
    return tags.get(name) or tags.get(name.capitalize()) or None


def _tags(thing: Raw) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or []}


def _person(user: Raw | None) -> str | None:
    user = user or {}
    return user.get("UserProfileName") or (user.get("IamIdentity") or {}).get("Arn")


def _digest(container: Raw) -> str | None:
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    found = container.get("ModelDataETag") or source.get("ETag")
    return f"etag:{found.strip(chr(34))}" if found else None


def _console(arn: str, page: str) -> str | None:
    partition, region = arn.split(":")[1], arn.split(":")[3]
    if partition != "aws":
        return None
    return f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/{page}"


def card_parts(record: VersionRecord) -> dict[str, str]:
    """What a package's model card says, by the parts of `CARD_PARTS`; nothing where it cannot be read."""
    card, _ = _card(dict(record.native), {})
    uses, more = at(card, "intended_uses"), at(card, "additional_information")
    evaluations = (text(one, "evaluation_observation") for one in parts(card, "evaluation_details"))
    said = {
        "intended_use": [text(uses, "purpose_of_model"), text(uses, "intended_uses")],
        "limitations": [
            text(uses, "factors_affecting_model_efficiency"),
            text(uses, "explanations_for_risk_rating"),
            text(more, "caveats_and_recommendations"),
        ],
        "data": [text(card, "training_details", "training_observations")],
        "evaluation": list(evaluations),
        "ethics": [text(more, "ethical_considerations")],
    }
    found = {part: "\n".join(filter(None, texts)) for part, texts in said.items()}
    return {part: told for part, told in found.items() if told}


OF_CARD = ("description", "lineage.datasets", "lineage.run_id", "license", "metrics", "owner", "params")
"""What a model card says of a version, where nothing else does."""


def _card(package: Raw, said: Mapping[str, Any]) -> tuple[Raw, Unread | None]:
    """The model card's content, JSON in a string, or why it cannot be read; `said` is what is said elsewhere."""
    try:
        card = parse_json((package.get("ModelCard") or {}).get("ModelCardContent") or "{}", "the model card")
        if not isinstance(card, dict):
            raise BadRecordError("the model card is no JSON object")
    except BadRecordError as error:
        return {}, Unread(tuple(path for path in OF_CARD if not said.get(path)), str(error))
    return card, None


def _metrics(card: Raw) -> Iterator[tuple[str, float]]:
    """Training and evaluation metrics of a card that are single finite numbers."""
    job = at(card, *_JOB)
    for name in ("training_metrics", "user_provided_training_metrics"):
        yield from _numbers(parts(job, name))
    for evaluation in parts(card, "evaluation_details"):
        for group in parts(evaluation, "metric_groups"):
            yield from _numbers(parts(group, "metric_data"))


def _numbers(metrics: Iterable[Raw]) -> Iterator[tuple[str, float]]:
    for metric in metrics:
        name, value = metric.get("name"), metric.get("value")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if isinstance(name, str) and number:
            yield name, float(str(value))


def _params(card: Raw) -> Iterator[tuple[str, str]]:
    job = at(card, *_JOB)
    for name in ("hyper_parameters", "user_provided_hyper_parameters"):
        for param in parts(job, name):
            if isinstance(param.get("name"), str):
                yield param["name"], str(param.get("value", ""))


def _schema(package: Raw) -> Schema | None:
    """The schema, None where it cannot be read: `Adapter.schema` then says why."""
    try:
        return schema_of(package)
    except BadRecordError:
        return None


def schema_of(package: Raw) -> Schema | None:
    """The inputs of which `DataInputConfig` of the first container gives the shapes, by name or (PyTorch) by place.

    Errors: `BadRecordError` where it cannot be read.
    """
    containers = containers_of(package)
    text = (containers[0].get("ModelInput") or {}).get("DataInputConfig") if containers else None
    given = parse_json(text or "null", "the DataInputConfig")
    if isinstance(given, list):
        columns = [
            Column(str(place), "tensor", shape=_shape(shape), positional=True)
            for place, shape in enumerate(given)
        ]
    elif given is None or isinstance(given, dict):
        columns = [Column(name, "tensor", shape=_shape(shape)) for name, shape in (given or {}).items()]
    else:
        raise BadRecordError("the DataInputConfig gives no shapes: it is neither a JSON object nor a list")
    return Schema(inputs=tuple(columns)) if columns else None


def _shape(given: Any) -> tuple[int, ...] | None:
    sizes = given.get("shape") if isinstance(given, dict) else given
    if not isinstance(sizes, list):
        return None
    return tuple(size if isinstance(size, int) else -1 for size in sizes)


def _lineage(package: Raw, card: Raw, dependencies: tuple[str, ...], walked: Lineage) -> Lineage:
    properties = package.get("MetadataProperties") or {}
    made_by = properties.get("GeneratedBy")
    is_pipeline = ":pipeline/" in (made_by or "")
    return Lineage(
        run_id=(None if is_pipeline else made_by) or walked.run_id or text(card, *_JOB, "training_arn"),
        commit=properties.get("CommitId"),
        repository=properties.get("Repository"),
        pipeline=made_by if is_pipeline else None,
        datasets=tuple(_merged((*_datasets(card), *_validated(package), *walked.datasets))),
        parents=tuple(dict.fromkeys((*_parents(package), *walked.parents))),
        dependencies=dependencies,
    )


def _datasets(card: Raw) -> Iterator[Dataset]:
    """What a card says that the model was trained on, and measured on."""
    yield from _at_addresses(at(card, *_JOB, "training_datasets"), "training")
    for evaluation in parts(card, "evaluation_details"):
        yield from _at_addresses(evaluation.get("datasets"), "evaluation")


def _validated(package: Raw) -> Iterator[Dataset]:
    """What SageMaker runs the package on before it takes it."""
    for profile in (package.get("ValidationSpecification") or {}).get("ValidationProfiles") or []:
        job = profile.get("TransformJobDefinition") or {}
        source = (job.get("TransformInput") or {}).get("DataSource") or {}
        yield from _at_addresses([(source.get("S3DataSource") or {}).get("S3Uri")], "validation")


def _at_addresses(uris: Any, role: str) -> Iterator[Dataset]:
    for uri in uris if isinstance(uris, list) else ():
        if isinstance(uri, str) and uri:
            yield Dataset.at(uri, role)


def _merged(datasets: Iterable[Dataset]) -> Iterator[Dataset]:
    """Each once; one without a role only where no other says the role of that address."""
    found = dict.fromkeys(datasets)
    told = {each.uri for each in found if each.role}
    return (each for each in found if each.role or each.uri not in told)


def _parents(package: Raw) -> Iterator[Parent]:
    """The package it was cloned from, and the hub models its containers were tuned from."""
    source = package.get("SourceUri") or ""
    if is_package(source):
        yield Parent(source, "copy")
    for container in containers_of(package):
        base = container.get("BaseModel") or {}
        if base.get("HubContentName"):
            # A hub is no registry: the slash keeps its models apart from packages of the same name.
            name = quote(f"hub/{base['HubContentName']}", safe="")
            yield Parent(":".join(filter(None, (name, base.get("HubContentVersion")))), "base")
