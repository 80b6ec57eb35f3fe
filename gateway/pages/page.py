"""What every page is made with: the templates, the frame, and the same list as JSON or CSV at the same address.

A list ends its address in `.json` or `.csv`, or is asked for by the Accept header. No page loads anything from
another host, and none has a script or a style of its own: the content security policy allows neither.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.di import Provide
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler

from federation.access import Permission, Principal
from federation.errors import UnknownError
from federation.spreadsheet import csv_row
from gateway.api.requests import AnyRequest
from gateway.docs import product_version
from gateway.pages import words
from gateway.pages.highlight import marked

Form = Literal["html", "json", "csv"]
T = TypeVar("T")
LONGEST_NEXT = 2000
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Vary": "Accept, Cookie"}
SUFFIXES: Mapping[str, Form] = {".json": "json", ".csv": "csv"}


@cache
def environment() -> Environment:
    """The templates; every value is escaped, and what could turn text around is shown as its code."""
    made = Environment(
        loader=PackageLoader("gateway.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=words.inert,
        auto_reload=False,  # or each page looks after the files of its templates
    )
    made.filters.update(words.FILTERS)
    made.globals.update(product=product_version(), marked=marked)
    return made


def page(
    request: AnyRequest, template: str, /, *, status: int = 200, title: str, **context: Any
) -> Response[str]:
    """A page of HTML. `title` stands in the browser's tab."""
    principal: Principal | None = request.scope.get("user")
    text = (
        environment()
        .get_template(template)
        .render(
            **context,
            title=title,
            path=request.url.path,
            query=words.decoded_query(request),
            principal=principal,
            may=lambda name: principal is not None and Permission(name) in principal.grants,
        )
    )
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=dict(HEADERS))


def listed(
    request: AnyRequest,
    template: str,
    answer: Any,
    rows: Iterable[Any],
    /,
    *,
    form: Form | None = None,
    title: str,
    most: int | None = None,
    **context: Any,
) -> Response[Any]:
    """A list: as a page, as the API's JSON, or its rows as CSV. `most` is how many rows a file has at most: one that
    may lack some says so by its name.
    """
    form = form or form_of(request)
    if form == "json":
        return Response(answer, media_type=MediaType.JSON, headers={"Vary": "Accept, Cookie"})
    if form == "csv":
        name = title.lower().replace(" ", "-").encode("ascii", "ignore").decode() or "list"
        told = [msgspec.to_builtins(row) for row in rows]
        part = f"-first-{most}" if most is not None and len(told) >= most else ""
        return comma_separated(told, name + part, columns_of(answer))
    return page(request, template, title=title, most=most, **context)


def form_of(request: AnyRequest) -> Form:
    """What was asked for: by the end of the address, else by the Accept header, else a page."""
    for suffix, form in SUFFIXES.items():
        if request.url.path.endswith(suffix):
            return form
    return accepted(request)


def accepted(request: AnyRequest) -> Form:
    """What the Accept header asks for."""
    accept = request.headers.get("accept", "")
    if "text/html" in accept:
        return "html"
    return "json" if "application/json" in accept else "csv" if "text/csv" in accept else "html"


def named(request: AnyRequest, ref: str, read: Callable[[str, Form], T]) -> tuple[T, Form]:
    """Read what `ref` names, and say in which form it is to be shown. A name may itself end in `.json`: that one comes
    first.

    Errors: those of `read`.
    """
    form = accepted(request)
    try:
        return read(ref, form), form
    except UnknownError:
        for suffix, form in SUFFIXES.items():
            if ref.endswith(suffix):
                return read(ref.removesuffix(suffix), form), form
        raise


def columns_of(answer: object) -> Sequence[str]:
    """The columns of the rows that an answer lists: what its first list is made of."""
    hints = get_type_hints(type(answer)) if isinstance(answer, msgspec.Struct) else {}
    for row in (one for hint in hints.values() for one in get_args(hint) if isinstance(one, type)):
        if issubclass(row, msgspec.Struct):
            return [field.encode_name for field in msgspec.structs.fields(row)]
        if is_dataclass(row):
            return [field.name for field in fields(row)]
    return []


def comma_separated(rows: Sequence[Mapping[str, Any]], name: str, columns: Sequence[str]) -> Response[str]:
    """Rows as CSV with a head line: of the rows' columns, or where there is no row, those that it would have."""
    columns = list(dict.fromkeys(key for row in rows for key in row)) or columns
    lines = [csv_row(columns), *(csv_row(row.get(column) for column in columns) for row in rows)]
    return Response("".join(lines), media_type="text/csv", headers=as_file(name))


def as_file(name: str) -> dict[str, str]:
    """The headers of a table that is kept as a file."""
    return {"Content-Disposition": f'attachment; filename="waypost-{name}.csv"', "Vary": "Accept, Cookie"}


def local_path(target: str) -> str:
    """A place in this gateway to go on to; anything else is `/`, so that nobody is led away after signing in."""
    is_local = target.startswith("/") and target[1:2] not in ("/", "\\") and len(target) <= LONGEST_NEXT
    return target if is_local and target.isprintable() else "/"


def pages_at(
    *paths: str,
    permission: Permission | None = Permission.READ,
    dependencies: Mapping[str, Provide] | None = None,
) -> Callable[[Callable[..., Any]], list[HTTPRouteHandler]]:
    """Serve one function at several addresses. (A single handler with a list of paths is wrapped once too often.)"""
    return lambda function: [
        get(
            path,
            opt={"permission": permission},
            dependencies=dependencies,
            include_in_schema=False,
            sync_to_thread=True,
        )(function)
        for path in paths
    ]


def list_at(
    path: str,
    permission: Permission | None = Permission.READ,
    dependencies: Mapping[str, Provide] | None = None,
) -> Callable[[Callable[..., Any]], list[HTTPRouteHandler]]:
    """Serve a list as a page, and with `.json` and `.csv` behind its address."""
    return pages_at(path, f"{path}.json", f"{path}.csv", permission=permission, dependencies=dependencies)
