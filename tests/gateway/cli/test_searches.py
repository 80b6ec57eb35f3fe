"""`waypost searches` and `waypost similar` on the configured database."""

import json
from pathlib import Path

import pytest

from gateway.cli import run
from tests.federation.graph.chain import CLICKS, VECTOR
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


def test_what_is_like_a_version_is_told_with_the_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, chain = configured(tmp_path)
    small = chain.estate.model("encoder-small")
    chain.estate.put("texts", small, chain.estate.version(small, "1", schema=VECTOR, lineage=CLICKS))

    def told(*words: str) -> tuple[int, str, str]:
        code = run(["similar", *words, "--config", str(config)])
        out, err = capsys.readouterr()
        return code, out, err

    code, out, _ = told("texts/encoder:3", "--json")
    [first, *_] = json.loads(out)["similar"]
    assert (code, first["ref"]) == (0, "texts/encoder-small:1")
    assert {"text", "lineage", "schema"} <= {why["by"] for why in first["because"]}
    code, out, _ = told("texts/encoder:3", "--limit", "1")
    assert (code, first["ref"] in out, "dataset:clicks" in out) == (0, True, True)
    assert told("texts/nothing:1")[0] == 2
    assert told("texts/encoder@champion")[0] == 0
