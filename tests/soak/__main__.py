"""`python -m tests.soak [NAME…] [--seed N] [--again]`: soaks in full size, resuming what was interrupted."""

import argparse
import json
import re
import secrets
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import provenance
from tests.soak import PLUGIN, Progress


class FileLedger:
    """Progress in one JSON file for each soak, and all of them summed up in `soak-results.json`: from there goes on
    what was begun elsewhere.
    """

    def __init__(self, root: Path, commit: str, only: list[str], *, seed: int | None, again: bool) -> None:
        self.states = root / "soak-state"
        self.results = root / "soak-results.json"
        self.commit = commit
        self.only = only
        self.seed = seed
        self.again = again
        self.states.mkdir(exist_ok=True)

    def load(self, name: str, full: int) -> Progress:
        fresh = Progress(name, full, secrets.randbits(32) if self.seed is None else self.seed, self.commit)
        path = self._path(name)
        found = Progress(**json.loads(path.read_text())) if path.exists() else self._begun_elsewhere(name)
        if self.again or found is None:
            return fresh
        same = (found.commit, found.full) == (self.commit, full) and self.seed in (None, found.seed)
        return found if same else fresh

    def save(self, progress: Progress) -> None:
        provenance.write_json(self._path(progress.name), asdict(progress))
        known = self._known()
        known[progress.name] = {
            "commit": progress.commit,
            "seed": progress.seed,
            "cases": progress.done,
            "planned": progress.full,
            "failures": progress.failed,
            "seconds": progress.seconds,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "messages": list(progress.messages),
        }
        document = {
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "soaks": dict(sorted(known.items())),
        }
        provenance.write_json(self.results, document)
        line = f"{progress.name}: {progress.done:,} of {progress.full:,} cases, {progress.failed} failures"
        print(f"{line}, {progress.seconds:.0f} s", file=sys.stderr, flush=True)

    def _known(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self.results.read_text())["soaks"] if self.results.exists() else {}
        return known

    def _begun_elsewhere(self, name: str) -> Progress | None:
        """What the results say of one that is not done: a soak that is done is run anew where nothing is left of it."""
        told = self._known().get(name)
        if told is None or told["cases"] == told["planned"]:
            return None
        return Progress(
            name,
            told["planned"],
            told["seed"],
            told["commit"],
            told["cases"],
            told["failures"],
            tuple(told["messages"]),
            told["seconds"],
        )

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the soaks that were asked for: all of them when none is named."""
        soaks = [item for item in items if item.get_closest_marker("soak")]
        wanted = [item for item in soaks if not self.only or _names(item) & set(self.only)]
        if self.only and not wanted:
            known = sorted(min(_names(item), key=len) for item in soaks)
            raise pytest.UsageError(
                f"no soak is called {', '.join(self.only)}; there are: {', '.join(known)}"
            )
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted

    def _path(self, name: str) -> Path:
        return self.states / (re.sub(r"[^\w.-]", "_", name) + ".json")


def _names(item: pytest.Item) -> set[str]:
    whole = item.name.removeprefix("test_")
    return {whole, whole.split("[")[0]}


def main(arguments: list[str]) -> int:
    """The exit code: 0 when every soak that was asked for has run to its end without a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("only", nargs="*", metavar="NAME")
    parser.add_argument("--seed", type=int, help="instead of a random one, to repeat a failure")
    parser.add_argument("--again", action="store_true", help="begin anew, whatever is done")
    parser.add_argument("--root", type=Path, default=provenance.ROOT, help="holds state and results")
    parser.add_argument("--tests", type=Path, default=provenance.ROOT / "tests", help="holds the soaks")
    chosen = parser.parse_args(arguments)
    ledger = FileLedger(chosen.root, provenance.commit(), chosen.only, seed=chosen.seed, again=chosen.again)
    options = ["-c", str(provenance.ROOT / "pyproject.toml"), "--rootdir", str(provenance.ROOT), "--quiet"]
    options += ["-pno:randomly", "-pno:cacheprovider", "-otimeout=0", "--capture=no", str(chosen.tests)]

    class Named:
        """Registers the ledger under the name soaks look for."""

        @staticmethod
        def pytest_configure(config: pytest.Config) -> None:
            config.pluginmanager.register(ledger, PLUGIN)

    return int(pytest.main(options, plugins=[Named()]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
