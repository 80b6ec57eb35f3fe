"""A worker that is killed at any moment of a run: the next one goes on, and nothing is lost or doubled."""

import random
import time
from pathlib import Path

from tests.gateway.paper import Paper, SupervisedWorker, ask, catalogued, finished, machine, problems, run_of
from tests.patience import until
from tests.soak import soak

MODELS, VERSIONS = 40, 10


@soak(sample=1, full=50, batch=10)  # one gateway lives through a batch
def test_a_killed_worker_loses_and_doubles_nothing(
    cases: int, seed: int, database: str, tmp_path: Path
) -> list[str]:
    rng = random.Random(seed)
    name, folder = f"paper-{seed}", tmp_path / str(seed)
    paper = Paper(folder / "paper")
    for number in range(MODELS):
        paper.add(f"model-{number}", VERSIONS)
    registry = paper.config(name, page=20, pause=0.02)
    with machine(folder, registry, database) as running:
        taken = settle(running, name)
        return [
            f"case {case}: {line}"
            for case in range(cases)
            for line in one_kill(rng, running, name, paper, taken)
        ]


def settle(running: SupervisedWorker, name: str) -> float:
    """A run from beginning to end. Returns the seconds it took from its start."""
    row = finished(running.engine, ask(running.engine, name))
    return float((row.finished_at - row.started_at).total_seconds())


def one_kill(
    rng: random.Random, running: SupervisedWorker, name: str, paper: Paper, taken: float
) -> list[str]:
    """Change the backend, kill the worker somewhere in the run that takes it in, and look at what is there."""
    paper.change(rng, 12)
    sync_id = ask(running.engine, name)
    until(lambda: run_of(running.engine, sync_id).state != "queued", "the run begins")
    time.sleep(rng.uniform(0.0, taken))
    killed = running.kill()
    row = finished(running.engine, sync_id)
    until(lambda: running.worker.process is not None and running.worker.process.pid != killed)
    wrong = [] if row.state == "ok" else [f"the run that was cut off ended {row.state}: {row.errors}"]
    # A run that was cut off proves no absence, the next one does.
    settle(running, name)
    there, expected = catalogued(running.engine, name), paper.truth()
    if there != expected:
        wrong.append(f"catalogue and backend differ in {sorted(there.items() ^ expected.items())[:5]}")
    return wrong + problems(running.engine)
