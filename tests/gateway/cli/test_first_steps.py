"""From an address to a first search, with a real MLflow server, in processes of their own; and what goes wrong."""

import json
import os
import pty
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client

PATIENCE = 300.0
"""Seconds after which a command hangs, also on a machine that is busy with other things."""


def waypost(
    folder: Path, *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command in this folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[3]), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def settled(folder: Path, server: Server) -> None:
    """A folder whose `waypost.toml` names this server."""
    done = waypost(folder, "init", "--mlflow", server.url, "--name", "fraud", "--team", "risk")
    assert (done.returncode, done.stdout) == (0, "wrote waypost.toml\n"), done.stderr


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command told: a single line, no trace."""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("waypost: ")
    return done.stderr


def test_from_an_address_to_a_search_without_a_server(
    tmp_path: Path,
    mlflow_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = mlflow_client(mlflow_server.url)
    client.create_registered_model("card-fraud", tags={"domain": "payments"})
    client.create_model_version("card-fraud", "s3://models/card-fraud/1")
    settled(tmp_path, mlflow_server)

    tested = waypost(tmp_path, "registries", "test", "fraud")
    assert (tested.returncode, "mlflow" in tested.stdout) == (0, True), tested.stderr
    synced = waypost(tmp_path, "sync", "--json")
    assert [run["state"] for run in json.loads(synced.stdout)] == ["ok"], synced.stderr
    found = json.loads(waypost(tmp_path, "search", "card payments", "--json").stdout)
    assert [hit["ref"] for hit in found["hits"]] == ["fraud/card-fraud:1"]
    monkeypatch.chdir(tmp_path)  # what is typed, and that commands are processes, are two things
    for words, expected in (
        (("card", "-churn", "--sort", "-updated"), 1),
        (("--explain", "-payments", "card"), 0),
        (("-stage:archived",), 1),
        (("card", "--", "-payments"), 0),
    ):
        capsys.readouterr()
        assert run(["--json", "search", *words]) == 0
        assert json.loads(capsys.readouterr().out)["total"] == expected
    looked = waypost(tmp_path, "doctor")
    assert looked.returncode == 0, looked.stdout
    assert "fraud" in looked.stdout


def test_init_asks_a_person_for_one_address(tmp_path: Path, mlflow_server: Server) -> None:
    inside, outside = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "WAYPOST_URL": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "init"], cwd=tmp_path, env=environment,
        stdin=outside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as asking:  # fmt: skip
        os.write(inside, f"{mlflow_server.url}\n\n\n".encode())
        written, asked = asking.communicate(timeout=PATIENCE)
    os.close(inside)
    os.close(outside)
    assert (asking.returncode, written) == (0, "wrote waypost.toml\n"), asked
    assert "Address of your MLflow server" in asked
    assert mlflow_server.url in (tmp_path / "waypost.toml").read_text()


def test_init_writes_nothing_when_nobody_answers(tmp_path: Path) -> None:
    done = waypost(tmp_path, "init", "--mlflow", "http://127.0.0.1:9", "--name", "fraud", "--team", "risk")
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert "check `--mlflow`" in done.stderr, "the option that was typed, not the setting that it becomes"
    assert list(tmp_path.iterdir()) == []


def test_init_leaves_a_file_that_exists(tmp_path: Path) -> None:
    (tmp_path / "waypost.toml").write_text("# mine")
    done = waypost(tmp_path, "init", "--mlflow", "http://127.0.0.1:9")
    assert (done.returncode, "exists" in one_line(done)) == (2, True)
    assert (tmp_path / "waypost.toml").read_text() == "# mine"


def test_a_token_given_to_init_stays_out_of_the_file(tmp_path: Path) -> None:
    words = (
        "init",
        "--mlflow",
        "http://127.0.0.1:9",
        "--name",
        "a",
        "--team",
        "b",
        "--token",
        "s3cret-value",
    )
    done = waypost(tmp_path, *words)
    assert done.returncode == 2
    assert "s3cret-value" not in done.stdout + done.stderr
    assert "env:NAME" in one_line(done)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("search", "x"), 2, "waypost init"),
        (("search", "x", "--url", "http://127.0.0.1:9"), 3, "cannot be reached"),
        (("search", "x", "--url", "gopher://there"), 2, "--url"),
        (("set", "a/b:", "--stage", "staging"), 2, "expected a version"),
        (("serve", "--url", "http://127.0.0.1:9"), 2, "--url"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    done = waypost(tmp_path, *words)
    assert (done.returncode, said in one_line(done)) == (code, True), done.stderr


@pytest.mark.parametrize(
    "command", ["init", "serve", "migrate", "backup x", "registries apply", "hooks add x"]
)
def test_what_is_done_here_names_the_variable_that_names_a_gateway_elsewhere(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYPOST_URL", "http://127.0.0.1:9/")
    assert run(command.split()) == 2
    assert "unset WAYPOST_URL, use --config" in capsys.readouterr().err
    assert run([*command.split(), "--url", "http://127.0.0.1:8"]) == 2
    assert "leave --url out, use --config" in capsys.readouterr().err


def test_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "waypost.toml").write_text(
        '[[registries]]\nname = "away"\nkind = "mlflow"\nteam = "risk"\nconfig = { url = "http://127.0.0.1:9" }\n'
    )
    done = waypost(tmp_path, "doctor", "--json")
    wrong = [finding for finding in json.loads(done.stdout) if finding["state"] == "fail"]
    assert done.returncode == 1
    assert any("away" in finding["what"] and "127.0.0.1:9" in finding["found"] for finding in wrong), wrong
    assert "Traceback" not in done.stderr


def test_doctor_says_of_a_new_database_that_nothing_was_made_yet(tmp_path: Path) -> None:
    (tmp_path / "waypost.toml").touch()
    assert waypost(tmp_path, "migrate").returncode == 0
    found = json.loads(waypost(tmp_path, "doctor", "--json").stdout)
    assert [(one["state"], one["found"]) for one in found if one["what"] == "index"] == [
        ("warn", "not made yet")
    ]


def test_completion_is_offered_to_shells(tmp_path: Path) -> None:
    # Two commands, so that bash stays the parent: which shell it is, is read off that.
    asked = f"{shlex.quote(sys.executable)} -m gateway --show-completion; exit $?"
    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "complete" in done.stdout, done.stderr


@pytest.mark.parametrize("command", ["search", "sync", "migrate"])
@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ("text", "no database of SQLite"),
        ("orders", "another program's: its tables are orders"),
        ("newer", "newer than"),
    ],
)
def test_what_is_no_database_of_ours_is_told_as_such(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    holds: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waypost.toml").touch()
    file = tmp_path / "waypost.db"
    if holds == "text":
        file.write_text("a text, and longer than the head of a database: " * 20)
    else:
        with closing(sqlite3.connect(file)) as connection, connection:
            table = "orders (x)" if holds == "orders" else "alembic_version (version_num)"
            connection.execute(f"CREATE TABLE {table}")
            if holds == "newer":
                connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    before = file.read_bytes()
    assert run([command, *(["x"] if command == "search" else [])]) == 2
    told = capsys.readouterr()
    assert "an error inside Waypost" not in told.err + told.out
    assert said in told.err
    if holds == "text":
        assert file.read_bytes() == before
