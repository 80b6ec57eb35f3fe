"""Search and suggestions."""

from typing import Annotated, Any, cast

import msgspec
from litestar import MediaType, Response, get
from litestar.params import FromQuery, Parameter

from federation.search.answer import Group, SearchAnswer, SearchRequest, Suggestion
from federation.search.fields import FIELDS, facet_names
from gateway.api.requests import READ, GivenView, GivenWaypost, Limit

LONGEST = 2000
"""Characters of a reference that are looked at while it is typed."""
Query = Annotated[
    str, Parameter(description=f"Words, phrases and qualifiers: {' '.join(f.written for f in FIELDS)}")
]
Facets = Annotated[str, Parameter(description=f"What to count, separated by commas: {facet_names()}.")]
Strict = Annotated[bool, Parameter(description="Words are words and all of them must match: for scripts.")]
Literal = Annotated[
    str, Parameter(description="Parts of the query, separated by commas, that are words and nothing more.")
]


class SuggestOut(msgspec.Struct):
    """Completions of what was typed, best first."""

    query: str
    suggestions: list[Suggestion]


@get("/search", opt=READ, sync_to_thread=True)
def search(
    waypost: GivenWaypost,
    view: GivenView,
    q: FromQuery[Query] = "",
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[str | None] = None,
    sort: FromQuery[str] = "relevance",
    facets: FromQuery[Facets] = "",
    group: FromQuery[str] = "model",
    explain: FromQuery[bool] = False,
    strict: FromQuery[Strict] = False,
    literal: FromQuery[Literal] = "",
) -> Response[SearchAnswer]:
    """Every version the query matches, best first; one hit per model unless `group=version`. What was understood of its
    words, and which of them were left out, is in the answer."""
    request = SearchRequest(
        q=q,
        limit=limit,
        cursor=cursor,
        sort=sort,
        facets=tuple(name for name in facets.split(",") if name),
        group=cast("Group", group),
        explain=explain,
        strict=strict,
        literal=tuple(text for text in literal.split(",") if text),
    )
    found: Any = waypost.search.query_json(view, request)
    return Response(found, media_type=MediaType.JSON)


class ReferencesOut(msgspec.Struct):
    """How a reference that is being typed may go on."""

    query: str
    references: list[str]
    """Registries (with the `/` behind them), models, or versions, aliases and stages: whatever comes next."""


@get("/references", opt=READ, sync_to_thread=True)
def list_references(waypost: GivenWaypost, view: GivenView, q: FromQuery[str] = "") -> ReferencesOut:
    """How a reference that is being typed may go on: registries, models of one, then versions, aliases and stages."""
    return ReferencesOut(q, waypost.catalogue.continued(view, q[:LONGEST]))


@get("/suggest", opt=READ, sync_to_thread=True)
def suggest(waypost: GivenWaypost, view: GivenView, q: FromQuery[str] = "") -> SuggestOut:
    """Completions for a query being typed: qualifiers, their values, names of models."""
    return SuggestOut(q, waypost.search.suggest(view, q))
