"""How soon a worker that is lost has a successor that does what is asked for."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import Figure, benchmark, spread
from tests.gateway.paper import PLUGINS, Paper, ask, finished, workers_of
from tests.gateway.served import Served, served
from tests.patience import until

LIVED = 6.0
"""Seconds after which a worker is no longer one that ends as soon as it is started, which is waited out."""


@benchmark(sample=1, full=10, servers=True)
def worker_replaced(size: int, folder: Path) -> Iterator[Figure]:
    """From the loss of a worker to the next one at work, when it dies and when it falls silent."""
    paper = Paper(folder / "paper")
    paper.add("model", 3)
    with served(folder / "gateway", config=paper.config("r"), plugins=PLUGINS) as gateway:
        for name, blow in (("dies", signal.SIGKILL), ("falls silent", signal.SIGSTOP)):
            taken = [replaced(gateway, folder / "gateway" / "waypost.toml", blow) for _ in range(size)]
            yield Figure(f"a worker that {name} is replaced, worst", spread(taken).worst, "s", 5)


def replaced(gateway: Served, config: Path, blow: signal.Signals) -> float:
    """Seconds from the blow until another process is the worker."""
    finished(gateway.engine, ask(gateway.engine, "r"))
    time.sleep(LIVED)
    (old,) = workers_of(config)
    began = time.perf_counter()
    os.kill(old, blow)
    until(lambda: any(pid != old for pid in workers_of(config)))
    return time.perf_counter() - began
