"""What is written to Kubeflow's registry drops nothing that is there."""

import pytest

from adapters import ConflictError, NewModel, Registration, VersionRecord
from adapters.emulators.kubeflow import KubeflowRegistry
from tests.adapters.kubeflow.conftest import Opens
from tests.adapters.scans import scanned


def test_properties_that_are_not_named_stay_as_they_came(registry: KubeflowRegistry, opened: Opens) -> None:
    strange = {"metadataType": "MetadataNewValue", "new_value": [1]}
    count = {"metadataType": "MetadataIntValue", "int_value": "3"}
    version = registry.put("churn", customProperties={"strange": strange, "count": count, "old": count})
    adapter = opened()
    [key] = [one.key for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    adapter.set_tags(key, {"count": "4", "old": None, "new": "x"})
    assert registry.tables["model_versions"][version["id"]]["customProperties"] == {
        "strange": strange,
        "count": {"metadataType": "MetadataIntValue", "int_value": "4"},
        "new": {"metadataType": "MetadataStringValue", "string_value": "x"},
    }


def test_a_registration_that_broke_off_is_finished(registry: KubeflowRegistry, opened: Opens) -> None:
    adapter = opened()
    given = Registration(model="churn", source="s3://m/1", run_id="r1", tags={"a": "b"}, token="t1")
    first = adapter.register(given)
    for artifact in [*registry.tables["artifacts"]]:
        registry.drop("artifacts", artifact)
    again = adapter.register(given)
    assert (again.key, again.artifact_uri, again.lineage.run_id) == (first.key, "s3://m/1", "r1")
    assert len(registry.tables["artifacts"]) == len(registry.tables["model_versions"]) == 1
    assert adapter.register(Registration(model="churn", source="s3://m/1", token="t2")).version == "2"


def test_a_model_is_made_once(registry: KubeflowRegistry, opened: Opens) -> None:
    adapter = opened()
    made = adapter.create_model(NewModel(name="ümläut", token="t1", description="d"))
    assert adapter.create_model(NewModel(name="ümläut", token="t1")).key == made.key
    with pytest.raises(ConflictError):
        adapter.create_model(NewModel(name="ümläut", token="t2"))
    version = adapter.register(Registration(model="ümläut", source="s3://m"))
    assert version.model == made.key
    assert len(registry.tables["registered_models"]) == 1
