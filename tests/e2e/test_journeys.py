"""What people come for, at the terminal, with the number of commands that it takes. The browser's are in tests/ui."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import run
from gateway.cli.failure import NO, OK, UNREACHABLE
from gateway.demo.servers import Server, reserved_port
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.servers.demo import Demo
from tests.servers.mlflow import GUARDED

RULE = 'approvals = [{ count = 1, from = ["role:approver"] }]\nseparate = []'


class TypingUser:
    """Somebody who types commands; those before and after the journey do not count."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._typed: int | None = None

    def type(self, *words: str, code: int = OK) -> Any:
        """What a command prints as JSON."""
        if self._typed is not None:
            self._typed += 1
        printed = io.StringIO()
        with redirect_stdout(printed):
            ended = run([*words, "--json", *self._options])
        assert ended == code, printed.getvalue()
        return json.loads(printed.getvalue() or "null")

    @contextmanager
    def journey(self, most: int) -> Iterator[None]:
        """In the end it took at most so many commands."""
        self._typed = 0
        yield
        assert self._typed <= most
        self._typed = None


@pytest.fixture
def shell(demo: Demo) -> TypingUser:
    return TypingUser("--url", demo.url)


@pytest.mark.sample
@pytest.mark.xdist_group("demo")
def test_a_question_in_words_leads_to_a_model_that_runs_in_two_commands(shell: TypingUser) -> None:
    with shell.journey(2):
        found = shell.type("search", "which model in production scores card payments for fraud?")
        ref = found["hits"][0]["ref"]
        assert ref.startswith("fraud/card-fraud-scorer")
        lines = shell.type("show", ref, "--snippets")["snippets"]
    code = next(one["code"] for one in lines if one["language"] == "python")
    asked = "\nprint('takes', model.metadata.get_input_schema().input_names())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + asked], capture_output=True, text=True, check=False
    )
    assert "takes ['amount'" in done.stdout, done.stderr[-3000:]


@pytest.mark.xdist_group("demo")
def test_whether_an_encoder_may_be_archived_is_one_command(shell: TypingUser) -> None:
    with shell.journey(1):
        verdict = shell.type("impact", "encoder:3", "--action", "archive", "--fail-on", "production", code=NO)
    assert verdict["counts"]["breaking"] > 3


@pytest.mark.xdist_group("demo")
def test_what_changed_in_a_team_since_yesterday_is_one_command(shell: TypingUser) -> None:
    with shell.journey(1):
        changes = shell.type("changes", "--on", "team:discovery", "--since", "yesterday")["changes"]
    assert {one["registry"] for one in changes} == {"search"}


@pytest.mark.xdist_group("demo")
def test_a_ranker_is_rolled_back_by_one_command_and_is_never_twice_in_production(shell: TypingUser) -> None:
    def in_production() -> list[str]:
        versions = shell.type("show", "search/product-ranker")["versions"]
        return [one["version"] for one in versions if one["stage"] == "production"]

    assert in_production() == ["4"]
    shell.type("promote", "search/product-ranker:5", "--to", "production", "--reason", "better")
    assert in_production() == ["5"]
    with shell.journey(1):
        back = shell.type("rollback", "search/product-ranker", "--reason", "fewer orders")
    assert (back["state"], back["ref"]) == ("done", "search/product-ranker:4")
    assert in_production() == ["4"]


@pytest.fixture
def file(tmp_path: Path, mlflow_server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with an MLflow registry of one model, whose production a policy guards."""
    client = mlflow_client(mlflow_server.url)
    client.create_registered_model("scorer")
    client.create_model_version("scorer", "s3://models/scorer/1")
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "waypost.toml"
    config.write_text(GUARDED.format(url=mlflow_server.url, rule=RULE))
    return config


def test_who_approved_a_version_is_proved_offline_in_three_commands(file: Path, tmp_path: Path) -> None:
    shell, kept = TypingUser("--config", str(file)), tmp_path / "log.jsonl"
    shell.type("sync")
    made = shell.type("promote", "ml/scorer:1", "--to", "production", "--reason", "the first")
    shell.type("approve", str(made["id"]), "--wait")
    with shell.journey(3):
        entries = shell.type("audit", "list", "--ref", "ml/scorer:1", "--action", "promotion.agreed")[
            "entries"
        ]
        shell.type("audit", "export", "--output", str(kept))
        file.unlink()  # whoever verifies has the file alone
        assert run(["audit", "verify", str(kept)]) == OK
    assert [one["actor"] for one in entries] == ["local"]
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:3] + lines[4:]))
    assert run(["audit", "verify", str(kept)]) == NO


def test_a_registry_that_breaks_is_noticed_explained_and_mended_in_three_commands(
    file: Path, mlflow_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = TypingUser("--config", str(file))
    shell.type("sync")
    right = file.read_text()
    with reserved_port() as nobody:  # answers there
        file.write_text(right.replace(mlflow_server.url, f"http://127.0.0.1:{nobody}"))
        shell.type("registries", "apply")
        shell.type("sync", code=UNREACHABLE)
    assert run(["show", "ml/scorer:1", "--config", str(file)]) == OK
    assert "ml is failing" in capsys.readouterr().err, "also whoever looks at a version notices"
    with shell.journey(3):
        (broken,) = shell.type("registries", "list")["registries"]
        assert broken["state"] == "failing"
        assert "cannot be connected to" in broken["last_error"]
        file.write_text(right)
        shell.type("registries", "apply")
        shell.type("sync")
    (mended,) = shell.type("registries", "list")["registries"]
    assert mended["state"] != "failing"
    assert mended["last_success_at"] > broken["last_success_at"]
