"""What Kubeflow's JSON becomes: typed properties, 64-bit integers as text, artifacts of every type, services."""

import base64
from datetime import UTC, datetime

import pytest

from adapters import Dataset, InvalidError, ModelRecord, Parent, Traffic, VersionRecord
from adapters.emulators.kubeflow import KubeflowRegistry
from adapters.kubeflow.records import plain, typed
from tests.adapters.kubeflow.conftest import Opens
from tests.adapters.scans import scanned

STRUCT = base64.b64encode(b'{"a": 1}').decode()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"metadataType": "MetadataStringValue", "string_value": "ümläut"}, "ümläut"),
        ({"metadataType": "MetadataStringValue"}, ""),
        ({"metadataType": "MetadataIntValue", "int_value": "-7"}, "-7"),
        ({"metadataType": "MetadataIntValue", "int_value": 7}, "7"),
        ({"metadataType": "MetadataDoubleValue", "double_value": 0.25}, "0.25"),
        ({"metadataType": "MetadataBoolValue", "bool_value": True}, "true"),
        ({"metadataType": "MetadataStructValue", "struct_value": STRUCT}, '{"a": 1}'),
        ({"metadataType": "MetadataStructValue", "struct_value": "no base64"}, "no base64"),
        ({"metadataType": "MetadataProtoValue", "type": "t", "proto_value": "QQ=="}, "QQ=="),
        ({"metadataType": "MetadataNewValue", "new": 1}, '{"metadataType": "MetadataNewValue", "new": 1}'),
        (3, "3"),
    ],
)
def test_typed_properties_are_told_as_texts(value: object, said: str) -> None:
    assert plain(value) == said


@pytest.mark.parametrize(
    ("value", "kind", "field"),
    [
        ("12", "MetadataIntValue", "int_value"),
        ("0.5", "MetadataDoubleValue", "double_value"),
        ("false", "MetadataBoolValue", "bool_value"),
    ],
)
def test_a_property_keeps_its_type_where_the_value_is_of_it(value: str, kind: str, field: str) -> None:
    made = typed(value, {"metadataType": kind})
    assert (made["metadataType"], set(made)) == (kind, {"metadataType", field})
    assert plain(made) == value
    for other in ("twelve", "1e999", "NaN", "0.50", "", "1234567890123"):
        made = typed(other, {"metadataType": kind})
        assert plain(made) == other


def test_what_a_model_says_of_itself_are_tags_that_only_kubeflow_changes(
    registry: KubeflowRegistry, opened: Opens
) -> None:
    said = {"maturity": "GA", "provider": "acme", "language": ["en", "de"], "tasks": ["text-to-speech"]}
    own = {"provider": {"metadataType": "MetadataStringValue", "string_value": "Acme Research"}}
    registry.make(
        "registered_models", {"name": "voices", **said, "libraryName": "onnx", "customProperties": own}
    )
    adapter = opened()
    [model] = scanned(adapter).models().values()
    known = {"maturity": "GA", "language": "en, de", "tasks": "text-to-speech", "library_name": "onnx"}
    assert model.tags == {**known, "provider": "Acme Research"}
    with pytest.raises(InvalidError, match="maturity is a field of the model"):
        adapter.set_tags(model.key, {"maturity": None})
    assert adapter.set_tags(model.key, {"provider": None, "tasks": "speech"}) == adapter.get(model.key)
    now = adapter.get(model.key)
    assert isinstance(now, ModelRecord)
    assert now.tags == {**known, "provider": "acme", "tasks": "speech"}


def test_a_version_loses_nothing(registry: KubeflowRegistry, opened: Opens) -> None:
    registry.clock = lambda: 1_700_000_000.123
    model = registry.make(
        "registered_models", {"name": "churn", "owner": "risk", "license": "mit", "description": "Who leaves"}
    )
    version = registry.make("model_versions", {"name": "v1", "author": "ada", "state": "LIVE"}, model["id"])
    registry.touch(
        version, customProperties={"team": {"metadataType": "MetadataStringValue", "string_value": "risk"}}
    )
    run = {"modelSourceKind": "kfp", "modelSourceClass": "pipelinerun", "modelSourceName": "train"}
    for file in (
        {"name": "old", "uri": "s3://old", "state": "DELETED"},
        {"name": "churn", "uri": "s3://m/1", "modelFormatName": "onnx", "modelSourceId": "run-7", **run},
        {"name": "auc", "artifactType": "metric", "value": 0.9},
        {"name": "lr", "artifactType": "parameter", "value": "0.1"},
        {"name": "clients", "artifactType": "dataset-artifact", "digest": "d1", "uri": "s3://d"},
    ):
        registry.make("artifacts", file, version["id"])
    adapter = opened()
    found = scanned(adapter)
    [record] = [one for one in found.records if isinstance(one, VersionRecord)]
    assert adapter.get(record.key) == record
    assert (record.version, record.lifecycle, record.creator, record.tags) == (
        "v1",
        "LIVE",
        "ada",
        {"team": "risk"},
    )
    assert (record.artifact_uri, record.framework, record.state) == ("s3://m/1", "onnx", None)
    assert (record.metrics, record.params) == ({"auc": 0.9}, {"lr": "0.1"})
    assert (record.lineage.run_id, record.lineage.pipeline) == ("run-7", "train")
    assert record.lineage.datasets == (Dataset("clients", "d1", "s3://d"),)
    assert record.created_at == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert len(record.native["artifacts"]) == 5
    [told] = found.models().values()
    registry.touch(model, state="ARCHIVED")
    assert adapter.get(told.key).tags == {"archived": "true"}  # type: ignore[union-attr]
    assert (told.owner, told.license, told.description) == ("risk", "mit", "Who leaves")


def test_a_version_of_the_catalogue_is_a_copy_of_its_model(registry: KubeflowRegistry, opened: Opens) -> None:
    version = registry.put("granite")
    [file] = registry.below("model_versions", version["id"], "artifacts")
    source = {"modelSourceKind": "catalog", "modelSourceGroup": "ibm", "modelSourceName": "granite-3"}
    registry.touch(file, **source, modelSourceId="2.1", state="PENDING")
    [record] = [one for one in scanned(opened()).records if isinstance(one, VersionRecord)]
    assert record.lineage.parents == (Parent("ibm/granite-3", "copy"),)
    assert (record.lineage.run_id, record.state) == (None, "PENDING")


def test_inference_services_are_endpoints(registry: KubeflowRegistry, opened: Opens) -> None:
    first, second = registry.put("churn"), registry.put("churn")
    place = registry.make("serving_environments", {"name": "cluster-a"})
    for name, more in (
        ("pinned", {"modelVersionId": first["id"]}),
        ("newest", {}),
        ("off", {"modelVersionId": first["id"], "desiredState": "UNDEPLOYED"}),
    ):
        registry.make(
            "inference_services",
            {"name": name, "registeredModelId": first["registeredModelId"], **more},
            place["id"],
        )
    empty = registry.make("registered_models", {"name": "empty"})
    registry.make("inference_services", {"name": "waits", "registeredModelId": empty["id"]}, place["id"])
    adapter = opened()
    found = scanned(adapter)
    versions = {one.native["id"]: one.key for one in found.records if isinstance(one, VersionRecord)}
    told = {name: (one.live, one.traffic) for name, one in found.endpoints().items()}
    assert told == {
        "cluster-a/pinned": (True, (Traffic(versions[first["id"]], 100.0),)),
        "cluster-a/newest": (True, (Traffic(versions[second["id"]], 100.0),)),
        "cluster-a/off": (False, ()),
        "cluster-a/waits": (True, ()),
    }
    assert [adapter.get(one.key) for one in found.endpoints().values()] == [*found.endpoints().values()]
    third = registry.put("churn")  # which moves no inference service
    served = scanned(adapter, since=found.watermark).endpoints()["cluster-a/newest"].traffic
    assert [one.version.native_id for one in served] == [third["id"]]


def test_one_record_that_cannot_be_understood_hides_no_other(
    registry: KubeflowRegistry, opened: Opens
) -> None:
    registry.put("good")
    for number, broken in enumerate(
        ({"name": ""}, {"createTimeSinceEpoch": "yesterday"}, {"registeredModelId": "x"})
    ):
        registry.put(f"bad-{number}").update(broken)
    found = scanned(opened())
    assert len(found.bad) == 3
    assert [one.version for one in found.records if isinstance(one, VersionRecord)] == ["1"]
