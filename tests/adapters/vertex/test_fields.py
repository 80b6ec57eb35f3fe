"""What a version says of itself: software, data sets, licence and owner."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud import aiplatform_v1 as v1

from adapters import Dataset, Environment, Image, ModelRecord, VersionRecord
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter, VertexConfig
from tests.adapters.pasting import arguments
from tests.adapters.scans import scanned
from tests.adapters.vertex.conftest import MakeAdapter
from tests.adapters.vertex.vendor import Vendor
from tests.servers.certificates import certificate

GOOGLE = "europe-docker.pkg.dev/vertex-ai/prediction"
DIGEST = "sha256:" + "0f" * 32


def only(adapter: VertexAdapter) -> tuple[ModelRecord, VersionRecord]:
    """The one model and version there is."""
    model, version = scanned(adapter).records
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


def test_snippets_are_read_as_they_are_pasted(vendor: Vendor, adapter: VertexAdapter) -> None:
    vendor.upload("m", artifact_uri="gs://models/it's here")
    _, version = only(adapter)
    name, project = str(version.native["name"]).rpartition("/")[2], adapter.config.project
    _, describe, copy = adapter.snippets(name, version)
    assert arguments("gcloud", describe.code) == [
        "ai", "models", "describe", f"{name}@1", f"--project={project}", f"--region={adapter.config.location}",
    ]  # fmt: skip
    assert f"CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM=https://{adapter.config.endpoint}/ " in describe.code
    assert arguments("gcloud", copy.code) == ["storage", "cp", "--recursive", "gs://models/it's here", "."]


def test_a_snippet_names_no_endpoint_where_googles_own_is_meant(
    vendor: Vendor, adapter: VertexAdapter
) -> None:
    vendor.upload("m")
    _, version = only(adapter)
    plain = VertexAdapter(VertexConfig(project="p", location="europe-west4"))
    assert not [one.code for one in plain.snippets("m", version) if "endpoint" in one.code.lower()]


def test_what_is_pasted_loads_the_model_with_googles_own_sdk(tmp_path: Path) -> None:
    """The environment is what a user of a private endpoint has: a key of an account, and who signs the certificate."""
    key, signed = certificate("localhost")
    (tmp_path / "ca.pem").write_bytes(signed)
    (tmp_path / "account.json").write_text(json.dumps(account()))
    environment = {
        **os.environ,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "ca.pem"),
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json"),
    }
    with VertexEmulator(tls=(key, signed)) as emulator:
        vendor = Vendor(emulator.address, emulator.parent)
        vendor.upload("m", artifact_uri="gs://models/m")
        vendor.close()
        place = {"project": emulator.project, "location": emulator.location}
        reader = VertexAdapter(VertexConfig(**place, endpoint=emulator.address))
        model, version = only(reader)
        reader.close()
        shown = VertexAdapter(VertexConfig(**place, endpoint=f"https://{emulator.secure_address}"))
        load = shown.snippets(model.name, version)[0].code
        script = f"{load}\nprint(model.resource_name, model.version_id, model.uri)"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            capture_output=True, text=True, env=environment, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{emulator.parent}/models/{model.name}", "1", "gs://models/m"]


def account() -> dict[str, str]:
    """A service account's key file. With it the SDK signs by itself and asks nobody for a token."""
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": "reader@demo.iam.gserviceaccount.com",
        "private_key": private.decode(),
        "private_key_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }


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


def test_the_data_of_a_training_pipeline_has_that_role(
    vendor: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    vendor.upload("m", training_pipeline=vendor.training("777"))
    adapter = make_adapter()
    _, version = only(adapter)
    address = "//aiplatform.googleapis.com/projects/demo/locations/us-central1/datasets/777"
    assert version.lineage.datasets == (Dataset("777", uri=address, role="training"),)
    assert version.lineage.run_id == version.native["trainingPipeline"]
    only(adapter)
    assert emulator.faults.calls["GetTrainingPipeline"] == 1, "it does not change any more"


def test_a_training_pipeline_without_data_or_one_that_is_gone_says_nothing(
    vendor: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    vendor.upload("m", training_pipeline=vendor.training(""))
    assert only(adapter)[1].lineage.datasets == ()
    emulator.state.pipelines.clear()
    emulator.state.models.clear()
    vendor.upload("n", training_pipeline=f"{vendor.parent}/trainingPipelines/1")
    assert only(adapter)[1].lineage.datasets == ()


def test_without_permission_for_training_pipelines_it_asks_once_and_says_so(
    vendor: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(concurrency=1)
    for name in ("m", "n"):
        vendor.upload(name, training_pipeline=vendor.training("777"))
    vendor.upload("plain")
    emulator.faults.fail("GetTrainingPipeline", code="PERMISSION_DENIED", times=99)
    found = [r for r in scanned(adapter).records if isinstance(r, VersionRecord)]
    assert [record.lineage.datasets for record in found] == [(), (), ()]
    asked = [adapter.get(record.key) for record in found]
    assert [record.unread.fields if record.unread else () for record in asked] == [
        ("lineage.datasets",),
        ("lineage.datasets",),
        (),
    ]
    assert emulator.faults.calls["GetTrainingPipeline"] == 1


def test_a_probe_of_another_thread_hides_no_refusal(
    vendor: Vendor, emulator: VertexEmulator, adapter: VertexAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.upload("m", training_pipeline=vendor.training("777"))
    emulator.faults.fail("GetTrainingPipeline", code="PERMISSION_DENIED", times=99)
    (version,) = [r for r in scanned(adapter).records if isinstance(r, VersionRecord)]
    read = adapter._reader.origins

    def overtaken(message: Any, max_age: float = 0.0) -> Any:
        found = read(message, max_age)
        adapter.probe()
        return found

    monkeypatch.setattr(adapter._reader, "origins", overtaken)
    assert adapter.get(version.key).unread is not None
