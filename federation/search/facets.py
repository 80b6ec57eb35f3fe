"""Totals and counts over a whole result, exact, in one pass of the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tantivy import Query, Searcher

from federation.search.answer import MAX_FACETS, FacetValue, SearchError
from federation.search.schema import FACETS, MODEL_SUM, column

MAX_VALUES = 100
EVERY_BUCKET = 60_000


@dataclass(frozen=True, slots=True)
class Counts:
    """`total` documents of `models` models; facet values most frequent first."""

    total: int
    models: int
    facets: Mapping[str, tuple[FacetValue, ...]]


def columns(facets: Sequence[str]) -> dict[str, str]:
    """Facet names with the columns that hold them. Errors: `SearchError` for an unknown one."""
    if len(facets) > MAX_FACETS:
        raise SearchError("facets", f"At most {MAX_FACETS} facets can be asked for at once.")
    found: dict[str, str] = {}
    for facet in facets:
        if facet.startswith("tag.") and len(facet) > len("tag."):
            found[facet] = column("v", facet.removeprefix("tag."))
        elif facet in FACETS:
            found[facet] = FACETS[facet]
        else:
            known = ", ".join((*FACETS, "tag.KEY"))
            raise SearchError("facets", f"There is no facet {facet}: use {known}.")
    return found


def count(searcher: Searcher, query: Query, facets: Mapping[str, str]) -> Counts:
    """Counts documents and models, and the values of each facet."""
    asked: dict[str, Any] = {
        f"facet {name}": {"terms": {"field": held, "size": MAX_VALUES, "segment_size": EVERY_BUCKET}}
        for name, held in facets.items()
    }
    asked["lead"] = {"value_count": {"field": "lead"}}
    asked["sum"] = {"stats": {"field": MODEL_SUM}}
    answer = searcher.aggregate(query, asked)
    total, leads = int(answer["sum"]["count"]), int(answer["lead"]["value"])
    whole = not answer["sum"]["sum"]
    models = leads if whole else _distinct(searcher, query, total)
    return Counts(total, models, {name: _values(answer[f"facet {name}"]["buckets"]) for name in facets})


def _values(buckets: Sequence[Mapping[str, Any]]) -> tuple[FacetValue, ...]:
    found = [FacetValue(str(bucket["key"]), int(bucket["doc_count"])) for bucket in buckets]
    return tuple(sorted(found, key=lambda value: (-value.count, value.value)))


def _distinct(searcher: Searcher, query: Query, total: int) -> int:
    """Models are listed only where a result holds some of their versions and not the others."""
    return len(
        {model for model, _ in searcher.search(query, total, count=False, order_by_field="model").hits}
    )
