"""The lines to load a version, run as they are pasted, on an MLflow server with workspaces and one host name."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from adapters import InvalidError, VersionRecord
from adapters.mlflow import MlflowAdapter, MlflowConfig
from gateway.demo.servers import mlflow_server
from tests.adapters.scans import scanned
from tests.patience import PATIENCE

REGISTER = """
import mlflow

mlflow.set_tracking_uri(URL)
for workspace in ("default", "team-a"):
    def whose(model_input: list[str]) -> list[str]:
        return [workspace for _ in model_input]

    mlflow.set_workspace(workspace)
    mlflow.set_experiment("scoring")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model", python_model=whose, pip_requirements=[], registered_model_name="it's a scorer"
        )
    mlflow.genai.register_prompt("greeting", workspace)
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with a model of the same name in two workspaces."""
    settings = {"MLFLOW_ENABLE_WORKSPACES": "true", "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost:*"}
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), settings=settings) as running:
        number = urlsplit(running.url).port
        assert number
        url = f"http://localhost:{number}"
        httpx.post(
            f"{url}/api/3.0/mlflow/workspaces", json={"name": "team-a"}, timeout=PATIENCE
        ).raise_for_status()
        pasted(["-c", REGISTER.replace("URL", repr(url))])
        yield number


def pasted(arguments: list[str], program: str = sys.executable) -> str:
    """What is printed where somebody has pasted this."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def codes(port: int, workspace: str | None) -> dict[str, dict[str, str]]:
    """Each model's snippets: the language and the code."""
    adapter = MlflowAdapter(MlflowConfig(url=f"http://localhost:{port}", workspace=workspace))
    found: dict[str, dict[str, str]] = {}
    for one in scanned(adapter).records:
        if isinstance(one, VersionRecord):
            name = str(one.native["name"])
            found[name] = {snippet.language: snippet.code for snippet in adapter.snippets(name, one)}
    adapter.close()
    return found


def test_without_a_workspace_none_is_named(port: int) -> None:
    shown = [code for each in codes(port, None).values() for code in each.values()]
    assert len(shown) == 5
    assert not [code for code in shown if "workspace" in code.lower()]


def test_what_is_pasted_loads_the_model_of_the_workspace(port: int) -> None:
    shown = codes(port, "team-a")
    model, prompt = shown["it's a scorer"], shown["greeting"]
    python = [model["python"], "print(model.predict(['a'])[0])", "mlflow.set_workspace('default')"]
    python += [prompt["python"], "print(prompt.template)"]
    assert pasted(["-c", "\n".join(python)]).split() == ["team-a", "team-a"]
    folder = Path(pasted(["-euc", model["shell"]], "sh").strip().splitlines()[-1])
    assert (folder / "MLmodel").is_file()
    for one in (model, prompt):
        version = json.loads(pasted(["-euc", one["curl"]], "sh"))["model_version"]
        assert version["version"] == "1"
    assert json.loads(pasted(["-euc", prompt["curl"]], "sh"))["model_version"]["name"] == "greeting"


def test_a_workspace_has_its_servers_identity(port: int) -> None:
    url, identities = f"http://localhost:{port}", set()
    for workspace in ("team-a", "default", None):
        info = MlflowAdapter(MlflowConfig(url=url, workspace=workspace)).probe()
        assert info.missing == ()
        identities.add(info.identity)
    assert None not in identities
    assert len(identities) == 3


def test_a_host_that_mlflow_was_not_told_of_is_told_as_that(port: int) -> None:
    with pytest.raises(InvalidError) as refused:
        MlflowAdapter(MlflowConfig(url=f"http://127.0.0.1:{port}")).probe()
    for part in ("invalid Host header", "--allowed-hosts", f"127.0.0.1:{port}", "`url`"):
        assert part in str(refused.value)
