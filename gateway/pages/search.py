"""`/`: one box over every registry; the whole state is in the address."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import msgspec
from litestar import MediaType, Response
from litestar.params import FromQuery
from litestar.response import Stream

from federation.access import View
from federation.database import now
from federation.promotions.promotions import ChosenPromotions
from federation.search.answer import Freshness, Hit, SearchAnswer, SearchError, SearchRequest
from federation.search.fields import FACETS
from federation.search.syntax import QuerySyntaxError
from federation.spreadsheet import csv_row
from gateway.api.requests import AnyRequest, GivenView, GivenWaypost, Limit
from gateway.pages.page import Form, as_file, form_of, page, pages_at
from gateway.waypost import Waypost

FIRST = ("stage", "team")
LISTED = (*FIRST, *(facet for facet in FACETS if facet not in FIRST))
"""The facets in the order of the page: what people narrow by most stands first."""
SORTS = {
    "relevance": "Best match",
    "updated": "Newest change",
    "created": "Newest",
    "name": "Name",
}
TO_REVIEW, MOST_REVIEWS = ChosenPromotions(review="open"), 5
"""What was done in an emergency and nobody else has looked at: the front page says so."""
EXPORTED = 200
"""Hits of a whole search that are read at once."""
COLUMNS = (
    "ref", "registry", "model", "version", "title", "stage", "team", "aliases", "framework", "owner", "license",
    "type", "created", "updated", "score", "others",
)  # fmt: skip
"""What a table of hits holds: one plain value in a cell."""
_PLAIN = re.compile(r"[\w./@+-]+")
KEPT = frozenset({"ok"})
"""The states of a registry of which nothing is said."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet: the query that has it as a condition, or, where it is chosen, the query without."""

    value: str
    count: int
    query: str
    chosen: bool


@pages_at("/", "/search", "/.json", "/.csv", "/search.json", "/search.csv")
def search_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "relevance",
    group: FromQuery[str] = "model",
    cursor: FromQuery[str | None] = None,
    limit: FromQuery[Limit] = 20,
    strict: FromQuery[bool] = False,
    literal: FromQuery[str] = "",
) -> Response[Any]:
    """Search results with facets; without a query everything there is, and how to ask."""
    wanted = SearchRequest(
        q=q,
        sort=sort,
        cursor=cursor,
        limit=limit,
        facets=LISTED,
        group="version" if group == "version" else "model",
        strict=strict,
        literal=tuple(text for text in literal.split(",") if text),
    )
    form = form_of(request)
    try:
        answer, mistake = waypost.search.query(view, wanted), None
    except (QuerySyntaxError, SearchError) as error:
        if form != "html":
            raise
        answer, mistake = SearchAnswer(query=q), error
    if form != "html":
        is_page = not {"limit", "cursor"}.isdisjoint(request.query_params)
        return exported(waypost, view, wanted, answer, form, whole=not is_page)
    return page(
        request,
        "search.html",
        title=f"{q} · Search" if q else "Search",
        q=q,
        sort=sort,
        sorts=SORTS,
        group=wanted.group,
        cursor=cursor,
        strict=strict,
        literal=wanted.literal,
        answer=answer,
        mistake=mistake,
        position=getattr(mistake, "position", None),
        choices=choices(answer, q),
        examples=tuple(examples(answer)),
        troubled=troubled(answer.registries),
        reviews=() if q else waypost.promotions.list(view, TO_REVIEW, MOST_REVIEWS),
        fresh={one.name: one for one in answer.registries},
    )


def exported(
    waypost: Waypost, view: View, wanted: SearchRequest, answer: SearchAnswer, form: Form, *, whole: bool
) -> Response[Any]:
    """What a search finds as CSV or JSON, sent as it is read: `whole`, or the page that was asked for."""
    pages = _pages(waypost, view, wanted) if whole else iter([answer.hits])
    if form == "csv":
        lines: Any = Stream(_lines(pages), media_type="text/csv", headers=as_file("search"))
        return cast("Response[Any]", lines)
    if not whole:
        return Response(answer, media_type=MediaType.JSON, headers={"Vary": "Accept, Cookie"})
    around = msgspec.json.encode(msgspec.structs.replace(answer, hits=(), next_cursor=None))
    before, hits, after = around.partition(b'"hits":[')
    body: Any = Stream(
        _joined(before + hits, pages, after),
        media_type="application/json",
        headers={"Vary": "Accept, Cookie"},
    )
    return cast("Response[Any]", body)


def _pages(waypost: Waypost, view: View, wanted: SearchRequest) -> Iterator[Sequence[Hit]]:
    """Everything that a search finds. What changes meanwhile may be missed, or come twice, as between pages."""
    following: str | None = ""
    while following is not None:
        request = replace(wanted, limit=EXPORTED, cursor=following or None, facets=())
        found = waypost.search.query(view, request)
        yield found.hits
        following = found.next_cursor


def _lines(pages: Iterator[Sequence[Hit]]) -> Iterator[str]:
    yield csv_row(COLUMNS)
    for hits in pages:
        yield "".join(csv_row(getattr(hit, name) for name in COLUMNS) for hit in hits)


def _joined(before: bytes, pages: Iterator[Sequence[Hit]], after: bytes) -> Iterator[bytes]:
    yield before
    comma = b""
    for hits in pages:
        if hits:
            yield comma + b",".join(map(msgspec.json.encode, hits))
            comma = b","
    yield after


def choices(answer: SearchAnswer, q: str) -> Mapping[str, Sequence[Choice]]:
    """The facets that tell results apart, and those that are chosen, with the query that each value leads to."""
    found: dict[str, list[Choice]] = {}
    for name in LISTED:
        values = [value for value in answer.facets.get(name, ()) if value.value]
        made = []
        for value in values:
            query, chosen = toggled(q, name, value.value)
            made.append(Choice(value.value, value.count, query, chosen))
        if len(made) > 1 or any(choice.chosen for choice in made):
            found[name] = made
    return found


def examples(answer: SearchAnswer) -> Iterator[tuple[str, str]]:
    """Queries to begin with, and what each finds: of what there is in the answer, and of what any installation has."""
    yield "stage:production", "everything in production, in every team"
    for name, condition, what in (
        ("team", "stage:production", "what one team has in production"),
        ("framework", "has:schema", "by framework, with a schema"),
    ):
        for one in [value.value for value in answer.facets.get(name, ()) if value.value][:1]:
            yield toggled(condition, name, one)[0], what
    for hit in answer.hits[:1]:
        yield toggled("", "depends_on", hit.ref)[0], "what needs it"
    yield "metric.auc:>0.9", "versions by a metric"
    yield f"updated:>={now() - timedelta(days=7):%Y-%m-%d}", "what changed in the last week"


def toggled(q: str, name: str, value: str) -> tuple[str, bool]:
    """The query with a condition added or, where it is there already, taken out; and whether it was there."""
    token = f"{name}:{value}"
    if _PLAIN.fullmatch(value) is None:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        token = f'{name}:"{escaped}"'
    if token in q:
        there = re.compile(rf"(?<!\S){re.escape(token)}(?!\S)")
        if there.search(q):
            return " ".join(there.sub("", q).split()), True
    return f"{q} {token}".strip(), False


def troubled(registries: Sequence[Freshness]) -> list[Freshness]:
    """The registries whose part of the answer may be old or missing."""
    return [one for one in registries if one.state not in KEPT]
