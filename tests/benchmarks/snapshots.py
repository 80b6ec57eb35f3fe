"""How soon a new gateway is ready that takes index and graph from a snapshot, beside one that builds its own."""

import gc
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.pages import MadeUpEstate, config
from tests.gateway.served import served
from tests.patience import until

PATIENCE = 3600.0


@benchmark(sample=600, full=1_000_000, servers=True)
def new_gateway(size: int, folder: Path) -> Iterator[Figure]:
    """From the start of `waypost serve` without index and graph to the first 200 of `/health/ready`, in seconds."""
    place = f'{config()}[search]\nsnapshots = "snapshots"\n'
    (folder / "waypost.toml").write_text(place)
    waypost = Waypost(load_settings(folder / "waypost.toml", {}))
    waypost.prepare()
    MadeUpEstate(size).write(waypost.engine)
    graph = waypost.followers()["graph"]
    while graph.step():  # its tables, which the gateways of a database share
        pass
    waypost.close()
    gc.collect()
    shutil.rmtree(folder / "waypost-index")
    rebuilt = started(folder, place)
    kept = list((folder / "snapshots").glob("*/*/manifest"))
    assert len(kept) == 2, kept
    size_of = sum(path.stat().st_size for path in (folder / "snapshots").rglob("*") if path.is_file())
    shutil.rmtree(folder / "waypost-index")
    taken = started(folder, place)
    log = (folder / "gateway.log").read_text()
    assert log.count("was taken from a snapshot") == 2, log
    yield Figure("ready from a snapshot", taken, "s", goal=0.2 * rebuilt, comparison=("a rebuild", rebuilt))
    yield Figure("size of a snapshot", size_of / 1e6, "MB")


def started(folder: Path, place: str) -> float:
    """Start a gateway; seconds until it is ready. It runs until there are snapshots of both parts."""
    began = time.perf_counter()
    with served(folder, config=place, patience=PATIENCE):
        taken = time.perf_counter() - began
        until(
            lambda: len(list((folder / "snapshots").glob("*/*/manifest"))) == 2,
            "both parts are kept",
            patience=PATIENCE,
        )
    return taken
