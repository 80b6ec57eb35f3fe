"""The kit from the command line: list, generate, check, trace; and what a broken plugin makes it say."""

import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.emulators.rest import Shelf, serve
from gateway.cli import run

SECRET = "a-s3cret-of-the-shelf"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, worked in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAYPOST_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def toy(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A generated single-file adapter, in a plugin folder."""
    assert run(["adapters", "new", "toy", "--single-file", "--output", "plugins"]) == 0
    assert capsys.readouterr().out == "plugins/toy.py\n"
    return folder / "plugins" / "toy.py"


@pytest.fixture
def shelf(folder: Path) -> Iterator[Shelf]:
    """A running in-house registry, and a waypost.toml that names it as one of kind toy."""
    made = Shelf(token=SECRET)
    for name in ("churn", "uplift"):
        made.put_version(name)
    server = serve(made)
    (folder / "token").write_text(SECRET)
    (folder / "waypost.toml").write_text(
        'plugins = "plugins"\n\n[[registries]]\nname = "house"\nkind = "toy"\nteam = "house"\n'
        f'config = {{ url = "http://127.0.0.1:{server.server_port}/api", token = "file:token" }}\n'
    )
    yield made
    server.shutdown()
    server.server_close()


def test_the_list_says_where_adapters_come_from(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "list", "--plugins", "plugins", "--json"]) == 0
    rows = {row["kind"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"memory", "mlflow", "rest", "sagemaker", "vertex"} < set(rows)
    assert rows["toy"] == {
        "kind": "toy", "source": "plugins/toy.py", "state": "ok", "contract": 1, "capabilities": [], "error": None,
    }  # fmt: skip
    assert "set_stage" in rows["sagemaker"]["capabilities"]


def test_a_broken_plugin_is_named_and_the_others_stand(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy.with_name("torn.py").write_text("import no_such_module\n")
    assert run(["adapters", "list", "--plugins", "plugins"]) == 1
    said = capsys.readouterr()
    assert "torn" in said.out
    assert "no module named 'no_such_module'" in said.err.lower()
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith(("toy", "mlflow"))] == [
        "ok",
        "ok",
    ]


def test_a_plugin_for_another_contract_is_refused_in_one_line(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace("contract: ClassVar[int] = 1", "contract: ClassVar[int] = 2"))
    assert run(["adapters", "check", "toy", "--plugins", "plugins"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "was built for contract 2, this Waypost speaks 1" in said


def test_a_generated_adapter_passes_its_checks(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "check", "toy", "--plugins", "plugins"]) == 0
    said = capsys.readouterr()
    assert said.out.count("\nok ") + said.out.startswith("ok ") >= 60, "at least sixty checks apply"
    assert "FAIL" not in said.out
    assert "toy: 1" in said.err
    assert " 0 failed" in said.err


def test_a_check_that_fails_says_what_it_proves_and_why(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace('limit, "cursor": cursor', 'limit, "cursor": None'))
    check = ["adapters", "check", "toy", "--plugins", "plugins"]
    assert run([*check, "--only", "only_the_last_page_has_a_watermark"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL  only_the_last_page_has_a_watermark")
    assert lines[1].startswith("      The watermark comes on the last page")
    assert lines[2] == "      why: a mark or page came again: the scan would never end"
    assert run([*check, "--only", "only_the_last_page_has_a_watermark", "--json"]) == 1
    assert [one["outcome"] for one in json.loads(capsys.readouterr().out)] == ["failed"]


def test_a_check_nobody_knows_is_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "check", "rest", "--only", "no_such_check"]) == 2
    assert "no such check: no_such_check" in capsys.readouterr().err


def test_a_kind_without_harness_is_told_the_way_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "check", "mlflow"]) == 2
    assert "--live --config FILE" in capsys.readouterr().err
    assert run(["adapters", "check", "nothing"]) == 2
    assert "no adapter for kind 'nothing'" in capsys.readouterr().err


def test_a_live_check_writes_nothing_and_shows_no_secret(
    toy: Path, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps([shelf.models, shelf.versions])
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 0
    said = capsys.readouterr()
    assert "nothing is written, nothing is provoked" in said.err
    assert "\nok    no_secret_in_records" in said.out
    assert SECRET not in said.out + said.err
    assert json.dumps([shelf.models, shelf.versions]) == before


def test_a_live_check_of_a_registry_that_is_not_there(
    toy: Path, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", "check", "vertex", "--live", "--config", "waypost.toml"]) == 2
    assert "it has house (toy)" in capsys.readouterr().err


def test_a_trace_shows_every_request_and_no_secret(
    toy: Path, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.requests = 0
    assert run(["adapters", "trace", "house", "--limit", "1"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["PAGE", "METHOD", "PATH", "STATUS", "TIME"]
    assert len(lines) - 1 == shelf.requests == 5, "the probe, two models, two versions"
    assert lines[1].split()[:4] == ["probe", "GET", "/info", "200"]
    assert all(line.endswith(" ms") for line in lines[1:])
    assert SECRET not in said.out + said.err
    assert "5 requests in" in said.err


def test_a_trace_without_a_registry_scans_the_test_backend(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", "trace", "toy", "--plugins", "plugins", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == 4
    assert [one["path"] for one in found["requests"]] == ["/info", "/models", "/versions"]


def test_nothing_is_overwritten(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy.write_text("mine")
    assert run(["adapters", "new", "toy", "--single-file", "--output", "plugins"]) == 2
    assert "exists: choose another name or folder" in capsys.readouterr().err
    assert toy.read_text() == "mine"


@pytest.mark.parametrize("name", ["Toy", "to-y", "9toy", "class", "../toy", ""])
def test_a_name_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(["adapters", "new", name]) == 2
    assert "is no name for a kind" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_live_check_fails_where_no_version_is_understood(
    toy: Path, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace('raw["number"]', 'raw["numbre"]'))
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 1
    said = capsys.readouterr()
    assert "FAIL  versions_are_understood" in said.out
    assert "no version was understood" in said.out
    assert re.search(r"\d+ of \d+ checks applied \(\d+ %\)", said.err)
    assert "without --live more of them run" in said.err


def test_the_line_of_an_author_s_error_is_named(
    toy: Path, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace('answer["items"]', 'answer["itmes"]'))
    number = next(at for at, line in enumerate(toy.read_text().splitlines(), 1) if "itmes" in line)
    where = f"failed in the adapter itself (KeyError, toy.py, line {number}, in _found)"
    assert run(["adapters", "trace", "toy", "--config", "waypost.toml"]) == 1
    assert where in capsys.readouterr().err
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 1
    told = capsys.readouterr()
    assert "FAIL  versions_are_understood" in told.out
    assert where in told.out
    assert "ok    kind_is_a_word" in told.out, "what is known already is not lost for it"
    gc.collect()  # what a command leaves goes with its process
    assert run(["--config", "waypost.toml", "sync"]) == 3
    assert f"house: scan {where}: report this to its author" in capsys.readouterr().err
