"""Totals and counts over a whole result, exact, in one pass of the engine."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

from tantivy import DocAddress, FieldType, Query, Searcher

from federation.search.answer import MAX_FACETS, FacetValue, SearchError
from federation.search.fields import BY_NAME, facet_names
from federation.search.tantivy import queries
from federation.search.tantivy.schema import (
    LEAD,
    MODEL_SUM,
    NO_VERSION,
    OF_REGISTRY,
    STAGE_SUM,
    facet_column,
    text_column,
)

MAX_VALUES = 100
EVERY_BUCKET = 60_000
FEW = 10_000
"""Up to so many documents are listed sooner than summed up once more."""
MODELS_AT_ONCE = 60_000
"""So many models are told apart by one aggregation, which takes a half to a seventh of what it takes to list them."""
OFTEN_AT_ONCE = 3 * MODELS_AT_ONCE
"""So many documents are mostly of fewer models than that: it is tried before it is found out."""


Registries = Mapping[int, tuple[str, str]]
"""Name and team of the registries in an index, by id."""


@dataclass(frozen=True, slots=True)
class ResultCounts:
    """`documents` of `models` models, `versions` of them versions and the others models without any; facet values most
    frequent first. `whole`: each model with all its versions or with none."""

    documents: int
    versions: int
    models: int
    facets: Mapping[str, tuple[FacetValue, ...]]
    whole: bool
    per_model: Mapping[int, int] | None = None
    """How many documents of each model there are, where they were listed."""
    listed: Sequence[tuple[Any, DocAddress]] | None = None
    """All of them in the order of browsing, where they were listed so."""

    @property
    def told(self) -> "ResultCounts":
        """What an answer says, without what it took to find out."""
        return replace(self, per_model=None, listed=None)


NONE = ResultCounts(0, 0, 0, {}, whole=True)


def uncounted(*, whole: bool) -> ResultCounts:
    """In place of counts that nobody is told: more than any page holds."""
    return ResultCounts(sys.maxsize, sys.maxsize, sys.maxsize - 1, {}, whole)


def columns(facets: Sequence[str]) -> dict[str, str]:
    """Facet names with the columns that hold them. Errors: `SearchError` for an unknown one."""
    if len(facets) > MAX_FACETS:
        raise SearchError("facets", f"At most {MAX_FACETS} facets can be asked for at once.")
    return {facet: _column(facet) for facet in facets}


def _column(facet: str) -> str:
    name, dot, key = facet.partition(".")
    field = BY_NAME.get(name)
    if field is None or not field.facet or not field.keyed == bool(dot) == bool(key):
        raise SearchError("facets", f"There is no facet {facet}: use {facet_names()}.")
    return text_column(name, key) if key else facet_column(name)


def count(
    searcher: Searcher, query: Query, facets: Mapping[str, str], registries: Registries
) -> ResultCounts:
    """Counts documents, versions and models, and the values of each facet."""
    asked: dict[str, Any] = {
        f"facet {name}": {"terms": {"field": held, "size": MAX_VALUES, "segment_size": EVERY_BUCKET}}
        for name, held in facets.items()
        if name not in OF_REGISTRY
    }
    if any(name in OF_REGISTRY for name in facets):
        asked["registries"] = {"terms": {"field": "registry", "size": EVERY_BUCKET}}
    asked["sum"] = {"stats": {"field": MODEL_SUM}}
    answer = searcher.aggregate(query, asked)
    total = int(answer["sum"]["count"])
    models, rest = divmod(int(answer["sum"]["sum"] or 0), LEAD)
    per_model = None
    if rest:
        found = _distinct(searcher, query, total)
        models, per_model = (found, None) if isinstance(found, int) else (len(found), found)
    return ResultCounts(
        total,
        total - _empty(searcher, query),
        models,
        {name: _facet(answer, name, registries) for name in facets},
        whole=rest == 0,
        per_model=per_model,
    )


def count_listed(searcher: Searcher, query: Query, listed: Sequence[tuple[Any, DocAddress]]) -> ResultCounts:
    """The same, without facets, of a result that is listed."""
    models: list[Any] = searcher.fast_field_values("model", list(map(itemgetter(1), listed)))
    total, per_model = len(listed), Counter(models)
    return ResultCounts(
        total, total - _empty(searcher, query), len(per_model), {},
        whole=False, per_model=per_model, listed=listed,
    )  # fmt: skip


def _empty(searcher: Searcher, query: Query) -> int:
    """How many models without any version are in a result; mostly the index has none."""
    if not searcher.doc_freq("meta", NO_VERSION):
        return 0
    found: Any = searcher.search(queries.all_of([query, queries.term("meta", NO_VERSION)]), limit=1)
    return int(found.count)


def _facet(answer: Mapping[str, Any], name: str, registries: Registries) -> tuple[FacetValue, ...]:
    if name not in OF_REGISTRY:
        buckets = answer[f"facet {name}"]["buckets"]
        return _values({str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets})
    index = OF_REGISTRY.index(name)
    counted = [
        (registries[bucket["key"]][index], bucket["doc_count"]) for bucket in answer["registries"]["buckets"]
    ]
    counts = dict(counted)
    if len(counts) < len(counted):
        counts = dict.fromkeys(counts, 0)
        for value, count in counted:
            counts[value] += count
    counts.pop("", None)
    return _values(counts)


def _values(counts: Mapping[str, int]) -> tuple[FacetValue, ...]:
    ordered = sorted([(-count, value) for value, count in counts.items()])
    return tuple([FacetValue(value, -count) for count, value in ordered[:MAX_VALUES]])


def _distinct(searcher: Searcher, query: Query, total: int) -> int | Mapping[int, int]:
    """How many models there are in a result that holds some of their versions and not the others: by the sum over one
    stage, or else by telling them apart, where they are few each with the number of its documents."""
    if total <= min(FEW, MODELS_AT_ONCE):
        return {int(one["key"]): int(one["doc_count"]) for one in _by_model(searcher, query)[0]}
    asked: dict[str, Any] = {
        "stages": {"terms": {"field": facet_column("stage"), "size": 2}},
        "sum": {"stats": {"field": STAGE_SUM}},
    }
    answer = searcher.aggregate(query, asked)
    models, rest = divmod(int(answer["sum"]["sum"]), LEAD)
    if rest == 0 and [bucket["doc_count"] for bucket in answer["stages"]["buckets"]] == [total]:
        return models
    if total <= OFTEN_AT_ONCE:
        found, are_all = _by_model(searcher, query)
        if are_all:
            return len(found)
    answer = searcher.aggregate(
        query, {"ids": {"stats": {"field": "model"}}, "about": {"cardinality": {"field": "model"}}}
    )
    first, last = (int(answer["ids"][end]) for end in ("min", "max"))
    # It is estimated to a percent or two, and the models of a result do not lie evenly among all there are.
    parts = 1 + int(1.25 * answer["about"]["value"]) // MODELS_AT_ONCE
    edges = [first + (last + 1 - first) * part // parts for part in range(parts + 1)]
    return sum(_count_between(searcher, query, *span) for span in pairwise(edges))


def _count_between(searcher: Searcher, query: Query, first: int, end: int) -> int:
    """How many models with ids from `first` to before `end` there are in a result."""
    inside = queries.all_of(
        [query, queries.between("model", FieldType.Unsigned, first, end, with_high=False)]
    )
    found, are_all = _by_model(searcher, inside)
    if are_all:
        return len(found)
    middle = (first + end) // 2
    return _count_between(searcher, query, first, middle) + _count_between(searcher, query, middle, end)


def _by_model(searcher: Searcher, query: Query) -> tuple[Sequence[Mapping[str, Any]], bool]:
    """At most `MODELS_AT_ONCE` models of a result, each with the number of its documents; whether those are all."""
    terms = {"field": "model", "size": MODELS_AT_ONCE, "segment_size": MODELS_AT_ONCE}
    # To put the most frequent first, as is usual, takes a tenth more.
    asked = {"models": {"terms": {**terms, "order": {"_key": "asc"}}}}
    answer = searcher.aggregate(query, asked)["models"]
    return answer["buckets"], not answer["sum_other_doc_count"]
