"""The API's description at `/openapi.json`, and a page at `/docs` that shows it without any other host."""

import gzip
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router

from federation.catalogue.catalogue import SampleRequest
from federation.search.answer import SearchAnswer
from gateway.api.events_out import ChangesOut, EventsOut
from gateway.api.health import LiveOut, ReadyOut
from gateway.api.history_out import ProductionOut
from gateway.api.requests import PUBLIC, provide_waypost
from gateway.api.statements_out import CommentIn, StatementIn
from gateway.authentication import COOKIE
from gateway.described import classes_in, describe

STATIC = Path(__file__).parent / "static"
PACKED = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
"""Files of the page that shows the API, by their media type; they lie as gzip."""
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Waypost API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/static/swagger/swagger-ui.css">
    <script src="/static/swagger/swagger-ui-bundle.js" defer></script>
    <script src="/static/swagger/start.js" defer></script>
  </head>
  <body><div id="docs"></div></body>
</html>
"""


def product_version() -> str:
    """The version of this Waypost; `0` where it runs without being installed."""
    try:
        return version("waypost")
    except PackageNotFoundError:
        return "0"


def operation_id(handler: HTTPRouteHandler, method: str, path: Sequence[object]) -> str:
    """The name of a handler's function, which is what a generated client calls it."""
    return handler.handler_name


DOCS = OpenAPIConfig(
    title="Waypost",
    version=product_version(),
    description="One API, one search index, one dependency graph and one audit log over every model registry.",
    path="/docs/openapi",
    render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    use_handler_docstrings=True,
    operation_id_creator=operation_id,
)


@get(
    [f"/static/swagger/{name}" for name in PACKED], opt=PUBLIC, include_in_schema=False, sync_to_thread=False
)
def packed(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A file of that page, which is kept as every browser takes it: a third as large."""
    name = request.url.path.rpartition("/")[2]
    content, headers = (STATIC / "swagger" / f"{name}.gz").read_bytes(), {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        content = gzip.decompress(content)
    return Response(content, media_type=PACKED[name], headers=headers)


@get("/docs", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs_page() -> str:
    """The API's description as a page."""
    return PAGE


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The API's description."""
    waypost = provide_waypost(request)
    asks = waypost.settings.auth.mode != "local"
    return as_written(request.app.openapi_schema.to_schema(), asks=asks)


def as_written(schema: dict[str, Any], *, asks: bool = True) -> dict[str, Any]:
    """The description with what follows a reference in a path, with problems for whatever goes wrong, and with a text
    for each thing in it. `asks`: whether the gateway asks who somebody is.
    """
    paths: dict[str, dict[str, Any]] = schema["paths"]
    shapes: dict[str, Any] = schema["components"]["schemas"]
    _end(paths)
    _post(paths, shapes)
    _answer(paths, shapes)
    for name, one in shapes.items():
        if name.endswith("In"):
            one["additionalProperties"] = False
    shapes["Problem"] = PROBLEM_SHAPE
    schema["components"]["securitySchemes"] = SECURITY
    schema["security"] = [{name: []} for name in SECURITY] if asks else []
    tag(schema)
    describe(schema, classes_in(iter(answered())))
    for path, example in EXAMPLES.items():
        for parameter in paths[path]["get"]["parameters"]:
            if parameter["name"] in example:
                parameter["example"] = example[parameter["name"]]
    return schema


def _end(paths: dict[str, dict[str, Any]]) -> None:
    """Put what follows a reference behind it.

    Litestar lets nothing follow a path parameter that may hold `/`, so its own description ends there.
    """
    for (path, method), (ending, parts) in ENDINGS.items():
        found = paths[path].get(method)
        if found is None:
            continue
        if method != "delete":
            del paths[path][method]
        extra = [
            {"name": part, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for part in parts
        ]
        moved = {**found, "parameters": [*found.get("parameters", []), *extra]}
        if method == "delete":
            found["operationId"], moved["operationId"] = "delete_model", "remove_alias"
        paths.setdefault(path + ending, {})[method] = moved


def _post(paths: dict[str, dict[str, Any]], shapes: dict[str, Any]) -> None:
    """What is sent to a version, by what follows its reference."""
    stated = paths["/api/v1/versions/{ref}"].pop("post")
    for ending, shape in POSTED.items():
        said, told = msgspec.json.schema_components([shape], ref_template=TEMPLATE)
        body = {"required": True, "content": {"application/json": {"schema": said[0]}}}
        operation = {"operationId": f"post_{ending[1:]}", "requestBody": body}
        paths[f"/api/v1/versions/{{ref}}{ending}"] = {"post": {**stated, **operation}}
        shapes |= told


def _answer(paths: dict[str, dict[str, Any]], shapes: dict[str, Any]) -> None:
    """What is answered: a problem where something goes wrong, and what handlers do not say themselves."""
    for path, methods in paths.items():
        for found in methods.values():
            if path.startswith("/api/") and isinstance(found, dict) and "responses" in found:
                refusals = [code for code in found["responses"] if str(code) >= "400"]
                found["responses"] |= dict.fromkeys([*refusals, "default"], PROBLEM)
    for path, forms in FORMS.items():
        paths[path]["get"]["responses"]["200"]["content"] = {
            form: {"schema": {"type": "object" if form.endswith("+json") else "string"}} for form in forms
        }
    for path, shape in LISTED.items():
        said, told = msgspec.json.schema_components([shape], ref_template=TEMPLATE)
        paths[path]["get"]["responses"]["200"]["content"]["application/json"] = {"schema": said[0]}
        shapes |= told
    paths["/api/v1/search"]["get"]["responses"]["200"]["links"] = {
        target: {"operationId": target, "parameters": {"path.ref": "$response.body#/hits/0/ref"}}
        for target in FROM_A_HIT
    }


def tag(schema: dict[str, Any]) -> None:
    """Say of each operation which area of the API it is in: the first word of its path."""
    areas = dict[str, None]()
    for path, methods in schema["paths"].items():
        area = path.removeprefix("/api/v1/").split("/")[0] if path.startswith("/api/") else "operators"
        areas[area] = None
        for found in methods.values():
            if isinstance(found, dict):
                found["tags"] = [area]
                if area == "operators":
                    found["security"] = []
    schema["tags"] = [{"name": area} for area in sorted(areas)]


def answered() -> list[Any]:
    """Every type that a handler of the API takes or answers."""
    from gateway.api import site

    handlers = [one for one in site.HANDLERS if isinstance(one, HTTPRouteHandler)]
    hints = [hint for one in handlers for hint in get_type_hints(one.fn).values()]
    return [*hints, *POSTED.values(), *LISTED.values(), *ALSO_ANSWERED]


TEMPLATE = "#/components/schemas/{name}"
PROBLEM = {
    "description": "What went wrong, and the remedy (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM_SHAPE = {
    "title": "Problem",
    "description": "What went wrong, and the remedy (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "A stable name, under /problems/."},
        "title": {"type": "string", "description": "The same in words."},
        "status": {"type": "integer", "description": "The status of HTTP."},
        "detail": {"type": "string", "description": "Cause and remedy in one line."},
        "position": {"type": "integer", "description": "The character, from 0, at which a text could not be read."},
        "expected": {"type": "string", "description": "What would have been right there."},
        "parameter": {"type": "string", "description": "The parameter that it is about."},
        "plan": {"type": "string", "description": "The page that shows what a promotion would need."},
        "candidates": {
            "type": "array", "items": {"type": "string"}, "description": "References that were perhaps meant.",
        },
        "known": {"description": "What was known last of something deleted."},
    },
}  # fmt: skip
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of this gateway: `waypost token create`."},
    "session": {
        "type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser that is signed in.",
    },
}  # fmt: skip
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "/api/v1/search": {"q": "fraud stage:production", "sort": "metric.auc"},
    "/api/v1/versions/{ref}": {"ref": "fraud/card-fraud-scorer@champion"},
    "/api/v1/models/{ref}": {"ref": "fraud/card-fraud-scorer"},
    "/api/v1/impact/{ref}": {"ref": "search/encoder:3", "action": "archive"},
    "/api/v1/dependencies/{ref}": {"ref": "search/product-ranker:4"},
    "/api/v1/timeline/{ref}": {"ref": "search/encoder"},
    "/api/v1/diff": {"left": "search/product-ranker:3", "right": "search/product-ranker:4"},
    "/api/v1/production": {"as_of": "2026-05-03", "team": "risk"},
    "/api/v1/references": {"q": "search/enc"},
}
"""Values of parameters that work in the demo."""
ALSO_ANSWERED: tuple[type, ...] = (ReadyOut, LiveOut, SearchAnswer)
FORMS: Mapping[str, tuple[str, ...]] = {
    "/api/v1/bom/{ref}": ("application/vnd.cyclonedx+json",),
    "/api/v1/audit/checkpoint": ("text/plain",),
    "/api/v1/audit/export": ("application/jsonl", "text/csv", "application/x-ndjson"),
}
"""What is answered where that is no JSON of ours."""
FROM_A_HIT = (
    "show_version",
    "show_timeline",
    "show_dependencies",
    "show_impact",
    "show_bill",
    "show_snippets",
)
"""What a hit of a search can be followed to (the description's links)."""
ENDINGS: Mapping[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("/api/v1/versions/{ref}", "put"): ("/stage", ()),
    ("/api/v1/versions/{ref}", "patch"): ("/tags", ()),
    ("/api/v1/models/{ref}", "put"): ("/aliases/{alias}", ("alias",)),
    ("/api/v1/models/{ref}", "patch"): ("/tags", ()),
    ("/api/v1/models/{ref}", "delete"): ("/aliases/{alias}", ("alias",)),
}
"""What follows the reference in the path of a handler, with the parameters in it."""

LISTED: Mapping[str, Any] = {
    "/api/v1/production": ProductionOut,
    "/api/v1/changes": ChangesOut,
    "/api/v1/events": EventsOut,
}
"""What is answered where it may come as a table or stream instead."""
POSTED: Mapping[str, type] = {"/statements": StatementIn, "/comments": CommentIn, "/validate": SampleRequest}
"""What is sent to a version, by what follows its reference."""


HANDLERS: list[Any] = [
    docs_page,
    openapi,
    packed,
    create_static_files_router("/static", directories=[STATIC], include_in_schema=False, opt=PUBLIC),
]
