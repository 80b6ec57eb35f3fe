"""The CI examples that promote: each runs as it stands, against a real gateway over a real MLflow server."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.gateway.served import Served, served
from tests.servers.mlflow import GUARDED, empty

ROOT = Path(__file__).parents[3]
AUTH = '[auth]\nmode = "token"\n'
RULE = 'require_checks = ["ci/validation"]'
SCRIPTS = {
    "train.sh": "echo s3://bucket/model > source.txt",
    "validate.sh": 'echo 0.9 > auc.txt; test -z "${BAD:-}"',
    "deploy.sh": 'echo "$1" >> deployed.txt; test -z "${BROKEN:-}"',
}


@dataclass
class Runner:
    """What a job runs in: a checkout, the command on the path, variables and secrets."""

    folder: Path
    client: Any
    model: str
    variables: dict[str, str]

    def run(self, script: str, more: Mapping[str, str]) -> int:
        """The exit code of a script."""
        around = {"PATH": f"{self.folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            env={**around, **self.variables, **more}, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.returncode

    def champion(self) -> str:
        """The version in production, as MLflow has it."""
        return str(self.client.get_model_version_by_alias(self.model, "champion").version)


@pytest.fixture(scope="module")
def gateway(
    mlflow_process: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, dict[str, str]]]:
    """A gateway over an empty server, and the tokens of who acts."""
    empty(mlflow_process)
    folder = tmp_path_factory.mktemp("gateway")
    with served(folder, config=AUTH + GUARDED.format(url=mlflow_process.url, rule=RULE)) as running:
        yield running, {name: token(folder, name, role) for name, role in ROLES.items()}


@pytest.fixture
def runner(
    gateway: tuple[Served, dict[str, str]],
    mlflow_process: Server,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Runner:
    """A job with a model of its own, which is in production."""
    running, tokens = gateway
    client: Any = mlflow_client(mlflow_process.url)
    model = f"scorer-{request.node.callspec.id}"
    client.create_registered_model(model)
    client.create_model_version(model, "s3://bucket/model", await_creation_for=None)
    client.set_registered_model_alias(model, "champion", "1")
    for name, text in {**SCRIPTS, "waypost": f'exec "{sys.executable}" -m gateway "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"WAYPOST_URL": running.url, "WAYPOST_PACKAGE": "x", "REGISTRY": "ml", "MODEL": model}
    made = Runner(tmp_path, client, model, {**variables, **tokens})
    assert made.run("waypost sync", {"WAYPOST_TOKEN": tokens["OPERATOR_TOKEN"]}) == 0
    return made


ROLES = {"PROMOTER_TOKEN": "approver", "CHECKER_TOKEN": "attester", "OPERATOR_TOKEN": "operator"}


def token(folder: Path, name: str, role: str) -> str:
    config, printed = ["--config", str(folder / "waypost.toml")], io.StringIO()
    with redirect_stdout(printed):
        assert run([*config, "token", "create", name.lower(), "--role", role, "--on", "*"]) == 0
    found = re.search(r"wp_\w+", printed.getvalue())
    assert found is not None
    return found[0]


def github(runner: Runner, more: Mapping[str, str]) -> int:
    """Run the jobs of the workflow as the service does: outputs, secrets and conditions of steps."""
    jobs = yaml.safe_load((ROOT / "config/github-actions-promote.yml").read_text())["jobs"]
    secrets = {"WAYPOST_TOKEN": "PROMOTER_TOKEN", "WAYPOST_CHECK_TOKEN": "CHECKER_TOKEN"}
    outputs: dict[str, str] = {}
    code = 0
    for job in jobs.values():
        for step in job["steps"]:
            if "waypost" not in step.get("run", "") and ".sh" not in step.get("run", ""):
                continue
            if bool(code) != ("failure()" in step.get("if", "")):
                continue
            (runner.folder / "output").write_text("")
            given = {
                name: said(str(text), outputs, runner, secrets)
                for name, text in {**job["env"], **step.get("env", {})}.items()
            }
            code = (
                runner.run(
                    step["run"],
                    {**given, "GITHUB_OUTPUT": str(runner.folder / "output"), "GITHUB_SHA": "c0ffee", **more},
                )
                or code
            )
            outputs |= dict(
                line.split("=", 1) for line in (runner.folder / "output").read_text().splitlines()
            )
        if code:
            return code
    return code


def said(text: str, outputs: Mapping[str, str], runner: Runner, secrets: Mapping[str, str]) -> str:
    """What an expression of the workflow stands for."""

    def meant(found: re.Match[str]) -> str:
        kind, _, name = found[1].rpartition(".")
        if kind == "secrets":
            return runner.variables[secrets[name]]
        return outputs.get(name) or runner.variables.get(name) or "run"

    return re.sub(r"\$\{\{ ([\w.]+) \}\}", meant, text)


def gitlab(runner: Runner, more: Mapping[str, str]) -> int:
    """Run the jobs of the pipeline: each is one script, and `promotion.env` goes on to the next."""
    jobs = yaml.safe_load((ROOT / "config/gitlab-ci-promote.yml").read_text())
    known = {"CI_PIPELINE_URL": "https://gitlab.example/1", "CI_COMMIT_SHA": "c0ffee"}
    for name in ("train", "propose", "deploy"):
        if code := runner.run("\n".join(jobs[name]["script"]), {**known, **more}):
            return code
        handed = runner.folder / "promotion.env"
        if handed.exists():
            known |= dict(line.split("=", 1) for line in handed.read_text().splitlines())
    return 0


@pytest.mark.parametrize("pipeline", [github, gitlab])
def test_a_pipeline_promotes_deploys_and_goes_back(pipeline: Any, runner: Runner) -> None:
    where = f"https://{pipeline.__name__}.example"
    assert (pipeline(runner, {}), runner.champion()) == (0, "2")
    assert (runner.folder / "deployed.txt").read_text() == f"ml/{runner.model}:2\n"
    again = {"CI_PIPELINE_URL": f"{where}/2", "RESULT": f"{where}/2"}
    assert (pipeline(runner, {**again, "BROKEN": "1"}), runner.champion()) == (1, "2")
    assert (runner.folder / "deployed.txt").read_text() == f"ml/{runner.model}:2\nml/{runner.model}:3\n"
    again = {"CI_PIPELINE_URL": f"{where}/3", "RESULT": f"{where}/3"}
    assert (pipeline(runner, {**again, "BAD": "1"}), runner.champion()) == (1, "2")
    assert (runner.folder / "deployed.txt").read_text().count("\n") == 2
