"""Mean reciprocal rank and success at 1 and 5, per kind of query."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.benchmarks.relevance.queries import KINDS, Query

DEPTH = 20


@dataclass(frozen=True, slots=True)
class Quality:
    """How high the model that was meant stood, over `queries` queries."""

    queries: int
    mrr: float
    success_at_1: float
    success_at_5: float


def measure(queries: Iterable[Query], search: Callable[[str], list[str]]) -> dict[str, Quality]:
    """Quality per kind and overall. `search` gives the names of the first `DEPTH` models."""
    ranks: dict[str, list[int | None]] = {kind: [] for kind in KINDS}
    for query in queries:
        names = search(query.text)
        ranks[query.kind].append(names.index(query.target) + 1 if query.target in names else None)
    found = {kind: _quality(ranks[kind]) for kind in KINDS}
    found["overall"] = _quality([rank for kind in KINDS for rank in ranks[kind]])
    return found


def _quality(ranks: list[int | None]) -> Quality:
    count = max(len(ranks), 1)
    return Quality(
        queries=len(ranks),
        mrr=round(sum(1 / rank for rank in ranks if rank) / count, 4),
        success_at_1=round(sum(rank == 1 for rank in ranks) / count, 4),
        success_at_5=round(sum(rank is not None and rank <= 5 for rank in ranks) / count, 4),
    )
