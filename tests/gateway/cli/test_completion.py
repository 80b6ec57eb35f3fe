"""What a shell is offered at each word of a command."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from federation.access import ROLES
from gateway.api.promotions_out import PromotionState
from gateway.cli import access, client, promotions, run, team
from gateway.team import LISTS
from tests.gateway.chained import configured
from tests.patience import PATIENCE


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        ("show texts/enc", {"texts/encoder"}),
        ("show texts/encoder : 3", {"3"}),
        ("show texts/encoder :", {"3"}),
        ("show texts/encoder @ stage : pro", {"production"}),
        ("impact texts/encoder @ stage : pro", {"production"}),
        ("bulk texts/encoder:3 texts/encoder :", {"3"}),
        ("sync te", {"texts"}),
        ("sync enc", {""}),
        ("promotions list --state f", {"failed"}),
        ("grants add --role att", {"attester"}),
        ("team --list wai", {"waiting"}),
        ("team a", {"a"}),
        ("search --sort up", {"updated"}),
        ("search --group v", {"version"}),
        ("insights orp", {"orphans"}),
        ("production --registry te", {"texts"}),
        ("audit list --team b", {"b"}),
        ("token revoke no", {""}),
        ("show nobody/x", {""}),
        ("impact enc", {"texts/encoder", "texts/encoder:3", "texts/encoder@stage:production"}),
        ("impact encoder", {"texts/encoder:3"}),
        ("impact encoder : 3", {"3"}),
        ("impact encoder :", {"3"}),
        ("impact encoder @ stage : pro", {"production"}),
        ("rollback enc", {"texts/encoder"}),
    ],
)
def test_bash_takes_a_reference_apart_and_gets_the_rest_of_its_last_word(
    words: str,
    rest: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, _ = configured(tmp_path)
    for name, value in {
        "WAYPOST_CONFIG": str(file),
        "_WAYPOST_HEAD": "",
        "_WAYPOST_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["waypost", *words.split()]),
        "COMP_CWORD": str(len(words.split())),
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run([])
    assert rest <= {one.removesuffix("\n") for one in capsys.readouterr().out.split("\n")}


def test_a_gateway_that_does_not_answer_keeps_no_shell_waiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name, value in {
            "WAYPOST_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "_WAYPOST_COMPLETE": "complete_bash",
            "COMP_WORDS": "waypost\nshow\nte",
            "COMP_CWORD": "2",
        }.items():
            monkeypatch.setenv(name, value)
        began = time.monotonic()
        with pytest.raises(SystemExit):
            run([])
        assert time.monotonic() - began < 60 < client.PATIENCE
    told = capsys.readouterr()
    assert (told.out.strip(), told.err) == ("", "")


def test_what_commands_offer_is_what_there_is() -> None:
    assert set(access.ROLES) == set(ROLES)
    assert set(team.LISTS) == set(LISTS)
    assert set(get_args(promotions.State)) == set(get_args(PromotionState))


def test_bash_itself_completes_a_bare_name_and_then_its_versions(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    file, _ = configured(tmp_path / "shop")
    (tmp_path / "waypost").write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    (tmp_path / "waypost").chmod(0o755)
    told = """
        eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 waypost --show-completion bash)"
        for words in 'waypost imp' 'waypost impact enc' 'waypost impact encoder :'; do
            COMP_WORDS=($words) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _waypost_completion waypost
            echo "${COMPREPLY[@]}"
        done
    """
    done = subprocess.run(
        ["bash", "-c", told],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "WAYPOST_CONFIG": str(file),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    command, unique, versions = done.stdout.splitlines()
    assert command == "impact"
    assert unique.startswith("texts/encoder texts/encoder:5 texts/encoder:4 texts/encoder:3 texts/encoder@")
    assert versions == "5 4 3"
