"""What a version says of itself: software, data sets, licence and owner."""

from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1

from adapters import Dataset, Environment, Image, ModelRecord, VersionRecord
from adapters.vertex import VertexAdapter
from tests.adapters.vertex.vendor import Vendor

GOOGLE = "europe-docker.pkg.dev/vertex-ai/prediction"
DIGEST = "sha256:" + "0f" * 32


def only(adapter: VertexAdapter) -> tuple[ModelRecord, VersionRecord]:
    """The one model and version there is."""
    model, version = adapter.scan(since=None, page=None, limit=10).records
    assert isinstance(model, ModelRecord)
    assert isinstance(version, VersionRecord)
    assert adapter.get(version.key) == version
    return model, version


@pytest.mark.parametrize(
    ("address", "digest", "framework", "libraries"),
    [
        (f"{GOOGLE}/sklearn-cpu.1-3:latest", None, "sklearn", {"sklearn": "1.3"}),
        (f"{GOOGLE}/tf2-gpu.2-15:latest", None, "tensorflow", {"tensorflow": "2.15"}),
        (f"{GOOGLE}/pytorch-gpu.2-2@{DIGEST}", DIGEST, "pytorch", {"pytorch": "2.2"}),
        (f"{GOOGLE}/xgboost-cpu.nightly:latest", None, "xgboost", {"xgboost": ""}),
        (f"europe-docker.pkg.dev/team/serving/ours@{DIGEST}", DIGEST, None, {}),
    ],
)
def test_the_serving_image_is_the_environment(
    vendor: Vendor,
    adapter: VertexAdapter,
    address: str,
    digest: str | None,
    framework: str | None,
    libraries: dict[str, str],
) -> None:
    vendor.upload("m", container_spec={"image_uri": address})
    _, version = only(adapter)
    assert version.environment == Environment(images=(Image(address, digest),), libraries=libraries)
    assert version.framework == framework


def test_licence_and_owner_are_labels(vendor: Vendor, adapter: VertexAdapter) -> None:
    vendor.upload("m", labels={"license": "apache-2_0", "owner": "risk"})
    model, version = only(adapter)
    assert (model.license, model.owner) == ("apache-2_0", "risk")
    assert (version.license, version.owner) == ("apache-2_0", "risk")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["gs://d/test.csv", "gs://d/more/"], ("gs://d/test.csv", "gs://d/more/")),
        ("bq://p.d.holdout", ("bq://p.d.holdout",)),
        (7, ()),
        ([""], ()),
    ],
)
def test_the_data_of_an_evaluation_has_that_role(
    vendor: Vendor, adapter: VertexAdapter, given: Any, found: tuple[str, ...]
) -> None:
    vendor.upload("m")
    evaluation = v1.ModelEvaluation(
        metrics_schema_uri="gs://schema",
        metrics={"auc": 0.5},
        metadata={"pipeline_job_id": 7, "evaluation_dataset_path": given},
    )
    for _ in range(2):
        vendor.models.import_model_evaluation(parent=vendor.name("m@1"), model_evaluation=evaluation)
    _, version = only(adapter)
    assert version.lineage.datasets == tuple(
        Dataset(uri.rstrip("/").rpartition("/")[2], uri=uri, role="evaluation") for uri in found
    )
