"""A model registered under a prompt's name is in none of MLflow's searches; we read it, and register none."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters import InvalidError, Registration, VersionRecord
from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.mlflow.hidden import MOST_ASKED, Hidden
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client
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
    page = adapter.scan(since=since, page=None, limit=100)
    records = list(page.records)
    while page.next is not None:
        page = adapter.scan(since=since, page=page.next, limit=100)
        records += page.records
    return sorted(r.version for r in records if isinstance(r, VersionRecord)), page.watermark


def test_a_number_that_no_listing_gave_is_asked_for(adapter: MlflowAdapter, mlflow: Any) -> None:
    versions, watermark = scan(adapter)
    assert versions == ["1", "2", "3"]
    mlflow.create_model_version("greet", "s3://bucket/model", await_creation_for=0)
    again, _ = scan(adapter, watermark)
    assert again == ["1", "2", "3", "4"]
    adapter._api.write("DELETE", "/model-versions/delete", {"name": "greet", "version": "2"})
    assert scan(adapter)[0] == ["1", "3", "4"]


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
