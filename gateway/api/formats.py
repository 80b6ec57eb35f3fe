"""The forms in which a graph answer is given: JSON, CSV, DOT or SVG, by `format` or else the Accept header."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from litestar import Request, Response
from litestar.openapi.spec import OpenAPIMediaType, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response import Stream

from federation.graph.answers import Affected, Needed
from federation.graph.insights import InsightItem
from federation.spreadsheet import csv_row

Format = Literal["json", "csv", "dot", "svg"]
Table = Literal["json", "csv"]
MEDIA = {
    "json": "application/json",
    "csv": "text/csv",
    "dot": "text/vnd.graphviz",
    "svg": "image/svg+xml",
}
VARY = {"Vary": "Accept"}
INERT = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""A picture with names from anywhere runs nothing and loads nothing, also when it is opened by itself."""

AFFECTED = (
    "ref", "distance", "breaks", "severity", "stage", "team", "registry", "endpoints", "reason", "via",
)  # fmt: skip
NEEDED = ("ref", "kind", "distance", "stage", "team", "registry", "deleted", "sources", "via")
INSIGHT = ("ref", "kind", "stage", "team", "registry", "value", "detail", "refs")


def chosen(request: Request[Any, Any, Any], asked: str | None, offered: Sequence[str]) -> str:
    """What the caller wants: `format` beats the Accept header; JSON where neither names something we have."""
    if asked is not None:
        return asked
    if "accept" not in request.headers:
        return "json"
    match = request.accept.best_match([MEDIA[name] for name in offered])
    return next((name for name in offered if MEDIA[name] == match), "json")


def text(content: str, form: str) -> Response[str]:
    """DOT or SVG as a response."""
    media = MEDIA[form] if form == "svg" else f"{MEDIA[form]}; charset=utf-8"
    return Response(content, media_type=media, headers={**VARY, **(INERT if form == "svg" else {})})


def table(columns: Sequence[str], lots: Iterable[Iterable[Sequence[object]]]) -> Response[Any]:
    """Rows as CSV (RFC 4180, UTF-8, with a header), sent as they are read."""
    sent: Any = Stream(_lines(columns, lots), media_type="text/csv; charset=utf-8", headers=VARY)
    answer: Response[Any] = sent  # a stream is made into a response only when it is sent
    return answer


def _lines(columns: Sequence[str], lots: Iterable[Iterable[Sequence[object]]]) -> Iterator[str]:
    yield csv_row(columns)
    for lot in lots:
        yield "".join(csv_row(row) for row in lot)


def affected_row(item: Affected) -> Sequence[object]:
    """One affected version, in the order of AFFECTED."""
    endpoints = "; ".join(f"{one.registry}/{one.name} {one.percent:g} %" for one in item.endpoints)
    return (
        item.ref, item.distance, item.breaks, item.severity, item.stage, item.team, item.registry, endpoints,
        item.reason, "; ".join(item.via),
    )  # fmt: skip


def needed_row(item: Needed) -> Sequence[object]:
    """One thing upstream, in the order of NEEDED."""
    sources = "; ".join(f"{one.kind} ({one.origin})" for one in item.sources)
    return (
        item.ref, item.kind, item.distance, item.stage, item.team, item.registry, item.deleted, sources,
        "; ".join(item.via),
    )  # fmt: skip


def insight_row(item: InsightItem) -> Sequence[object]:
    """One line of a list, in the order of INSIGHT."""
    known = (item.ref, item.kind, item.stage, item.team, item.registry, item.value, item.detail)
    return (*known, "; ".join(item.refs))


@dataclass
class TableOperation(Operation):
    """Says in the API's description that the answer is there as CSV as well."""

    forms: ClassVar[tuple[str, ...]] = ("csv",)

    def __post_init__(self) -> None:
        for form in self.forms:
            for status, response in (self.responses or {}).items():
                content = getattr(response, "content", None)
                if status == "200" and content is not None:
                    content[MEDIA[form]] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@dataclass
class DrawnOperation(TableOperation):
    """Says that the answer is there as CSV, DOT and SVG as well."""

    forms: ClassVar[tuple[str, ...]] = ("csv", "dot", "svg")
