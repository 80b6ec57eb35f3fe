"""What understanding, relaxing and meaning cost a search, beside the former build in one run."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tantivy import Query

from federation.search.tantivy import encoding, queries, schema
from federation.search.tantivy.engine import knows_meanings
from federation.search.tantivy.folder import create, open_current
from federation.search.tantivy.follower import THREADS, WRITER_MEMORY
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.builds import FORMER, Build, builds, in_turn
from tests.benchmarks.estate import COMMON, Federation

PROGRAM = """
import json, sys, time
from pathlib import Path
from federation.access import EVERYTHING
from federation.search.answer import Freshness, SearchRequest
from tests.benchmarks.estate import REGISTRIES, Federation, registry_name
try:
    from federation.search import lexicon as words
    from federation.search.freshness import RegistryFreshness as State
    from federation.search.tantivy.engine import Search
    from federation.search.tantivy.follower import IndexFollower as Follower
except ImportError:
    from federation.search import synonyms as words
    from federation.search.engine import RegistryState as State, Search
    from federation.search.follower import Follower
folder, size = Path(sys.argv[1]), int(sys.argv[2])
class Timed(Federation):
    made = 0.0
    def everything(self):
        return self.position, self.timed()
    def timed(self):
        for model_id in range(1, self.models_count + 1):
            began = time.perf_counter()
            found = self.model(model_id)
            self.made += time.perf_counter() - began
            yield from found
taken = 0.0
if size:
    source = Timed(size)
    began = time.perf_counter()
    follower = Follower(folder, source)
    follower.rebuild()
    follower.close()
    taken = time.perf_counter() - began - source.made
else:
    states = [State(id_, Freshness(registry_name(id_), "ok", None)) for id_ in range(1, REGISTRIES + 1)]
    search = Search(folder, lambda _: states, words.load(), kept=0)
    search.reload()
    print(flush=True)
    for line in sys.stdin:
        query, facets = json.loads(line)
        request = SearchRequest(q=query, facets=tuple(facets))
        print(search.query(EVERYTHING, request).total, flush=True)
said = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([int(said[name].split()[0]) for name in ("VmHWM", "RssAnon")] + [taken]))
"""
"""Builds the index of a federation of some size, or answers each line with how many a query with facets finds. It says
at last how many kilobytes it held at most, how many of its own it holds, and how many seconds the building took without
the making up of what there is to index."""
FACETS = ("registry", "team", "stage")
QUICK = {"typo": "fruad", "metric range with filters": "metric.auc:>0.5 stage:production framework:xgboost"}


@contextmanager
def _running(build: Build, index: Path, size: int = 0) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PROGRAM, str(index), str(size)]
    with subprocess.Popen(
        command,
        cwd=build.root,
        env=build.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _ask(process: "subprocess.Popen[str]", query: str, facets: Sequence[str] = ()) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{json.dumps([query, list(facets)])}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def _last(process: "subprocess.Popen[str]") -> list[float]:
    out, _ = process.communicate()
    assert process.returncode == 0
    found: list[float] = json.loads(out.splitlines()[-1])
    return found


def _queries(federation: Federation) -> dict[str, tuple[float, str]]:
    """Each with the part of the former build's time that it may take."""
    words = federation.words
    return {
        "two words": (1.25, f"{COMMON} {words[3]}"),
        "two words, one a task": (1.25, f"{COMMON} classification"),
        "two words, one a licence": (1.25, f"{COMMON} mit"),
        "a word that nothing has": (3.0, f"{COMMON} unheardofword"),
        "words that nothing has together": (3.0, f"{words[900]} {words[901]} {words[5]}"),
    }


@benchmark(sample=2_000, full=1_000_000, servers=True)
def search_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """An index of `size` versions for each build. Each query has three facets and is asked of both in turn."""
    both = builds(folder, "tests")
    places = {build: folder / f"index-{build.name}" for build in both}
    built = []
    for build, index in places.items():
        with _running(build, index, size) as process:
            built.append(_last(process))
    how = "with word embeddings" if knows_meanings() else "without word embeddings"
    yield _beside(f"memory of the process that builds, most, {how}", [most / 1e3 for most, *_ in built], "MB")
    rates = [size / taken for *_, taken in built]
    bare = _bare(size, folder)
    for goal, (name, rate) in ((1.6, (f"build {FORMER}", rates[1])), (0.75, ("the bare engine", bare))):
        yield Figure(
            f"index build, {how}", rates[0], "versions/s", goal * rate, (name, rate), higher_is_better=True
        )
    held = [
        sum(file.stat().st_size for file in index.rglob("*") if file.is_file()) / 1e6
        for index in places.values()
    ]
    yield _beside(f"index on disk, {how}", held, "MB")
    times = 200 if size > 10_000 else 5
    former, present = [_running(build, index) for build, index in reversed(places.items())]
    with present as ours, former as theirs:
        for process in (ours, theirs):
            assert process.stdout is not None
            process.stdout.readline()
        for name, (goal, query) in _queries(Federation(size)).items():
            calls = [partial(_ask, process, query, FACETS) for process in (ours, theirs)]
            taken = [one.p50 * 1e3 for one in in_turn(times, *calls)]
            yield _beside(f"{name} with three facets, p50, {how}", taken, "ms", goal)
        alone = _alone(places[both[0]])
        for name, query in QUICK.items():
            calls = [partial(_ask, process, query) for process in (ours, theirs)]
            *taken, least = [one.p50 * 1e3 for one in in_turn(times, *calls, alone[name])]
            yield _beside(f"{name}, p50, {how}", taken, "ms", 0.7)
            yield Figure(f"{name}, p50: the engine alone", least, "ms", comparison=("this build", taken[0]))
        yield _beside(
            f"memory of a process that answers, its own, {how}",
            [_last(one)[1] / 1e3 for one in (ours, theirs)],
            "MB",
        )


def _alone(place: Path) -> dict[str, Callable[[], object]]:
    """The least that the engine does for each of QUICK once it is known what was meant, by our index: the first twenty,
    how many there are, and what hits show of themselves."""
    index = open_current(place).index
    searcher = index.searcher()
    of_metric = [
        index.parse_query(f"{schema.number_column('metric', 'auc')}:>0.5"),
        queries.term(schema.facet_column("stage"), "production"),
        queries.term(schema.facet_column("framework"), "xgboost"),
    ]
    asked = {
        "typo": (queries.term("all", "fraud"), "rank"),
        "metric range with filters": (queries.all_of(of_metric), "browse"),
    }

    def ask(query: Query, order: str) -> list[Any]:
        found = searcher.search(query, limit=20, count=True, order_by_field=order)
        assert found.hits
        return [searcher.doc(address) for _, address in found.hits]

    return {name: partial(ask, *one) for name, one in asked.items()}


def _bare(size: int, folder: Path) -> float:
    """Versions a second of the engine alone, which is given what is put into our index by as many threads."""
    texts = folder / "texts"
    with texts.open("w") as file:
        file.writelines(f"{text}\n" for text in encoding.encode(Federation(size).documents()))
    generation = create(folder / "index-bare")
    began = time.perf_counter()
    writer = generation.index.writer(WRITER_MEMORY, THREADS)
    with texts.open() as file:
        for text in file:
            writer.add_json(text)
    writer.commit()
    writer.wait_merging_threads()
    taken = time.perf_counter() - began
    texts.unlink()
    return size / taken


def _beside(name: str, found: Any, unit: str, goal: float = 1.25) -> Figure:
    ours, theirs = found
    return Figure(name, ours, unit, goal * theirs, (f"build {FORMER}", theirs))
