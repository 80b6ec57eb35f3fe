"""A soak runs at two sizes, goes on after a failure, resumes after a kill, and counts truly."""

import inspect
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests import provenance
from tests.soak import SAMPLE_SEED, explore, soak

DECLARED = """
import time
from pathlib import Path
from tests.soak import soak

@soak(sample=3, full=100, batch=10)
def test_steady(cases: int, seed: int, tmp_path: Path) -> list[str]:
    with Path({log!r}).open("a") as log:
        log.write(f"{{cases}} {{seed}}\\n")
    time.sleep({pause})
    return []

@soak(sample=3, full=20, batch=10)
def test_flawed(cases: int, seed: int) -> list[str]:
    return ["odd"] * cases

@soak(sample=3, full=20, batch=20)
def test_raising(cases: int, seed: int) -> list[str]:
    raise ValueError("out of " + "tea")

def test_ordinary() -> None:
    raise AssertionError("a full-size run leaves ordinary tests alone")
"""


def declare(folder: Path, pause: float = 0.0) -> list[str]:
    """The command that runs the soaks above in full size, in a folder of their own."""
    (folder / "test_declared.py").write_text(DECLARED.format(log=str(folder / "log"), pause=pause))
    return [sys.executable, "-m", "tests.soak", "--root", str(folder), "--tests", str(folder)]


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "soak-results.json").read_text())
    return found


def test_a_full_run_counts_cases_and_failures_and_says_on_what(tmp_path: Path) -> None:
    done = subprocess.run([*declare(tmp_path), "--seed", "7"], capture_output=True, check=False)
    assert done.returncode == 1
    written = results(tmp_path)
    assert written["machine"]["cores"]
    assert written["versions"]["numpy"]
    soaks = written["soaks"]
    assert {name: (one["cases"], one["failures"]) for name, one in soaks.items()} == {
        "steady": (100, 0),
        "flawed": (20, 20),
        "raising": (20, 1),
    }
    assert "out of tea" in soaks["raising"]["messages"][0]
    assert str(provenance.ROOT) not in soaks["raising"]["messages"][0]
    assert soaks["steady"]["commit"]
    assert soaks["steady"]["seed"] == 7
    assert len(set((tmp_path / "log").read_text().splitlines())) == 10


def test_a_killed_run_resumes_where_it_was(tmp_path: Path) -> None:
    command = [*declare(tmp_path, pause=0.05), "steady"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while not (tmp_path / "soak-results.json").exists() and first.poll() is None:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    assert 0 < results(tmp_path)["soaks"]["steady"]["cases"] < 100
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert results(tmp_path)["soaks"]["steady"]["cases"] == 100
    tried = (tmp_path / "log").read_text().splitlines()
    assert len(set(tried)) == 10
    assert len(tried) <= 11


def test_a_soak_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    done = subprocess.run([*declare(tmp_path), "stedy"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no soak is called stedy; there are: flawed, raising, steady" in done.stdout + done.stderr


def test_a_sample_gets_its_cases_a_seed_and_its_fixtures(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    seen = []

    @soak(sample=5, full=6)
    def noting(cases: int, seed: int, tmp_path: Path) -> list[str]:
        seen.append((cases, seed, tmp_path))
        return []

    noting(request, tmp_path=tmp_path)
    assert seen == [(5, SAMPLE_SEED, tmp_path)]
    assert list(inspect.signature(noting).parameters) == ["request", "tmp_path"]


def test_a_sample_that_finds_failures_fails(request: pytest.FixtureRequest) -> None:
    @soak(sample=1, full=1)
    def flawed(cases: int, seed: int) -> list[str]:
        return ["odd"]

    with pytest.raises(AssertionError, match="1 cases: odd"):
        flawed(request)


class Counter(RuleBasedStateMachine):
    @rule(step=st.integers())
    def add(self, step: int) -> None:
        assert step < 100


def test_properties_and_state_machines_are_explored() -> None:
    @given(st.integers())
    def small(number: int) -> None:
        assert number < 100

    @given(st.integers())
    def any_number(number: int) -> None:
        assert number == number + 0

    assert explore(any_number, 20, seed=1) == []
    assert "100" in explore(small, 200, seed=1)[0]
    assert explore(Counter, 50, seed=1)[0].startswith("AssertionError")
