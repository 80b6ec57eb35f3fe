"""Whatever happens to registries, the graph says what a textbook graph over the same history says."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from federation.database import writing
from federation.graph import tables
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph
from tests.federation.graph.histories import History
from tests.soak import soak


@soak(sample=6, full=5_000)
def test_graph_histories_equal_networkx(cases: int, seed: int) -> list[str]:
    return [line for case in range(cases) for line in one_history(seed, case)]


def one_history(seed: int, case: int) -> Iterator[str]:
    rng = random.Random(f"{seed}:{case}")
    with tempfile.TemporaryDirectory() as name:
        history = History(Path(name), rng)
        history.run(rng.randint(5, 30))
        yield from told(seed, case, "", history)
        begin_again(history, rng)
        yield from told(seed, case, "after a rebuild ", history)
        history.estate.engine.dispose()


def told(seed: int, case: int, when: str, history: History) -> Iterator[str]:
    for difference in history.differences():
        yield f"seed {seed} case {case} {when}{difference}"


def begin_again(history: History, rng: random.Random) -> None:
    """From the catalogue again; the files are lost, or the files alone."""
    estate = history.estate
    if rng.random() < 0.5:
        shutil.rmtree(estate.folder)
    estate.follower = GraphFollower(estate.engine, estate.folder)
    estate.graph = Graph(estate.engine, estate.folder)
    if rng.random() < 0.7:
        estate.follower.rebuild()
    estate.settle()


def test_tables_that_were_lost_come_back_the_same(tmp_path: Path) -> None:
    history = History(tmp_path, random.Random(7))
    for _ in range(30):
        history.add()
        history.move()
        history.drop()
        history.join()
    history.settle()
    assert list(history.differences()) == []
    with writing(history.estate.engine) as connection:
        for table in (tables.edge, tables.node, tables.graph_head):
            connection.execute(table.delete())
    history.estate.settle()
    assert list(history.differences()) == []
