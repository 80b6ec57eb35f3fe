"""Each page over a large federation, rendered for the first time, beside the former build in one run.

`BENCH_ESTATE=FOLDER make bench ONLY=pages-beside-former` makes both catalogues in that folder, and finds them there the
next time; one that was not finished is made anew.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.builds import FORMER, Build, builds
from tests.benchmarks.pages import CHUNK, PAGES, MadeUpEstate, config, rendered
from tests.patience import until

PROGRAM = """
import sys
from pathlib import Path
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import pages
waypost = Waypost(load_settings(Path("waypost.toml"), {}))
waypost.prepare()
(getattr(pages, "MadeUpEstate", None) or pages.Estate)(int(sys.argv[1])).write(waypost.engine)  # its former name
for follower in waypost.followers().values():
    follower.rebuild()
    while follower.step():
        pass
waypost.close()
"""
"""Writes a catalogue of so many versions into the folder where it runs, with the index and the graph of a build."""
MADE = "made"
"""The name of a file that says that a catalogue is complete."""
SLOW = 40.0
"""Milliseconds (p95) of the former build from which on a page is to be faster; below, it is to be no slower."""
FASTER = 0.8
SERVER = "[server]\nworkers = 1\nrate_limit = 0\n"


@benchmark(sample=600, full=1_000_000, servers=True)
def pages_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """Every page that the former build has, of one API process over `size` versions, about another model each time."""
    present, former = builds(folder, "tests")
    places = {
        build: _filled(build, Path(os.environ.get("BENCH_ESTATE") or folder), size)
        for build in (present, former)
    }
    estate = MadeUpEstate(size)
    for _ in estate.records():
        pass
    refs = estate.some(100 if size > CHUNK else 3)
    with (
        present.serving(places[present], SERVER + config()) as ours,
        former.serving(places[former], SERVER + config()) as theirs,
        _browser(ours) as first,
        _browser(theirs) as second,
    ):
        for client in (first, second):
            until(
                lambda client=client: "aria-busy" not in client.get("/insights").text,  # type: ignore[misc]
                "every list is counted",
                patience=1_800.0,
            )
        for page, address in PAGES.items():
            taken: dict[httpx.Client, list[float]] = {first: [], second: []}
            for turn, ref in enumerate(refs):
                for client in (first, second) if turn % 2 else (second, first):
                    taken[client].append(rendered(client, address(ref)) * 1e3)
            measured, beside = (spread(taken[client]).p95 for client in (first, second))
            goal = FASTER * beside if beside > SLOW else beside
            yield Figure(f"{page}, first render, p95", measured, "ms", goal, (f"build {FORMER}", beside))


def _filled(build: Build, root: Path, size: int) -> Path:
    """The folder of a gateway of this build over so many versions, made where it is not there in whole."""
    place = root / f"pages-{size}-{build.name}"
    if not (place / MADE).exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "waypost.toml").write_text(config())
        command = [sys.executable, "-c", PROGRAM, str(size)]
        subprocess.run(command, cwd=place, env=build.environment(), check=True)
        (place / MADE).touch()
    return place


def _browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=120.0, trust_env=False, headers={"Accept": "text/html"})
