"""`waypost searches`: kept, listed, run and removed on the configured database."""

import json
from pathlib import Path

import pytest

from gateway.cli import run
from tests.gateway.chained import configured


def test_a_search_is_kept_listed_run_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(configured(tmp_path)[0])

    def told(*words: str) -> tuple[int, str, str]:
        code = run(["searches", *words, "--config", config])
        out, err = capsys.readouterr()
        return code, out, err

    assert "no search is kept" in told("list")[2]
    assert told("save", "live", "stage:production", "--team", "search")[0] == 0
    code, out, _ = told("list", "--json")
    [kept] = json.loads(out)["searches"]
    assert (code, kept["name"], kept["q"], kept["team"]) == (0, "live", "stage:production", "search")
    assert "search/search-blend:7" in told("run", "live")[1]
    assert told("save", "words", "stage prod", "--strict", "--literal", "prod")[0] == 0
    assert "search-blend" not in told("run", "words")[1]
    assert told("save", "broken", "stage:(")[0] == 2
    assert told("remove", kept["id"])[0] == told("remove", "words")[0] == 0
    assert told("run", "live")[0] == 2
