"""Does search find the model a person means? Requests from several makers over real public models, beside four
baselines.

Only the part for reporting is measured here; `python -m tests.benchmarks.relevance` shows the part for tuning.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg

from tests.benchmarks import Figure, benchmark
from tests.benchmarks.relevance import baselines
from tests.benchmarks.relevance.load import searching
from tests.benchmarks.relevance.measure import Find, Quality, Report, measure
from tests.benchmarks.relevance.models import records
from tests.benchmarks.relevance.request import NOTHING, JudgedRequest
from tests.benchmarks.relevance.requests import PER_KIND, requests
from tests.servers import postgres as postgres_process

GOAL, KIND_GOAL = 0.90, 0.80
KINDS_WITH_GOAL = ("words", "properties", "everyday words", "one typo")
SUCCESS_GOAL, TOLD_GOAL = 0.95, 0.90
MEASURES = {
    "mrr": ("MRR", True), "success_at_5": ("success@5", True), "success_at_10": ("success@10", True),
    "empty": ("empty answers", False),
}  # fmt: skip
SMALL = 1_000


@benchmark(sample=4, full=PER_KIND, servers=True)
def search_relevance(size: int, folder: Path) -> Iterator[Figure]:
    """`size` requests of each kind that is made, of which the even-numbered half is reported: it tuned nothing."""
    asked = [request for request in requests(per_kind=size) if request.for_reporting]
    searched = searchable(asked, whole=size == PER_KIND)
    with searching(searched, folder) as find:
        ours = measure(asked, find)
    with ExitStack() as stack:
        theirs = {name: measure(asked, find) for name, find in _baselines(searched, folder, stack).items()}
    for kind, quality in ours.kinds.items():
        yield from _figures(kind, quality, {name: report.kinds[kind] for name, report in theirs.items()})
    yield from _figures("overall", ours.overall, {name: report.overall for name, report in theirs.items()})
    yield Figure("overall: said wrongly that nothing fits", ours.overall.denied, "part")
    yield from _told(ours, theirs)


def searchable(asked: list[JudgedRequest], *, whole: bool) -> set[str]:
    """The names to search in: all of them, or for a sample enough to be lost in."""
    names = [record["name"] for record in records()]
    return set(names if whole else names[:SMALL]).union(*(request.answers for request in asked))


def _figures(kind: str, ours: Quality, theirs: dict[str, Quality]) -> Iterator[Figure]:
    """MRR beside each baseline, the others beside the best of them."""
    for field, (unit, higher) in MEASURES.items():
        values = {name: getattr(quality, field) for name, quality in theirs.items()}
        best = (max if higher else min)(values, key=lambda name: values[name])
        for name in values if field == "mrr" else [best]:
            yield Figure(
                f"{kind}: {unit} beside {name}", getattr(ours, field), unit, goal=_goal(kind, field),
                comparison=(name, values[name]), higher_is_better=higher,
            )  # fmt: skip


def _goal(kind: str, field: str) -> float | None:
    if kind == "overall":
        return {"mrr": GOAL, "success_at_10": SUCCESS_GOAL, "empty": 0.0}.get(field)
    return KIND_GOAL if field == "mrr" and kind.partition(",")[0] in KINDS_WITH_GOAL else None


def _told(ours: Report, theirs: dict[str, Report]) -> Iterator[Figure]:
    for name, report in theirs.items():
        yield Figure(
            f"{NOTHING}: said so, beside {name}", ours.told, "part", goal=TOLD_GOAL,
            comparison=(name, report.told), higher_is_better=True,
        )  # fmt: skip


def _baselines(names: set[str], folder: Path, stack: ExitStack) -> dict[str, Find]:
    searched = [record for record in records() if record["name"] in names]
    found = {
        "SQLite FTS5 BM25": baselines.fts5(searched, folder),
        "LIKE as MLflow does it": baselines.like(searched, folder),
        "the engine's BM25, any word": baselines.any_word(searched, folder),
    }
    if postgres_process.installed():
        server = stack.enter_context(postgres_process.postgres_server())
        address = server.address(server.create())
        connection = stack.enter_context(psycopg.connect(address, autocommit=True))
        found["PostgreSQL full text"] = baselines.postgres(searched, connection)
    return found
