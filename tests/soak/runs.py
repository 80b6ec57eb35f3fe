"""`python -m tests.soak.runs`: is `make test` green twenty times in a row, on fresh clones, in random order?

Each run has a new seed for its order, which is printed when it fails; every fourth is made beside another, in a second
clone. What is done goes into `soak-results.json` as the soak `runs-in-a-row`; a row that was interrupted goes on, here
or where that file was committed, as long as nothing else was. The first red run ends the row: `--again` begins another.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests import provenance
from tests.soak.__main__ import FileLedger

NAME, ROW = "runs-in-a-row", 20
BESIDE = 4
"""Of so many runs, one is made beside the next."""
_NAMED = 12  # failed tests that a red run's line names


@dataclass(frozen=True)
class Clone:
    """A fresh clone that was set up, and where its runs are written down."""

    folder: Path
    logs: Path

    def start(self, number: int, seed: int) -> subprocess.Popen[bytes]:
        """Begin `make test` in the order of this seed."""
        options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --randomly-seed={seed}".strip()
        with self.log(number).open("wb") as log:
            command = ["make", "--no-print-directory", "test"]
            environment = os.environ | {"PYTEST_ADDOPTS": options}
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)

    def log(self, number: int) -> Path:
        """What a run printed."""
        return self.logs / f"{number}.log"

    def failed(self, number: int) -> str:
        """The tests that a red run names, or the last line it printed."""
        lines = self.log(number).read_text(errors="replace").splitlines()
        named = [line.split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return ", ".join(named[:_NAMED]) or (lines[-1] if lines else "printed nothing")


def cloned(source: Path, commit: str, folder: Path) -> Clone:
    """The commit in a folder that is emptied first, and set up. Errors: `CalledProcessError`."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(source), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit], check=True)
    subprocess.run(["make", "--no-print-directory", "setup"], cwd=folder, check=True)
    logs = folder.with_name(f"{folder.name}-logs")
    logs.mkdir(exist_ok=True)
    return Clone(folder, logs)


def at_once(clones: Sequence[Clone], first: int, seeds: Sequence[int]) -> list[str]:
    """One run for each seed, all at the same time, numbered from `first`; a line for each that is red."""
    beside = ", beside another" if len(seeds) > 1 else ""
    red = []
    with ExitStack() as running:
        runs = [
            (clone, first + place, seed, running.enter_context(clone.start(first + place, seed)))
            for place, (clone, seed) in enumerate(zip(clones, seeds, strict=False))
        ]
        for clone, number, seed, process in runs:
            if code := process.wait():
                said = clone.failed(number)
                red.append(f"run {number}, --randomly-seed={seed}{beside}: exit code {code}: {said}")
    return red


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 when the whole row is green."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.runs", description="make test, in a row")
    parser.add_argument("--runs", type=int, default=ROW)
    parser.add_argument("--seed", type=int, help="instead of a random one, to repeat a row")
    parser.add_argument("--again", action="store_true", help="begin anew, whatever is done")
    parser.add_argument("--root", type=Path, default=provenance.ROOT, help="holds state and results")
    parser.add_argument("--source", type=Path, default=provenance.ROOT, help="the repository")
    chosen = parser.parse_args(arguments)
    commit = provenance.commit(chosen.source)
    if commit.endswith("+changes"):
        parser.error("there are changes that no clone would have: commit them first")
    ledger = FileLedger(chosen.root, commit, [], seed=chosen.seed, again=chosen.again)
    progress = ledger.load(NAME, chosen.runs)
    folders = [chosen.root / "soak-state" / f"clone-{number}" for number in (1, 2)]
    clones: list[Clone] = []
    while progress.done < progress.full and not progress.failed:
        runs = 2 if progress.done % BESIDE == BESIDE - 2 and progress.full - progress.done > 1 else 1
        clones += [cloned(chosen.source, commit, folder) for folder in folders[len(clones) : runs]]
        drawn = random.Random(f"{progress.seed}:{progress.done}")
        began = time.monotonic()
        red = at_once(clones, progress.done + 1, [drawn.getrandbits(32) for _ in range(runs)])
        progress = progress.after(runs, red, time.monotonic() - began)
        ledger.save(progress)
    for message in progress.messages:
        print(message, file=sys.stderr)
    return int(progress.failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
