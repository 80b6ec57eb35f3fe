"""How soon a committed change is found, beside what the engine takes to commit the same documents."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tantivy import Index

from federation.search import lexicon
from federation.search.tantivy import encoding, folder, queries
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import WRITER_MEMORY, IndexFollower
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.builds import in_turn
from tests.benchmarks.estate import Federation

WARM = 20
"""The first merges of an index that was just built take their own time on both sides."""


class BareWriter:
    """The engine with nothing around it, over a copy of an index."""

    def __init__(self, generation: Path) -> None:
        self._index = Index.open(str(generation))
        self._index.config_reader("manual")
        self._writer = self._index.writer(WRITER_MEMORY, 1)

    def replace(self, model: int, texts: list[str]) -> None:
        """Delete what there is of a model, add its documents, commit, and let readers see it."""
        self._writer.delete_documents_by_query(queries.term_set("model", [model]))
        for text in texts:
            self._writer.add_json(text)
        self._writer.commit()
        self._index.reload()
        found: Any = self._index.searcher().search(queries.term("model", model), limit=1)
        assert found.count == len(texts)


@benchmark(sample=2_000, full=1_000_000)
def change_beside_commit(size: int, folder_: Path) -> Iterator[Figure]:
    """One model after the other is changed in a federation of `size` versions, here and in a copy of the index that the
    engine alone writes, in turn. Here it counts from the commit in the catalogue until a search can find it."""
    place, federation = folder_ / "index", Federation(size)
    follower = IndexFollower(place, federation)
    follower.rebuild()
    name = folder.current(place)
    assert name is not None
    shutil.copytree(place / name, folder_ / "copy")
    bare = BareWriter(folder_ / "copy")
    search = Search(place, lambda _: (), lexicon.load(), kept=0)
    search.reload()
    models = [1 + number * 7 % federation.models_count for number in range(size)]
    texts = {model: list(encoding.encode(federation.model(model))) for model in models[: 2 * WARM + 400]}
    ours, theirs = iter(models), iter(models)

    def change() -> None:
        federation.change(next(ours))
        follower.step()
        assert search.reload() == federation.position

    def commit() -> None:
        model = next(theirs)
        bare.replace(model, texts[model])

    in_turn(WARM if size > 10_000 else 1, change, commit)
    mine, engine = in_turn(300 if size > 10_000 else 5, change, commit)
    follower.close()
    for percent in ("p50", "p95"):
        taken, beside = getattr(mine, percent) * 1e3, getattr(engine, percent) * 1e3
        goal = 1.3 * beside if percent == "p95" else None
        yield Figure(
            f"a change is found after its commit, {percent}", taken, "ms", goal,
            ("the engine's own commit of the same documents", beside),
        )  # fmt: skip
