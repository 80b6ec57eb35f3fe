"""The kit from the command line: list, generate, check, trace; and what a broken plugin makes it say."""

import gc
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from adapters import discover
from adapters.conformance import run as run_checks
from adapters.conformance.find import find_harness
from adapters.emulators.serving import ServedHarness
from gateway.cli import run

SECRET = "a-s3cret-of-the-fake"
CORE = (
    "a_full_scan_gives_everything", "page_size_1_equals_1000", "get_equals_scan", "a_changed_tag_is_seen",
    "a_changed_stage_is_seen", "a_moved_alias_is_seen", "an_incremental_scan_tells_the_truth",
    "a_bad_record_is_no_absence", "a_refused_credential_is_an_auth_error", "a_delete_during_a_scan_hides_nothing_else",
    "config_fields_are_described",
)  # fmt: skip


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
def house(toy: Path) -> Iterator[Any]:
    """The toy's own service, running, and a waypost.toml that names it as a registry of kind toy."""
    made = find_harness("toy", discover(toy.parent).get("toy"))()
    assert isinstance(made, ServedHarness)
    for name in ("churn", "uplift"):
        made.put(name)
    (toy.parent.parent / "token").write_text(made.secrets[0])
    (toy.parent.parent / "waypost.toml").write_text(
        'plugins = "plugins"\n\n[[registries]]\nname = "house"\nkind = "toy"\nteam = "house"\n'
        f'config = {{ url = "{made.url}", token = "file:token" }}\n'
    )
    yield made.service
    made.close()


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
    toy.write_text(toy.read_text().replace('contract = "toy", 1', 'contract = "toy", 2'))
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
    toy.write_text(toy.read_text().replace("""f"{ident}/{one['number']}\"""", """f"{one['number']}\""""))
    check = ["adapters", "check", "toy", "--plugins", "plugins"]
    assert run([*check, "--only", "keys_differ_between_models"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL  keys_differ_between_models")
    assert lines[1].startswith("      Versions of the same number in two models")
    assert lines[2].startswith("      why: ")
    assert run([*check, "--only", "keys_differ_between_models", "--json"]) == 1
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
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps([house.models, house.versions])
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 0
    said = capsys.readouterr()
    assert "nothing is written, nothing is provoked" in said.err
    assert "\nok    no_secret_in_records" in said.out
    assert SECRET not in said.out + said.err
    assert json.dumps([house.models, house.versions]) == before


def test_a_live_check_of_a_registry_that_is_not_there(
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", "check", "vertex", "--live", "--config", "waypost.toml"]) == 2
    assert "it has house (toy)" in capsys.readouterr().err


def test_a_trace_shows_every_request_and_no_secret(
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    house.asked.clear()
    assert run(["adapters", "trace", "house", "--limit", "1"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split() == ["PAGE", "METHOD", "PATH", "STATUS", "TIME"]
    assert len(lines) - 1 == len(house.asked) == 6, "the probe, the models, two requests of each"
    assert lines[1].split()[:4] == ["probe", "GET", "/info", "200"]
    assert all(line.endswith(" ms") for line in lines[1:])
    assert SECRET not in said.out + said.err
    assert "6 requests in" in said.err


def test_a_trace_without_a_registry_scans_the_test_backend(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adapters", "trace", "toy", "--plugins", "plugins", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == 4
    paths = [one["path"] for one in found["requests"]]
    assert paths[:2] == ["/info", "/models"]
    assert len(paths) == 2 + 2 * 2, "two requests of each model"


@pytest.mark.parametrize("how", [[], ["--incremental"]], ids=["listing", "incremental"])
def test_a_generated_package_reads_what_its_service_has(
    folder: Path, how: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = f"made{len(how)}"
    assert run(["adapters", "new", kind, *how]) == 0
    said = capsys.readouterr()
    assert f"waypost-{kind}/src/waypost_{kind}/fake.py" in said.out
    assert "the guide: " in said.err
    monkeypatch.syspath_prepend(folder / f"waypost-{kind}" / "src")
    harness = import_module(f"waypost_{kind}.harness")
    made = getattr(harness, f"Made{len(how)}Harness")()
    try:
        results = list(run_checks(made, CORE))
    finally:
        made.close()
    assert [(one.name, one.outcome, one.detail) for one in results if one.outcome != "passed"] == []


def test_an_incremental_adapter_is_a_package(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapters", "new", "toy", "--single-file", "--incremental"]) == 2
    assert "--incremental writes a package" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


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
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace('one["number"]))', 'one["no"]))'))
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 1
    said = capsys.readouterr()
    assert "FAIL  versions_are_understood" in said.out
    assert "no version was understood" in said.out
    assert re.search(r"\d+ of \d+ checks applied \(\d+ %\)", said.err)
    assert "without --live more of them run" in said.err


def test_a_record_that_cannot_be_kept_is_not_understood_either(
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace("VersionRecord(", "VersionRecord(creator=7, "))
    assert run(["adapters", "check", "toy", "--live", "--config", "waypost.toml"]) == 1
    said = capsys.readouterr().out.partition("FAIL  versions_are_understood")[2]
    assert "$.creator" in said
    assert run(["adapters", "trace", "toy", "--config", "waypost.toml"]) == 0
    assert not capsys.readouterr().err.endswith(" 0 not understood\n")


def test_the_line_of_an_author_s_error_is_named(
    toy: Path, house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.write_text(toy.read_text().replace('page["models"]', 'page["model"]'))
    number = next(at for at, line in enumerate(toy.read_text().splitlines(), 1) if 'page["model"]' in line)
    where = f"failed in the adapter itself (KeyError, toy.py, line {number}, in records)"
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
