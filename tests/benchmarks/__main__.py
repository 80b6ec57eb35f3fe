"""`python -m tests.benchmarks [NAME…] [--again] [--size N]`: measure what this commit has not yet."""

import argparse
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tests.benchmarks
from tests import provenance
from tests.benchmarks import Benchmark


def declared(package: str = tests.benchmarks.__name__) -> dict[str, Benchmark]:
    """Every benchmark of the package's modules by name."""
    paths = importlib.import_module(package).__path__
    names = [one.name for one in pkgutil.iter_modules(paths) if not one.name.startswith(("test_", "__"))]
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    values = [getattr(value, "benchmark", None) for module in modules for value in vars(module).values()]
    return {value.name: value for value in values if isinstance(value, Benchmark)}


def measure(one: Benchmark, size: int) -> dict[str, Any]:
    """Run it in this process; what `bench-results.json` says of it."""
    # The engine may still be merging what it was last told to write.
    with tempfile.TemporaryDirectory(prefix="waypost-bench-", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()
        figures = list(one.run(size, Path(folder)))
    return {
        "commit": provenance.commit(),
        "size": size,
        "seconds": round(time.monotonic() - began, 1),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": [figure.document() for figure in figures],
    }


def main(arguments: list[str]) -> int:
    """The exit code: 0 when all ran, whether or not every goal is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("only", nargs="*", metavar="NAME")
    parser.add_argument("--again", action="store_true", help="measure anew, whatever is known")
    parser.add_argument("--size", type=int, help="instead of the full size")
    parser.add_argument("--root", type=Path, default=provenance.ROOT, help="holds state and results")
    parser.add_argument("--package", default=tests.benchmarks.__name__, help="holds the benchmarks")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    known = declared(chosen.package)
    if unknown := [name for name in chosen.only if name not in known]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    if chosen.here:
        one = known[chosen.only[0]]
        provenance.write_json(chosen.here, measure(one, chosen.size or one.full))
        return 0
    failed = False
    for name in chosen.only or sorted(known):
        failed = not _kept(known[name], chosen) or failed
    return int(failed)


def _kept(one: Benchmark, chosen: argparse.Namespace) -> bool:
    """Measure in a fresh process, unless that is done; sum up; False when it failed."""
    state = chosen.root / "bench-state" / f"{one.name}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    size = chosen.size or one.full
    if chosen.again or not _is_known(state, size):
        print(f"{one.name}: measuring at size {size:,}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "tests.benchmarks", one.name, "--here", str(state)]
        command += ["--size", str(size), "--package", chosen.package]
        # What is installed has its bytecode: compiling source at each start is time that no user waits for.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        if subprocess.run(command, check=False, cwd=provenance.ROOT, env=environment).returncode:
            print(f"{one.name}: failed", file=sys.stderr, flush=True)
            return False
    found = json.loads(state.read_text())
    _sum_up(chosen.root / "bench-results.json", one.name, found)
    for figure in found["figures"]:
        print(line(one.name, figure), flush=True)
    return True


def _is_known(state: Path, size: int) -> bool:
    if not state.exists():
        return False
    found = json.loads(state.read_text())
    return bool(found["commit"] == provenance.commit() and found["size"] == size)


def _sum_up(results: Path, name: str, found: dict[str, Any]) -> None:
    known = json.loads(results.read_text())["benchmarks"] if results.exists() else {}
    document = {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "benchmarks": dict(sorted((known | {name: found}).items())),
    }
    provenance.write_json(results, document)


def line(name: str, figure: dict[str, Any]) -> str:
    """A figure for people: value, goal, comparison."""
    parts = [f"{name}: {figure['name']}: {figure['value']:g} {figure['unit']}"]
    if figure["goal"] is not None:
        parts.append(f"goal {figure['goal']:g}, {'met' if figure['met'] else 'MISSED'}")
    if figure["comparison"]:
        other = figure["comparison"]
        times = "" if figure["ratio"] is None else f" ({figure['ratio']:g} times better)"
        parts.append(f"{other['with']} {other['value']:g}{times}")
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
