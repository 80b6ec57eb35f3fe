"""This build and a former one side by side, so that both are measured in one run on one machine."""

import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.demo.servers import answers, reserved_port, server
from tests import provenance
from tests.benchmarks import Figure, Spread, benchmark, spread

FORMER = "169aa24"
"""The commit that everything is measured beside. What it needs is installed: SQLModel, which this build does without,
comes with the extra `dev`.
"""


@dataclass(frozen=True, slots=True)
class Build:
    """The code of one commit in a folder, run by this Python."""

    name: str
    root: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The variables that make a process import this build, wherever it is started."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
        return inherited | {"PYTHONPATH": str(self.root), "PYTHONSAFEPATH": "1"} | more

    def waypost(self, folder: Path, *words: str, **environment: str) -> str:
        """One command as a process of its own in a folder; what it printed. It must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            cwd=folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self, folder: Path, config: str, **environment: str) -> Iterator[str]:
        """`waypost serve` over a configuration (TOML, without `server.port`) in a folder; its address."""
        folder.mkdir(exist_ok=True)
        file = folder / "waypost.toml"
        with reserved_port() as port:
            url = f"http://127.0.0.1:{port}"
            file.write_text(config)
            with server(
                self.name,
                [sys.executable, "-m", "gateway", "serve", "--config", str(file)],
                port=port,
                log=folder / "waypost.log",
                ready=lambda: answers(f"{url}/health/ready"),
                environment=self.environment(WAYPOST__SERVER__PORT=str(port), **environment),
                grace=15.0,
            ):
                yield url


def builds(folder: Path, *more: str) -> tuple[Build, Build]:
    """This build, and the former one unpacked into `folder`, with `more` of its folders. It is taken from the history
    of this checkout."""
    packed = subprocess.run(
        ["git", "archive", FORMER, "adapters", "federation", "gateway", *more],
        cwd=provenance.ROOT,
        capture_output=True,
        check=True,
    )
    root = folder / f"build-{FORMER}"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(root, filter="data")
    both = Build("present", provenance.ROOT), Build(FORMER, root)
    for build in both:  # from here, where another one lies
        code, environment = "import gateway; print(gateway.__file__)", build.environment()
        found = subprocess.check_output([sys.executable, "-c", code], cwd=provenance.ROOT, env=environment)
        assert Path(found.decode().strip()).is_relative_to(build.root), found
    return both


def in_turn(times: int, *calls: Callable[[], object]) -> list[Spread]:
    """How long each call takes, asked in turn and in another order each round, after one round that does not count."""
    taken: list[list[float]] = [[] for _ in calls]
    for round_ in range(times + 1):
        first = round_ % len(calls)
        for place in (*range(first, len(calls)), *range(first)):
            began = time.perf_counter()
            calls[place]()
            if round_:
                taken[place].append(time.perf_counter() - began)
    return [spread(one) for one in taken]


@benchmark(sample=1, full=15, servers=True)
def commands_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """Whole processes, median of `size`, beside the former build's. Goals are parts of the former build's time."""
    both = builds(folder)
    config = (
        '[database]\nurl = "sqlite:///waypost.db"\n[[registries]]\nname = "m"\nkind = "memory"\nteam = "t"\n'
    )
    places = {build: folder / f"folder-{build.name}" for build in both}
    for build, place in places.items():
        place.mkdir()
        (place / "waypost.toml").write_text(config)
        build.waypost(place, "sync")

    def compared(goal: float, words: tuple[str, ...], **environment: str) -> Figure:
        calls = [partial(build.waypost, place, *words, **environment) for build, place in places.items()]
        ours, theirs = (taken.p50 for taken in in_turn(size, *calls))
        where = "--url" if environment else "embedded"
        name = f"waypost {' '.join(words)}, {where}, p50"
        return Figure(name, ours, "s", goal * theirs, (f"build {FORMER}", theirs))

    yield compared(0.6, ("registries", "list"))
    yield compared(0.6, ("search", "x"))
    with both[0].serving(folder / "served", config) as url:
        yield compared(0.75, ("search", "x"), WAYPOST_URL=url)
