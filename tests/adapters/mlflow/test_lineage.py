"""Which figures, run, framework and software a version has, as a real MLflow server tells them."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import Dataset, Details, Environment, TransientError, VersionRecord
from adapters.mlflow import MlflowAdapter, MlflowConfig
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client
from tests.adapters.scans import scanned
from tests.servers.mlflow import empty

ROOMY = 64 << 20


class EmptyServer:
    """An MLflow server with nothing in it, and our adapter for it."""

    def __init__(self, url: str) -> None:
        self.client = client(url)
        self.adapter = MlflowAdapter(MlflowConfig(url=url))
        self.experiment = self.client.create_experiment("figures")

    def run(self, **metrics: float) -> str:
        run_id = str(self.client.create_run(self.experiment).info.run_id)
        for key, value in metrics.items():
            self.client.log_metric(run_id, key, value)
        return run_id

    def logged(self, run_id: str | None, *, output: bool = False) -> str:
        from mlflow.entities import LoggedModelOutput

        made = self.client.create_logged_model(self.experiment, name="model", source_run_id=run_id)
        self.client.finalize_logged_model(made.model_id, "READY")
        if output:
            self.client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
        return str(made.model_id)

    def measure(self, run_id: str, model_id: str, name: str, value: float, **more: Any) -> None:
        from mlflow.entities import Metric

        entry = Metric(
            name, value, more.pop("timestamp", 1), more.pop("step", 0), model_id, run_id=run_id, **more
        )
        self.client.log_batch(run_id, metrics=[entry])

    def register(
        self, name: str, source: str, run_id: str | None = None, model_id: str | None = None
    ) -> None:
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        self.client.create_model_version(name, source, run_id=run_id, model_id=model_id, await_creation_for=0)

    def from_logged(self, name: str, model_id: str, run_id: str | None = None) -> None:
        self.register(name, f"models:/{model_id}", run_id, model_id)

    def room(self, size: int) -> None:
        http = self.adapter._api.http
        http.endpoint = replace(http.endpoint, max_bytes=size)

    def versions(self) -> dict[str, VersionRecord]:
        """The newest version of each model, by the model's name."""
        found: dict[str, VersionRecord] = {}
        for record in scanned(self.adapter).records:
            if isinstance(record, VersionRecord):
                found.setdefault(str(record.native["name"]), record)
        return found


@pytest.fixture
def estate(mlflow_process: Server) -> Iterator[EmptyServer]:
    empty(mlflow_process)
    made = EmptyServer(mlflow_process.url)
    yield made
    made.adapter.close()


def test_a_version_has_what_was_measured_on_its_own_logged_model(estate: EmptyServer) -> None:
    run_id = estate.run()
    good, bad = estate.logged(run_id, output=True), estate.logged(run_id, output=True)
    estate.measure(run_id, good, "auc", 0.99)
    estate.from_logged("good", good, run_id)
    estate.from_logged("bad", bad, run_id)
    found = estate.versions()
    assert (found["good"].metrics, found["bad"].metrics) == ({"auc": 0.99}, {})
    assert [entry["value"] for entry in found["bad"].native["metrics"]] == [0.99]


def test_the_highest_step_counts_and_every_data_set_is_told_apart(estate: EmptyServer) -> None:
    run_id = estate.run()
    model_id = estate.logged(run_id)
    for step, value, timestamp in ((100, 0.95, 1000), (50, 0.6, 2000)):
        estate.measure(run_id, model_id, "auc", value, step=step, timestamp=timestamp)
    for dataset, value, timestamp in (("test", 0.71, 1), ("train", 0.99, 2)):
        estate.measure(
            run_id,
            model_id,
            "accuracy",
            value,
            timestamp=timestamp,
            dataset_name=dataset,
            dataset_digest=dataset,
        )
    estate.measure(run_id, model_id, "f1", 0.5, dataset_name="test", dataset_digest="test")
    estate.from_logged("m", model_id, run_id)
    assert estate.versions()["m"].metrics == {
        "auc": 0.95,
        "accuracy@test": 0.71,
        "accuracy@train": 0.99,
        "f1": 0.5,
        "f1@test": 0.5,
    }


def test_a_run_that_made_one_model_speaks_for_it(estate: EmptyServer) -> None:
    run_id = estate.run(epoch_loss=0.7, auc=0.1)
    model_id = estate.logged(run_id, output=True)
    estate.measure(run_id, model_id, "auc", 0.9, timestamp=1)
    estate.from_logged("m", model_id, run_id)
    estate.client.copy_model_version("models:/m/1", "copied")
    estate.register("by-hand", "s3://elsewhere/model", run_id)
    found = estate.versions()
    assert found["m"].metrics == found["copied"].metrics == {"auc": 0.9, "epoch_loss": 0.7}
    assert found["by-hand"].metrics["epoch_loss"] == 0.7


def test_a_copy_has_the_figures_of_the_model_it_is_a_copy_of(estate: EmptyServer) -> None:
    run_id = estate.run()
    one, other = estate.logged(run_id, output=True), estate.logged(run_id, output=True)
    estate.measure(run_id, one, "auc", 0.8)
    estate.measure(run_id, other, "auc", 0.2, timestamp=5)
    estate.from_logged("one", one, run_id)
    estate.client.copy_model_version("models:/one/1", "copied")
    assert estate.versions()["copied"].metrics == {"auc": 0.8}


def test_run_commit_and_data_come_through_the_logged_model(estate: EmptyServer) -> None:
    from mlflow.entities import Dataset as Data
    from mlflow.entities import DatasetInput, InputTag

    run_id = estate.run()
    estate.client.set_tag(run_id, "mlflow.source.git.commit", "c0ffee")
    source = json.dumps({"uri": "s3://lake/clicks"})
    for name, role in (("clicks", "train"), ("held-out", "Testing"), ("other", "gold")):
        data = Data(name, "d1", "external", source, schema="{}")
        estate.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", role)])])
    estate.from_logged("m", estate.logged(run_id))
    lineage = estate.versions()["m"].lineage
    assert (lineage.run_id, lineage.commit) == (run_id, "c0ffee")
    assert lineage.run_url is not None
    assert set(lineage.datasets) == {
        Dataset("clicks", "d1", "s3://lake/clicks", "training"),
        Dataset("held-out", "d1", "s3://lake/clicks", "evaluation"),
        Dataset("other", "d1", "s3://lake/clicks"),
    }


def test_what_is_too_large_is_one_version_in_part(estate: EmptyServer) -> None:
    runs = [estate.run(auc=number / 10) for number in range(6)]
    for number, run_id in enumerate(runs):
        estate.client.set_tag(run_id, "note", "x" * (8000 if number == 3 else 1500))
        estate.register(f"m{number}", "s3://elsewhere/model", run_id)
    estate.versions()
    estate.room(6000)
    found = estate.versions()
    assert {name: dict(record.metrics) for name, record in found.items() if record.unread is None} == {
        f"m{number}": {"auc": number / 10} for number in (0, 1, 2, 4, 5)
    }
    unread = found["m3"].unread
    assert unread is not None
    assert {"metrics", "lineage.commit", "lineage.datasets", "native.run"} <= set(unread.fields)
    assert "max_response_mb" in unread.reason
    assert (found["m3"].lineage.run_id, found["m3"].version) == (runs[3], "1")
    key = found["m3"].key
    assert estate.adapter.get(key) == found["m3"]
    estate.room(ROOMY)
    assert estate.versions()["m3"].metrics == {"auc": 0.3}


def test_a_run_that_no_search_shows_is_asked_for_by_itself(estate: EmptyServer) -> None:
    run_id = estate.run(auc=0.9)
    estate.register("m", "s3://elsewhere/model", run_id)
    estate.register("lost", "s3://elsewhere/model", "f" * 32)
    estate.adapter._api._experiment_ids = lambda: ["0"]  # type: ignore[method-assign]
    found = estate.versions()
    assert (found["m"].metrics, found["m"].unread) == ({"auc": 0.9}, None)
    assert (found["lost"].metrics, found["lost"].unread) == ({}, None)


def test_framework_and_software_come_from_the_files(estate: EmptyServer) -> None:
    model_id = estate.logged(None)
    flavours = {
        "python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.7"},
        "sklearn": {"sklearn_version": "1.5.2"},
    }
    files = {
        "MLmodel": json.dumps({"flavors": flavours}),
        "requirements.txt": "# made by MLflow\nscikit_learn==1.5.2\nnumpy<3,>=2\n--index-url x\ngit+https://h/r\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_text(content)
        estate.client.log_model_artifacts(model_id, folder)
    estate.from_logged("m", model_id)
    estate.client.copy_model_version("models:/m/1", "copied")
    found = estate.versions()
    libraries = {"scikit-learn": "1.5.2", "numpy": "<3,>=2"}
    expected = Details(
        framework="sklearn",
        environment=Environment(
            libraries=libraries, ecosystem="pypi", python="3.11.7", file="requirements.txt"
        ),
    )
    assert estate.adapter.details(found["m"]) == expected
    estate.client.delete_model_version("m", "1")
    of_copy = estate.adapter.details(found["copied"])
    assert replace(of_copy, artifact_uri=None) == expected
    assert of_copy.artifact_uri == found["m"].artifact_uri


def test_where_the_files_of_a_copy_are_is_told_though_they_cannot_be_read(estate: EmptyServer) -> None:
    estate.from_logged("m", estate.logged(None))
    estate.client.copy_model_version("models:/m/1", "copied")
    found = estate.versions()
    estate.client.delete_model_version("m", "1")

    def refuse(*asked: Any) -> bytes:
        raise TransientError("mlflow answered 500")

    estate.adapter._api.artifact = refuse  # type: ignore[assignment,method-assign]
    of_copy = estate.adapter.details(found["copied"])
    assert of_copy.artifact_uri == found["m"].artifact_uri
    assert of_copy.unread is not None
    assert of_copy.unread.reason == "mlflow answered 500"
    with pytest.raises(TransientError):
        estate.adapter.details(found["m"])
