"""A model registered under a prompt's name is in none of MLflow's searches; we read it, and register none."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters import AuthError, BadRecordError, InvalidError, Registration, VersionRecord
from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.mlflow.client import PROMPT_TAG
from adapters.mlflow.hidden import MOST_ASKED, MOST_MODELS, Hidden
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client
from tests.adapters.scans import scanned
from tests.servers.mlflow import empty


@pytest.fixture
def server(mlflow_process: Server) -> Server:
    empty(mlflow_process)
    return mlflow_process


@pytest.fixture
def adapter(server: Server) -> Iterator[MlflowAdapter]:
    made = MlflowAdapter(MlflowConfig(url=server.url))
    yield made
    made.close()


@pytest.fixture
def mlflow(server: Server) -> Any:
    made = client(server.url)
    made.create_prompt("greet")
    made.create_prompt_version("greet", "hello {{name}}")
    made.create_model_version("greet", "s3://bucket/model", await_creation_for=0)
    made.create_prompt_version("greet", "good day {{name}}")
    return made


def scan(adapter: MlflowAdapter, since: str | None = None) -> tuple[list[str], str | None]:
    """The numbers of the versions that a scan gives, and its watermark."""
    found = scanned(adapter, since)
    return sorted(r.version for r in found.records if isinstance(r, VersionRecord)), found.watermark


def test_a_number_that_no_listing_gave_is_asked_for(adapter: MlflowAdapter, mlflow: Any) -> None:
    versions, watermark = scan(adapter)
    assert versions == ["1", "2", "3"]
    mlflow.create_model_version("greet", "s3://bucket/model", await_creation_for=0)
    again, _ = scan(adapter, watermark)
    assert again == ["1", "2", "3", "4"]
    adapter._api.write("DELETE", "/model-versions/delete", {"name": "greet", "version": "2"})
    assert scan(adapter)[0] == ["1", "3", "4"]


def test_a_version_of_a_prompt_has_no_files(adapter: MlflowAdapter, mlflow: Any) -> None:
    """MLflow gives it the source `prompt-template`, which is the address of nothing."""
    found = [record for record in scanned(adapter).records if isinstance(record, VersionRecord)]
    assert {one.version: one.artifact_uri for one in found} == {
        "1": None,
        "2": "s3://bucket/model",
        "3": None,
    }


def test_no_model_is_registered_under_a_prompts_name(adapter: MlflowAdapter, mlflow: Any) -> None:
    with pytest.raises(InvalidError, match="greet is a prompt"):
        adapter.register(Registration(model="greet", source="s3://bucket/model"))
    assert scan(adapter)[0] == ["1", "2", "3"]


def test_what_is_not_asked_for_is_said(adapter: MlflowAdapter, mlflow: Any) -> None:
    prompt = {
        "name": "greet",
        "creation_timestamp": 1,
        "aliases": [{"alias": "champion", "version": str(MOST_ASKED + 10)}],
    }
    rows, bad = Hidden(adapter._api).rows(prompt, {"1", "2", "3"})
    assert rows == []
    assert [error.native for error in bad] == ["numbers of greet"]


@pytest.mark.parametrize("prompts", [False, True])
def test_a_model_with_a_version_that_has_a_prompts_tag_is_read(
    adapter: MlflowAdapter, server: Server, monkeypatch: pytest.MonkeyPatch, prompts: bool
) -> None:
    mlflow = client(server.url)
    if prompts:
        mlflow.create_prompt("greet")
    for name, numbers in (("scorer", 3), ("plain", 2)):
        mlflow.create_registered_model(name)
        for _ in range(numbers):
            mlflow.create_model_version(name, "s3://bucket/model", await_creation_for=0)
    mlflow.delete_model_version("scorer", "2")
    mlflow.set_model_version_tag("scorer", "1", PROMPT_TAG, "true")  # no search shows scorer:3 any more
    assert scan(adapter)[0] == ["1", "1", "2", "3"]
    mlflow.set_registered_model_alias("scorer", "champion", "3")
    versions, watermark = scan(adapter)
    assert versions == ["1", "1", "2", "3"]
    mlflow.create_model_version("scorer", "s3://bucket/model", await_creation_for=0)
    again, _ = scan(adapter, watermark)
    assert {"1", "3", "4"} <= set(again)

    def refuse(name: str) -> Any:
        raise AuthError(f"{name} may not be read")

    monkeypatch.setattr(adapter._api, "model", refuse)
    (bad,) = bad_of(adapter)
    assert str(bad) == "scorer has versions that no listing gave: scorer may not be read"


def bad_of(adapter: MlflowAdapter) -> list[BadRecordError]:
    """What a scan had to leave."""
    return scanned(adapter).bad


def test_models_that_are_not_asked_about_are_said(adapter: MlflowAdapter, server: Server) -> None:
    rows, bad = Hidden(adapter._api).behind({f"m{number}" for number in range(MOST_MODELS + 3)}, {})
    assert rows == []
    assert str(bad[0]).startswith("3 models have versions that no listing gave")
