"""A row of runs: on fresh clones, each in an order of its own, some two at once; kept, resumed, ended by a red one."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.soak.runs import NAME, main

MAKEFILE = """
setup:
\t@touch .set-up
test:
\t@test -e .set-up
\t@echo "$$PYTEST_ADDOPTS $$(basename $$PWD)" >> {log}
\t@{then}
"""


@pytest.fixture(autouse=True)
def no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


class Repository:
    """A repository whose `make test` writes down how it was called, and a folder for what is kept."""

    def __init__(self, folder: Path, then: str = "true") -> None:
        self.root, self.source, self.log = folder / "root", folder / "source", folder / "log"
        self.root.mkdir()
        self.source.mkdir()
        (self.source / "Makefile").write_text(MAKEFILE.format(log=self.log, then=then))
        self.git("init", "-q")
        self.commit()

    def git(self, *command: str) -> None:
        author = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
        subprocess.run(["git", "-C", str(self.source), *author, *command], check=True)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "A test")

    def run(self, *arguments: str) -> int:
        return main(["--root", str(self.root), "--source", str(self.source), *arguments])

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "soak-results.json").read_text())["soaks"][NAME]
        return found


def test_a_row_has_an_order_for_each_run_and_a_second_clone_for_some(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.run("--runs", "5") == 0
    found = repository.result()
    assert (found["cases"], found["planned"], found["failures"]) == (5, 5, 0)
    calls = repository.calls()
    assert len({call.split()[0] for call in calls}) == 5
    assert all(call.startswith("--randomly-seed=") for call in calls)
    assert sorted(call.split()[1] for call in calls) == ["clone-1"] * 4 + ["clone-2"]
    assert repository.run("--runs", "5") == 0
    assert len(repository.calls()) == 5, "it is done"


def test_a_red_run_ends_the_row_and_is_told_with_its_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "FAILED tests/test_tea.py::test_hot - cold"
    then = f"test $$(wc -l < {tmp_path / 'log'}) -lt 2 || {{ echo '{said}'; exit 1; }}"
    repository = Repository(tmp_path, then)
    assert repository.run("--seed", "7") == 1
    seed = repository.calls()[1].split()[0]
    assert f"run 2, {seed}: exit code 2: FAILED tests/test_tea.py::test_hot" in capsys.readouterr().err
    found = repository.result()
    assert (found["cases"], found["failures"], found["seed"]) == (2, 1, 7)
    assert repository.run() == 1
    assert len(repository.calls()) == 2, "no row goes on behind a red run"


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Where two runs of five were made, before somebody stopped it."""
    repository = Repository(tmp_path)
    with monkeypatch.context() as patch:
        done: list[int] = []

        def stop_at_the_third(*asked: Any) -> list[str]:
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(1)
            return []

        patch.setattr("tests.soak.runs.at_once", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            repository.run("--runs", "5")
    assert repository.result()["cases"] == 2
    return repository


def test_a_row_that_was_interrupted_goes_on(interrupted: Repository) -> None:
    assert interrupted.run("--runs", "5") == 0
    assert interrupted.result()["cases"] == 5
    assert len(interrupted.calls()) == 3


def test_a_row_goes_on_where_only_its_results_were_brought(interrupted: Repository) -> None:
    seed = interrupted.result()["seed"]
    shutil.copy(interrupted.root / "soak-results.json", interrupted.source)
    shutil.rmtree(interrupted.root / "soak-state")
    interrupted.commit()
    assert interrupted.run("--runs", "5") == 0
    assert (interrupted.result()["cases"], interrupted.result()["seed"]) == (5, seed)
    assert len(interrupted.calls()) == 3


def test_a_row_begins_anew_behind_another_commit(interrupted: Repository) -> None:
    (interrupted.source / "README.md").write_text("News\n")
    interrupted.commit()
    assert interrupted.run("--runs", "5") == 0
    assert len(interrupted.calls()) == 5


def test_a_row_that_is_done_is_made_again_where_only_its_results_were_brought(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.run("--runs", "2") == 0
    shutil.rmtree(repository.root / "soak-state")
    assert repository.run("--runs", "2") == 0
    assert len(repository.calls()) == 4


def test_what_is_not_committed_is_not_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = Repository(tmp_path)
    (repository.source / "Makefile").write_text("test:\n")
    with pytest.raises(SystemExit):
        repository.run()
    assert "commit them first" in capsys.readouterr().err
