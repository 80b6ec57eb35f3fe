"""What the backends of the former database answered, read again by the adapters of this build.

A native payload is what a backend said; figures that the former build kept in fields only are put back beside it.
"""

import re
from collections.abc import Mapping
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf.json_format import ParseDict

from adapters import EndpointRecord, Key, ModelRecord, Record, VersionRecord
from adapters.mlflow.keys import version_id
from adapters.mlflow.lineage import RunOrigin
from adapters.mlflow.records import Translator
from adapters.records import NO_LINEAGE
from adapters.sagemaker import records as sagemaker
from adapters.vertex import records as vertex
from adapters.vertex.keys import ProjectLocation

Told = dict[Key, Any]
"""What a backend says of each of its records, as far as it is in the native payload."""


def read_again(kind: str, known: list[Record], said: Told) -> list[Record]:
    """The records that a registry of this kind has, made from what is said of them now."""
    read = {"mlflow": _mlflow, "sagemaker": _sagemaker, "vertex": _vertex}[kind]
    return [read(record, said) for record in known]


def _mlflow(record: Record, said: Told) -> Record:
    translate = Translator(str(record.url).partition("/#")[0], None)
    raw = {**said[record.key]}
    if isinstance(record, ModelRecord):
        return translate.model(raw)
    assert isinstance(record, VersionRecord)
    run, logged = raw.pop("run", None) or {}, raw.pop("logged_model", None) or {}
    raw.pop("metrics", None)
    data = {
        "metrics": [{"key": name, "value": value} for name, value in record.metrics.items()],
        "params": _pairs(record.params),
        "tags": _pairs(run.get("tags", {})),
    }
    info = {**logged, "tags": _pairs(logged.get("tags", {}))} if logged else {}
    origin = RunOrigin(
        run={**run, "data": data} if run else {},
        logged={"info": info} if logged else {},
        run_id=record.lineage.run_id,
        model_id=logged.get("model_id"),
    )
    return translate.version(raw, version_id(record.key), origin)


def _pairs(named: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in named.items()]


def _sagemaker(record: Record, said: Told) -> Record:
    raw = said[record.key]
    if isinstance(record, ModelRecord):
        return sagemaker.group_record(raw)
    if isinstance(record, EndpointRecord):
        shares = {share.version: share.percent for share in record.traffic}
        return sagemaker.endpoint_record(raw, shares, record.live)
    return sagemaker.version_record(raw, record.model, record.lineage.dependencies, NO_LINEAGE)


def _vertex(record: Record, said: Told) -> Record:
    raw = {**said[record.key]}
    if isinstance(record, EndpointRecord):
        served = {_named(share.version): share.version for share in record.traffic}
        return vertex.to_endpoint(_PLACE, ParseDict(raw, types.Endpoint.pb(types.Endpoint())), served)
    if isinstance(record, VersionRecord):
        evaluations = [
            ParseDict(each, types.ModelEvaluation.pb(types.ModelEvaluation()))
            for each in raw.pop("evaluations", [])
        ]
        return vertex.to_version(_PLACE, _version(raw), vertex.RelatedMessages(tuple(evaluations)))
    versions = [
        _version({name: value for name, value in said[key].items() if name != "evaluations"})
        for key in said
        if key.kind == "version" and _named(key)[0] == raw["name"].rpartition("/")[2]
    ]
    for version in versions:
        version.update_time.FromJsonString(raw["updateTime"].replace(" ", "T"))
    return vertex.to_model(_PLACE, versions)


_PLACE = ProjectLocation("demo", "us-central1")


def _version(raw: Mapping[str, Any]) -> Any:
    return ParseDict(dict(raw), types.Model.pb(types.Model()))


def _named(key: Key) -> tuple[str, str]:
    found = re.match(r"([^@#]+)@([^#]+)#", key.native_id)
    assert found
    return found[1], found[2]
