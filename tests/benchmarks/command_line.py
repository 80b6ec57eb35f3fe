"""How fast the command line starts: by itself, against a running gateway, and on the configured database."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks import Figure, benchmark, seconds
from tests.gateway.served import served

NEEDS_NO_DATABASE = 0.4
EMBEDDED = 0.65


@benchmark(sample=1, full=15, servers=True)
def cli_start(size: int, folder: Path) -> Iterator[Figure]:
    """Whole processes, median of `size`, beside one that starts Python and does nothing."""
    warm_up = min(1, size - 1)
    bare = seconds(program("-c", "pass"), times=size, warm_up=warm_up).p50
    compared = ("python -c pass", bare)

    def figure(name: str, goal: float, *words: str, **environment: str) -> Figure:
        taken = seconds(program("-m", "gateway", *words, **environment), times=size, warm_up=warm_up)
        return Figure(f"{name}, p50", taken.p50, "s", goal, compared)

    yield figure("waypost --help", NEEDS_NO_DATABASE, "--help")
    yield figure("waypost --version", NEEDS_NO_DATABASE, "--version")
    with served(folder) as gateway:
        for words in (("search", "x"), ("registries", "list"), ("audit", "list")):
            name = f"waypost {' '.join(words)} --url"
            yield figure(name, NEEDS_NO_DATABASE, *words, WAYPOST_URL=gateway.url)
    config = str(folder / "waypost.toml")
    for words in (("search", "x"), ("registries", "list")):
        yield figure(f"waypost {' '.join(words)}, embedded", EMBEDDED, *words, WAYPOST_CONFIG=config)


def program(*words: str, **environment: str) -> Callable[[], None]:
    """A call that runs Python with these words as a process of its own, which must succeed."""

    def run() -> None:
        done = subprocess.run(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run
