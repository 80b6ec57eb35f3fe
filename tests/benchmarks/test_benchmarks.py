"""Every benchmark works at its sample size, and the runner compares, keeps and resumes; none sees a clock."""

import json
import math
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import Benchmark, Figure, seconds, spread
from tests.benchmarks.__main__ import declared, line, main
from tests.soak import soak

KNOWN = declared()
LIGHT = {name: one for name, one in KNOWN.items() if not one.servers}
PACKAGE = """
import os
from collections.abc import Iterator
from pathlib import Path
from tests.benchmarks import Figure, benchmark

@benchmark(sample=2, full=5)
def tea_pot(size: int, folder: Path) -> Iterator[Figure]:
    (folder / "scratch").touch()
    yield Figure("cups", size, "cups", goal=4, comparison=("kettle", 10), higher_is_better=True)
    yield Figure("process", os.getpid(), "id")

@benchmark(sample=2, full=5)
def broken(size: int, folder: Path) -> Iterator[Figure]:
    raise ValueError("out of tea")
"""


@pytest.mark.parametrize("one", LIGHT.values(), ids=LIGHT.keys())
def test_each_benchmark_works_at_its_sample_size(one: Benchmark, tmp_path: Path) -> None:
    works(one, tmp_path)


@soak(sample=1, full=len(KNOWN) - len(LIGHT), batch=len(KNOWN) - len(LIGHT))
def test_those_with_servers_work_at_their_sample_size(cases: int, seed: int, tmp_path: Path) -> list[str]:
    servers = sorted((one for one in KNOWN.values() if one.servers), key=lambda one: one.name, reverse=True)
    failed = []
    for place in range(seed, seed + cases):
        one = servers[place % len(servers)]
        (folder := tmp_path / one.name).mkdir()
        try:
            works(one, folder)
        except Exception:
            failed.append(f"{one.name}: {traceback.format_exc()}")
    return failed


def works(one: Benchmark, folder: Path) -> None:
    """It yields figures that can be written down."""
    figures = list(one.run(one.sample, folder))
    assert figures
    for figure in figures:
        assert math.isfinite(figure.value), figure.name
        assert figure.unit
        if figure.comparison is not None:
            assert math.isfinite(figure.comparison[1]), figure.name


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    package = folder / "tea_benchmarks"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "tea.py").write_text(PACKAGE)
    command = [sys.executable, "-m", "tests.benchmarks", "--root", str(folder), "--package", "tea_benchmarks"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def figures_of(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / "bench-results.json").read_text())
    assert document["machine"]["cores"]
    assert document["versions"]["numpy"]
    return {figure["name"]: figure for figure in document["benchmarks"]["tea-pot"]["figures"]}


def test_a_run_writes_figures_with_goal_comparison_and_ratio(tmp_path: Path) -> None:
    done = run(tmp_path, "tea-pot")
    assert done.returncode == 0, done.stderr
    cups = figures_of(tmp_path)["cups"]
    assert (cups["value"], cups["goal"], cups["met"], cups["ratio"]) == (5, 4, True, 0.5)
    assert cups["comparison"] == {"with": "kettle", "value": 10}
    assert done.stdout.startswith("tea-pot: cups: 5 cups; goal 4, met; kettle 10 (0.5 times better)\n")


def test_what_is_measured_on_this_commit_is_not_measured_again_unless_asked(tmp_path: Path) -> None:
    run(tmp_path, "tea-pot")
    first = figures_of(tmp_path)["process"]["value"]
    run(tmp_path, "tea-pot")
    assert figures_of(tmp_path)["process"]["value"] == first
    run(tmp_path, "tea-pot", "--again")
    assert figures_of(tmp_path)["process"]["value"] != first
    run(tmp_path, "tea-pot", "--size", "3")
    assert figures_of(tmp_path)["cups"]["value"] == 3


def test_one_that_fails_spares_the_others_and_is_told(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1
    assert "broken: failed" in done.stderr
    assert "out of tea" in done.stderr
    assert figures_of(tmp_path)["cups"]["value"] == 5


def test_one_that_does_not_exist_is_answered_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tee"])
    assert "no benchmark is called tee; there are:" in capsys.readouterr().err


def test_a_missed_goal_stands_out() -> None:
    slow = Figure("wait", 30.0, "ms", goal=20, comparison=("other", 60.0))
    assert slow.met is False
    assert slow.ratio == 2.0
    assert line("search", slow.document()) == (
        "search: wait: 30 ms; goal 20, MISSED; other 60 (2 times better)"
    )


def test_percentiles_are_of_what_was_measured() -> None:
    hundred = spread([float(number) for number in range(1, 101)])
    assert (hundred.p50, hundred.p95, hundred.p99, hundred.worst) == (50, 95, 99, 100)
    assert spread([7.0]).p99 == 7
    calls: list[int] = []
    seconds(lambda: calls.append(1), times=5, warm_up=2)
    assert len(calls) == 7
