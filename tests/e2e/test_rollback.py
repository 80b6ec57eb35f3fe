"""From a promotion to the way back, by commands alone, over a real MLflow server; index and graph are gone by then."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.servers.mlflow import GUARDED

RULE = 'rollback = { approvals = 0, from = ["role:approver"] }'


def test_production_is_rolled_back_by_one_command(
    mlflow_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = mlflow_client(mlflow_server.url)
    client.create_registered_model("scorer")
    for _ in range(2):
        client.create_model_version("scorer", "s3://bucket/model", await_creation_for=None)
    client.set_registered_model_alias("scorer", "champion", "1")
    config = tmp_path / "waypost.toml"
    config.write_text(GUARDED.format(url=mlflow_server.url, rule=RULE))

    def done(*words: str) -> Any:
        capsys.readouterr()
        code = run(["--config", str(config), "--json", *words])
        said = capsys.readouterr()
        assert code == 0, said
        return json.loads(said.out)

    def champion() -> str:
        return str(client.get_model_version_by_alias("scorer", "champion").version)

    done("sync")
    assert run(["--config", str(config), "set", "ml/scorer:2", "--stage", "production"]) == 2
    made = done("promote", "ml/scorer:2", "--to", "production", "--reason", "better")
    assert (made["state"], champion()) == ("done", "2")
    shutil.rmtree(tmp_path / "waypost-index")
    back = done("rollback", "ml/scorer", "--reason", "it fails")
    assert (back["state"], back["ref"], champion()) == ("done", "ml/scorer:1", "1")
