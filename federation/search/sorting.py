"""What the hits of a search are sorted by, as it is asked for, and what a cursor over them belongs to."""

from dataclasses import dataclass
from hashlib import blake2b

from federation.search.answer import SearchError, SearchRequest


@dataclass(frozen=True, slots=True)
class Sort:
    """`field` is relevance, updated, created, name or metric, then with its `metric` name."""

    field: str
    descending: bool
    metric: str = ""


_DESCENDING = {"relevance": True, "updated": True, "created": True, "metric": True, "name": False}


def read_sort(text: str) -> Sort:
    """`updated`, `-updated`, `updated:asc`, `metric.NAME:desc`. Errors: `SearchError`."""
    name = text.removeprefix("-")
    given: bool | None = True if name != text else None
    for ending, value in ((":asc", False), (":desc", True)):
        if name.endswith(ending):
            name, given = name.removesuffix(ending), value
    field, _, metric = name.partition(".")
    if (
        field not in _DESCENDING
        or (field == "metric") != bool(metric)
        or (field == "relevance" and given is False)
    ):
        message = f"Nothing is sorted by {text}: use relevance, updated, created, name or metric.NAME."
        raise SearchError("sort", f"{message} Add :asc or :desc for the direction.")
    return Sort(field, _DESCENDING[field] if given is None else given, metric)


def fingerprint(request: SearchRequest) -> str:
    """What a cursor belongs to: the query, its order and its grouping."""
    text = "\x00".join(
        (request.q, request.sort, request.group, str(request.strict), *request.literal)
    ).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=6).hexdigest()
