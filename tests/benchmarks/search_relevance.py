"""Does search find the model a person means? Known-item queries over real public models, beside three baselines."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg

from federation.access import EVERYTHING
from federation.search.answer import SearchRequest
from federation.search.tantivy.engine import Search
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.relevance import baselines
from tests.benchmarks.relevance.baselines import Find
from tests.benchmarks.relevance.load import documents
from tests.benchmarks.relevance.measure import DEPTH, Quality, measure
from tests.benchmarks.relevance.queries import PER_KIND, Query, queries, records
from tests.federation.search.world import World
from tests.servers import postgres as postgres_process

GOALS = {"overall": 0.90, "one typo": 0.80}
MEASURES = {"mrr": "MRR", "success_at_1": "success@1", "success_at_5": "success@5"}
SMALL = 1_000


@benchmark(sample=4, full=PER_KIND, servers=True)
def search_relevance(size: int, folder: Path) -> Iterator[Figure]:
    """`size` queries of each kind, of which the even-numbered half is reported: nothing was tuned by it."""
    asked = [query for query in queries(per_kind=size) if query.number % 2 == 0]
    searched = _records(asked, whole=size == PER_KIND)
    ours = measure(asked, _ours(searched, folder))
    with ExitStack() as stack:
        theirs = {name: measure(asked, find) for name, find in _baselines(searched, folder, stack).items()}
    for kind, quality in ours.items():
        yield from _figures(kind, quality, {name: found[kind] for name, found in theirs.items()})


def _figures(kind: str, ours: Quality, theirs: dict[str, Quality]) -> Iterator[Figure]:
    for field, unit in MEASURES.items():
        for name, quality in theirs.items():
            yield Figure(
                f"{kind}: {unit} beside {name}",
                getattr(ours, field),
                unit,
                goal=GOALS.get(kind) if field == "mrr" else None,
                comparison=(name, getattr(quality, field)),
                higher_is_better=True,
            )


def _records(asked: list[Query], *, whole: bool) -> set[str]:
    """The names to search in: all of them, or for a sample enough to be lost in."""
    names = [record["name"] for record in records()]
    return set(names if whole else names[:SMALL]) | {query.target for query in asked}


def _ours(names: set[str], folder: Path) -> Find:
    world = World()
    world.put(*(document for document in documents() if document.model in names))
    search = world.search(folder / "index")
    return lambda text: _names(search, text)


def _names(search: Search, text: str) -> list[str]:
    return [hit.model for hit in search.query(EVERYTHING, SearchRequest(q=text, limit=DEPTH)).hits]


def _baselines(names: set[str], folder: Path, stack: ExitStack) -> dict[str, Find]:
    searched = [record for record in records() if record["name"] in names]
    found = {
        "SQLite FTS5 BM25": baselines.fts5(searched, folder),
        "LIKE as MLflow does it": baselines.like(searched, folder),
    }
    if postgres_process.installed():
        server = stack.enter_context(postgres_process.postgres_server())
        address = server.address(server.create())
        connection = stack.enter_context(psycopg.connect(address, autocommit=True))
        found["PostgreSQL full text"] = baselines.postgres(searched, connection)
    return found
