"""The forms in which a graph answer is given: JSON, CSV, DOT or SVG, by `format` or else the Accept header."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from litestar import Response
from litestar.openapi.spec import OpenAPIMediaType, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter
from litestar.response import Stream

from gateway.api.requests import AnyRequest

Format = Literal["json", "csv", "dot", "svg"]
Listed = Annotated[Literal["json", "csv"] | None, Parameter(description="instead of the Accept header")]
"""How a list is asked for."""
MEDIA = {
    "json": "application/json",
    "csv": "text/csv",
    "dot": "text/vnd.graphviz",
    "svg": "image/svg+xml",
}
VARY = {"Vary": "Accept"}
INERT = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""A picture with names from anywhere runs nothing and loads nothing, also when it is opened by itself."""


def chosen(request: AnyRequest, asked: str | None, offered: Sequence[str]) -> str:
    """What the caller wants: `format` beats the Accept header; JSON where neither names something we have."""
    if asked is not None:
        return asked
    if "accept" not in request.headers:
        return "json"
    match = request.accept.best_match([MEDIA[name] for name in offered])
    return next((name for name in offered if MEDIA[name] == match), "json")


def text(content: str, form: str) -> Response[str]:
    """DOT or SVG as a response."""
    return Response(content, media_type=MEDIA[form], headers={**VARY, **(INERT if form == "svg" else {})})


def table(lines: Iterator[str]) -> Response[Any]:
    """CSV (RFC 4180, UTF-8, with a header), sent as it is read."""
    sent: Any = Stream(lines, media_type="text/csv", headers=VARY)
    answer: Response[Any] = sent  # a stream is made into a response only when it is sent
    return answer


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
