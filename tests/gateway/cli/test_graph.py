"""`waypost impact`, `deps`, `bom`, `insights`, `dependencies`: what they print, and what they end with."""

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.cli import run
from tests.gateway.chained import configured


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return configured(tmp_path_factory.mktemp("chained"))[0]


def told(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run([*words, "--config", str(config)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_small_impact_is_a_tree_along_its_paths(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(config, capsys, "impact", "texts/encoder:3", "--action", "archive")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(
        "texts/encoder:3, archive: 2 break, 3 affected in all, 1 in production, 1 behind"
    )
    assert lines[1] == "texts/encoder:3"
    assert lines[2].startswith("├── ranking/ranker:5  staging  breaks")
    assert lines[3].startswith("│   └── search/search-blend:7  production  blend-live 100 %")
    assert lines[4].startswith("└── ranking/follower:1  breaks")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("texts/encoder:3", "--action", "archive", "--fail-on", "live"), 1),
        (("texts/encoder:3", "--action", "archive", "--fail-on", "any"), 1),
        (("ranking/follower:1", "--action", "delete", "--fail-on", "any"), 0),
        (("texts/encoder@champion", "--action", "move-alias", "--to", "4", "--fail-on", "staging"), 0),
        (("texts/encoder@champion", "--action", "move-alias", "--to", "4", "--fail-on", "any"), 1),
        (("ranking/ranker:5", "--action", "archive", "--fail-on", "production"), 1),
        (("texts/encoder:3", "--action", "archive"), 0),
        (("texts/encoder:99", "--fail-on", "any"), 2),
        (("texts/encoder@champion", "--action", "move-alias", "--fail-on", "any"), 2),
    ],
)
def test_a_gate_ends_with_its_verdict(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    assert told(config, capsys, "impact", *words)[0] == code
    assert told(config, capsys, "impact", *words, "--json")[0] == code


def test_a_gate_does_not_pass_over_what_nobody_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, chain = configured(tmp_path)
    model = chain.estate.model("vague")
    tags = {"depends_on": '{"model": "Encoder", "version": 4}'}
    chain.estate.put("search", model, chain.estate.version(model, "1", tags=tags))
    chain.estate.settle()
    asked = ("--action", "delete", "--fail-on", "live")
    for form in ((), ("--json",)):
        code, _, err = told(file, capsys, "impact", "texts/encoder:4", *asked, *form)
        assert (code, "1 version may need it" in err) == (1, True)
        code, _, err = told(file, capsys, "impact", "ranking/follower:1", *asked, *form)
        assert (code, "nobody can read what one statement of a dependency means" in err) == (0, True)
    _, _, err = told(file, capsys, "deps", "search/vague:1")
    assert "search/vague:1 needs {" in err
    assert "it cannot be read: expected a reference" in err


def test_a_large_impact_is_folded_by_team(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, chain = configured(tmp_path)
    crowd = chain.estate.model("crowd")
    tags = {"depends_on": "texts/encoder:3"}
    chain.estate.put("search", crowd, *(chain.estate.version(crowd, str(n), tags=tags) for n in range(25)))
    chain.estate.settle()
    _, out, _ = told(file, capsys, "impact", "texts/encoder:3", "--action", "archive")
    lines = out.splitlines()
    assert "27 break, 28 affected in all" in lines[0]
    assert lines[2] == "├── c: 26 affected, 25 breaking, 1 production, 1 live"
    assert len([line for line in lines if "search/crowd" in line]) == 3
    assert lines[6].endswith("… 23 more: --table or --format csv")
    assert lines[7] == "└── b: 2 affected, 2 breaking"


def test_exports_go_to_standard_output(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(config, capsys, "impact", "texts/encoder:3", "--action", "archive", "--format", "csv")
    assert [row["ref"] for row in csv.DictReader(io.StringIO(out))][2] == "search/search-blend:7"
    _, out, _ = told(config, capsys, "impact", "--dataset", "clicks", "--format", "dot")
    assert out.startswith("digraph")
    _, out, _ = told(config, capsys, "deps", "search/search-blend:7", "--format", "svg")
    assert out.startswith("<svg")
    code, out, err = told(
        config,
        capsys,
        "impact",
        "texts/encoder:3",
        "--action",
        "archive",
        "--format",
        "csv",
        "--fail-on",
        "live",
    )
    assert (code, "gate live: fails" in err, out.startswith("ref,")) == (1, True, True)


def test_a_bill_is_written_to_a_file(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = told(
        config, capsys, "bom", "search/search-blend:7", "--output", str(tmp_path / "bom.json")
    )
    assert (code, out) == (0, "")
    assert "bom.json" in err
    found = json.loads((tmp_path / "bom.json").read_text())
    assert found["bomFormat"] == "CycloneDX"


def test_lists_and_their_csv(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(config, capsys, "insights")
    assert (code, "single-points-of-failure" in out) == (0, True)
    _, out, _ = told(config, capsys, "insights", "most-depended-on")
    said, heads, *_ = out.splitlines()
    assert said.startswith("2 most-depended-on")
    assert heads.split() == ["VALUE", "REF", "STAGE", "TEAM", "DETAIL", "REFS"], "as the sentence calls them"
    _, out, _ = told(config, capsys, "insights", "most-depended-on", "--csv")
    assert [row["ref"] for row in csv.DictReader(io.StringIO(out))] == ["texts/encoder:3", "ranking/ranker:5"]
    assert told(config, capsys, "insights", "nothing")[0] == 2


def test_an_edge_is_declared_listed_and_taken_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("dependencies", "declare", "search/search-blend:7", "texts/encoder:5", "--json")
    code, out, _ = told(config, capsys, *words)
    made = json.loads(out)
    assert (code, made["kind"]) == (0, "depends_on")
    assert "texts/encoder:5" in told(config, capsys, "deps", "search/search-blend:7")[1]
    assert str(made["id"]) in told(config, capsys, "dependencies", "list")[1]
    assert told(config, capsys, "dependencies", "withdraw", str(made["id"]))[0] == 0
    assert "texts/encoder:5" not in told(config, capsys, "deps", "search/search-blend:7")[1]
    assert told(config, capsys, "dependencies", "withdraw", str(made["id"]))[0] == 2


def test_a_diff_tells_the_contract(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(config, capsys, "diff", "texts/encoder:3", "texts/encoder:4")
    assert "contract: none" in out
    assert "inputs text: string; outputs vector: float[-1, 128]  inputs text: string; outputs" in out
    assert "output vector: shape changed ([-1, 128] → [-1, 256])" in out
