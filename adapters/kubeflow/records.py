"""From Kubeflow's JSON to records. 64-bit integers and times are texts there, and custom properties say their type."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.cards import texts
from adapters.errors import BadRecordError
from adapters.naming import reference
from adapters.payloads import Raw, epoch_of, excerpt, integer, is_number, part, text
from adapters.records import (
    Dataset,
    EndpointRecord,
    Key,
    Lineage,
    ModelRecord,
    Parent,
    Traffic,
    Unread,
    VersionRecord,
)
from adapters.writing import digest

STATES = ("LIVE", "ARCHIVED")
USABLE = (None, "UNKNOWN", "LIVE", "REFERENCE")
GONE = ("MARKED_FOR_DELETION", "DELETED")
DEPLOYED = "DEPLOYED"
OF_ARTIFACTS = (
    "artifact_uri",
    "framework",
    "state",
    "metrics",
    "params",
    "lineage",
    "native.artifacts",
)
"""What a version's artifacts say of it."""
TYPES = {
    "MetadataBoolValue": "bool_value",
    "MetadataIntValue": "int_value",
    "MetadataDoubleValue": "double_value",
    "MetadataStructValue": "struct_value",
    "MetadataProtoValue": "proto_value",
}
STRING = "MetadataStringValue"
ABOUT = {
    "maturity": "maturity",
    "provider": "provider",
    "language": "language",
    "tasks": "tasks",
    "libraryName": "library_name",
}
"""Fields of a model that are tags here, where no custom property has the name."""
_INT = re.compile(r"-?(?:[1-9][0-9]{0,8}|0)")


@dataclass(frozen=True, slots=True)
class VersionArtifacts:
    """What lies with a version; `unread` says why that is not known, which may pass by itself."""

    rows: Sequence[Raw] = ()
    unread: str | None = None
    may_pass: bool = False

    def of(self, kind: str) -> Iterator[Raw]:
        """Those of a type, without what is deleted."""
        for row in self.rows:
            if row.get("artifactType") == kind and row.get("state") not in GONE:
                yield row


def to_model(raw: Raw) -> ModelRecord:
    """A registered model. That it is archived is a tag of it, and so is what it is for. Errors: `BadRecordError`."""
    flags = {"archived": "true"} if text(raw, "state") == STATES[1] else {}
    return ModelRecord(
        key=Key("model", _id(raw)),
        name=_name(raw),
        description=text(raw, "description"),
        owner=text(raw, "owner"),
        license=text(raw, "license"),
        tags={**_about(raw), **tags_of(raw), **flags},
        created_at=epoch_of(raw, "createTimeSinceEpoch"),
        updated_at=epoch_of(raw, "lastUpdateTimeSinceEpoch"),
        etag=digest(raw),
        native=raw,
    )


def to_version(raw: Raw, found: VersionArtifacts) -> VersionRecord:
    """A version with its artifacts. Errors: `BadRecordError`."""
    file = next(found.of("model-artifact"), {})
    state = text(file, "state")
    return VersionRecord(
        key=Key("version", _id(raw)),
        model=Key("model", _id(raw, "registeredModelId")),
        version=_name(raw),
        state=None if state in USABLE else state,
        description=text(raw, "description"),
        lifecycle=text(raw, "state") or STATES[0],
        tags=tags_of(raw),
        metrics=_metrics(found),
        params={
            _name(one): str(one["value"]) for one in found.of("parameter") if one.get("value") is not None
        },
        framework=text(file, "modelFormatName"),
        creator=text(raw, "author"),
        artifact_uri=text(file, "uri"),
        lineage=_lineage(file, found),
        created_at=epoch_of(raw, "createTimeSinceEpoch"),
        updated_at=epoch_of(raw, "lastUpdateTimeSinceEpoch"),
        etag=digest(raw),
        native=raw if found.unread else {**raw, "artifacts": list(found.rows)},
        unread=Unread(OF_ARTIFACTS, found.unread) if found.unread else None,
    )


def to_endpoint(raw: Raw, environment: str | None, version: str | None) -> EndpointRecord:
    """An inference service in its environment; `version` is the id of what it serves. Errors: `BadRecordError`."""
    state = text(raw, "desiredState") or DEPLOYED
    live = state == DEPLOYED
    return EndpointRecord(
        key=Key("endpoint", _id(raw)),
        name=f"{environment}/{_name(raw)}" if environment else _name(raw),
        state=state,
        live=live,
        traffic=(Traffic(Key("version", version), 100.0),) if live and version else (),
        created_at=epoch_of(raw, "createTimeSinceEpoch"),
        updated_at=epoch_of(raw, "lastUpdateTimeSinceEpoch"),
        etag=digest(raw),
        native={**raw, "servingEnvironment": environment},
    )


def tags_of(raw: Raw) -> dict[str, str]:
    """Custom properties as texts."""
    return {name: plain(value) for name, value in part(raw, "customProperties").items() if name}


def _about(raw: Raw) -> dict[str, str]:
    said = {tag: ", ".join(texts(raw, name)) for name, tag in ABOUT.items()}
    return {tag: value for tag, value in said.items() if value}


def plain(value: Any) -> str:
    """A typed value as a text: structs as their JSON, what is of no known type as it came."""
    kind = text(value, "metadataType") or STRING
    said = value.get(TYPES.get(kind, "string_value")) if isinstance(value, dict) else value
    match kind, said:
        case ("MetadataStructValue", str()):
            return _decoded(said)
        case (_, str()):
            return said
        case (_, None):
            return "" if kind == STRING else json.dumps(value)
        case _:
            return json.dumps(said)


def typed(value: str, now: Any = None) -> Raw:
    """A text as a typed value: of the type that is there now, where that says just this, else a string."""
    kind = text(now, "metadataType") or STRING
    found: Any = None
    if kind == "MetadataIntValue" and _INT.fullmatch(value):
        found = value
    elif kind in ("MetadataBoolValue", "MetadataDoubleValue"):
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        fits = isinstance(found, bool) if kind == "MetadataBoolValue" else is_number(found)
        found = found if fits else None
    if found is not None and plain(made := {"metadataType": kind, TYPES[kind]: found}) == value:
        return made
    return {"metadataType": STRING, "string_value": value}


def _decoded(said: str) -> str:
    try:
        return base64.b64decode(said, validate=True).decode()
    except ValueError:
        return said


def _metrics(found: VersionArtifacts) -> dict[str, float]:
    values: dict[str, Any] = {_name(one): one.get("value") for one in found.of("metric")}
    return {name: float(value) for name, value in values.items() if is_number(value)}


def _lineage(file: Raw, found: VersionArtifacts) -> Lineage:
    kind, source = text(file, "modelSourceKind"), text(file, "modelSourceName")
    is_catalogue = kind == "catalog"
    group = text(file, "modelSourceGroup")
    named = f"{group}/{source}" if group and source and "/" not in source else source
    datasets = [
        Dataset(_name(one), text(one, "digest"), text(one, "uri") or text(one, "source"))
        for one in found.of("dataset-artifact")
    ]
    return Lineage(
        run_id=None if is_catalogue else text(file, "modelSourceId"),
        pipeline=None if is_catalogue else source,
        datasets=tuple(datasets),
        parents=(Parent(reference(named), "copy"),) if is_catalogue and named else (),
    )


def _id(raw: Raw, field: str = "id") -> str:
    found = integer(raw.get(field))
    if found is None:
        raise BadRecordError(f"a record has no {field}: {excerpt(raw)}", native=str(raw.get("id") or ""))
    return str(found)


def _name(raw: Raw) -> str:
    found = text(raw, "name")
    if found is None:
        raise BadRecordError(f"record {raw.get('id')} has no name", native=str(raw.get("id") or ""))
    return found
