"""Impacts and versions over HTTP, each asked for the first time, beside the former build in one run."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import harmonic_mean

import numpy as np

from tests.benchmarks import Figure, benchmark
from tests.benchmarks.builds import FORMER, Build, builds
from tests.benchmarks.graph import REGISTRIES, SAMPLE, ref
from tests.benchmarks.spine import load

CONFIG = "[server]\nworkers = 2\nrate_limit = 0\n" + "".join(
    f'[[registries]]\nname = "r{number}"\nkind = "memory"\nteam = "team {number % 40}"\nsync_every = 0\n'
    for number in range(REGISTRIES)
)
PROGRAM = """
import sys
from pathlib import Path
from federation.followers import Followers
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks.graph import catalogue
folder = Path(sys.argv[1])
catalogue(int(sys.argv[2]), folder).engine.dispose()
waypost = Waypost(load_settings(folder / "waypost.toml"))
waypost.prepare()
Followers(waypost.followers()).catch_up()
waypost.close()
"""
"""A folder with the catalogue, the skewed graph and the index of this many versions, as a build writes them."""
LOTS = 5


@benchmark(sample=SAMPLE, full=1_000_000, servers=True)
def impact_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """`GET /impact/{ref}` and `GET /versions/{ref}` of random ones of `size` versions, two processes. In the same graph
    the few versions with very many dependents are asked for as often as they come."""
    both = builds(folder, "tests")
    places = {build: folder / f"place-{build.name}" for build in both}
    for build, place in places.items():
        _fill(build, place, size)
    requests = min(size, 10_000)
    drawn = np.random.default_rng(5).permutation(np.arange(1, size))[: requests + requests // 10].tolist()
    starts, others = drawn[:requests], drawn[requests:]
    present, former = both
    with (
        present.serving(places[present], CONFIG) as ours,
        former.serving(places[former], CONFIG) as theirs,
    ):
        for area, goal in (("impact", 2.5), ("versions", 1.0)):
            lots = [others, *(starts[begin::LOTS] for begin in range(LOTS))]
            _, *rates = [(_rate(ours, area, lot), _rate(theirs, area, lot)) for lot in lots]
            measured, beside = map(harmonic_mean, zip(*rates, strict=True))
            yield Figure(
                f"GET /{area}/{{ref}}, random, two processes, each for the first time", measured, "requests/s",
                goal * beside, (f"build {FORMER}", beside), higher_is_better=True,
            )  # fmt: skip


def _fill(build: Build, place: Path, size: int) -> None:
    place.mkdir()
    (place / "waypost.toml").write_text(CONFIG)
    command = [sys.executable, "-c", PROGRAM, str(place), str(size)]
    subprocess.run(command, cwd=place, env=build.environment(), check=True)


def _rate(url: str, area: str, nodes: list[int]) -> float:
    return load(url, [f"/api/v1/{area}/{ref(node)}" for node in nodes], len(nodes))
