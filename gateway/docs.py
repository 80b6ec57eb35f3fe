"""The API's description at `/openapi.json`, and a page at `/docs` that shows it without any other host."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router

from federation.catalogue.catalogue import SampleRequest, Validation
from federation.search.answer import SearchAnswer, SimilarAnswer
from federation.statements.statements import ArtifactStatement
from gateway.api.bulk_out import BulkPlanOut
from gateway.api.events_out import ChangesOut, EventsOut
from gateway.api.graph_out import DeprecationIn
from gateway.api.health import LiveOut, ReadyOut
from gateway.api.history_out import ProductionOut
from gateway.api.out import VersionOut
from gateway.api.requests import PUBLIC, AnyRequest, provide_waypost
from gateway.api.statements_out import CommentIn, CommentOut, CommentsOut, StatementIn, StatementsOut
from gateway.described import classes_in, describe
from gateway.door.authentication import COOKIE
from gateway.examples import give_examples

STATIC = Path(__file__).parent / "static"
PACKED = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
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
    <link rel="stylesheet" href="/static/swagger/start.css">
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


@dataclass(frozen=True, slots=True)
class Followed:
    """What a handler does where `ending` follows the reference in its path: what it takes and answers then."""

    path: str
    method: str
    ending: str
    name: str
    body: Any = None
    answer: Any = None
    status: int = 200
    parameters: tuple[str, ...] = ()


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
def packed(request: AnyRequest) -> Response[bytes]:
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
def openapi(request: AnyRequest) -> dict[str, Any]:
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
    _take_apart(paths, shapes)
    _answer(paths, shapes)
    _take_nothing(paths)
    for name, one in shapes.items():
        if name.endswith("In"):
            one["additionalProperties"] = False
    shapes["Problem"] = PROBLEM_SHAPE
    _hold_anything(shapes)
    schema["components"]["securitySchemes"] = SECURITY
    schema["security"] = [{name: []} for name in SECURITY] if asks else []
    tag(schema)
    describe(schema, classes_in(iter(answered())))
    give_examples(schema)
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


def _take_apart(paths: dict[str, dict[str, Any]], shapes: dict[str, Any]) -> None:
    """Describe what a handler does by what follows its reference, each as an operation of its own."""
    for one in FOLLOWED:
        stated = paths[one.path][one.method]
        operation = {
            **stated,
            "operationId": one.name,
            "parameters": [each for each in stated["parameters"] if each["name"] in ("ref", *one.parameters)],
            "responses": {
                str(one.status): {"description": "What it answers.", **_content(one.answer, shapes)}
            },
        }
        operation.pop("requestBody", None)
        if one.body is not None:
            operation["requestBody"] = {"required": True, **_content(one.body, shapes)}
        paths.setdefault(one.path + one.ending, {})[one.method] = operation
    for path, method in {(one.path, one.method) for one in FOLLOWED if one.method == "post"}:
        del paths[path][method]


def _content(shape: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    """How a body of this type is described; an empty one for None."""
    if shape is None:
        return {}
    said, told = msgspec.json.schema_components([shape], ref_template=TEMPLATE)
    shapes |= told
    return {"content": {"application/json": {"schema": said[0]}}}


def _answer(paths: dict[str, dict[str, Any]], shapes: dict[str, Any]) -> None:
    """What is answered: a problem where something goes wrong, and what handlers do not say themselves."""
    for path, methods in paths.items():
        for found in methods.values():
            if not (isinstance(found, dict) and "responses" in found):
                continue
            found["responses"].get("204", {}).pop("content", None)
            if path.startswith(("/api/", "/hooks/")):
                refusals = [code for code in found["responses"] if str(code) >= "400"]
                found["responses"] |= dict.fromkeys([*refusals, "default"], PROBLEM)
    for path, forms in FORMS.items():
        paths[path]["get"]["responses"]["200"]["content"] = {
            form: {"schema": {"type": "object" if form.endswith("+json") else "string"}} for form in forms
        }
    for path, shape in LISTED.items():
        paths[path]["get"]["responses"]["200"]["content"] |= _content(shape, shapes)["content"]
    paths["/api/v1/search"]["get"]["responses"]["200"]["links"] = {
        target: {"operationId": target, "parameters": {"path.ref": "$response.body#/hits/0/ref"}}
        for target in FROM_A_HIT
    }


def _take_nothing(paths: dict[str, dict[str, Any]]) -> None:
    """Say of no parameter that it may be null: it is left out instead."""
    for methods in paths.values():
        for found in methods.values():
            for parameter in found.get("parameters", []) if isinstance(found, dict) else []:
                parameter["schema"] = _never_null(parameter["schema"])


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without the null in it, and without its being the default."""
    found = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    if isinstance(found.get("type"), list):
        kinds = [kind for kind in found["type"] if kind != "null"]
        found["type"] = kinds[0] if len(kinds) == 1 else kinds
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if value is not None]
    for either in ("oneOf", "anyOf"):
        if either in found:
            kept = [one for one in found.pop(either) if one.get("type") != "null"]
            found = {**kept[0], **found} if len(kept) == 1 else {**found, either: kept}
    return found


def _hold_anything(schema: Any) -> None:
    """Say what is in lists that may hold anything: generators want it said."""
    if isinstance(schema, dict):
        if schema.get("type") == "array" and "prefixItems" not in schema:
            schema.setdefault("items", {})
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            _hold_anything(one)


def tag(schema: dict[str, Any]) -> None:
    """Say of each operation in words what it is called, and which area of the API it is in: the first of its path."""
    areas = dict[str, None]()
    for path, methods in schema["paths"].items():
        area = path.removeprefix("/api/v1/").split("/")[0] if path.startswith("/api/") else "operators"
        areas[area] = None
        for found in methods.values():
            if isinstance(found, dict):
                found["tags"] = [area]
                found["summary"] = found["operationId"].replace("_", " ").capitalize()
                if area == "operators":
                    found["security"] = []
    schema["tags"] = [{"name": area} for area in sorted(areas)]


def answered() -> list[Any]:
    """Every type that a handler of the API takes or answers."""
    from gateway.api import site

    hints = [hint for one in site.HANDLERS for hint in get_type_hints(one.fn).values()]
    return [*hints, *FOLLOWED_TYPES, *LISTED.values(), *ALSO_ANSWERED]


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
ALSO_ANSWERED: tuple[type, ...] = (ReadyOut, LiveOut, SearchAnswer, BulkPlanOut)
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

VERSION, MODEL = "/api/v1/versions/{ref}", "/api/v1/models/{ref}"
LISTED: Mapping[str, Any] = {
    VERSION: VersionOut,
    "/api/v1/production": ProductionOut,
    "/api/v1/changes": ChangesOut,
    "/api/v1/events": EventsOut,
}
"""What is answered where it may come as a table or stream instead, or where other paths say the rest."""
FOLLOWED: Sequence[Followed] = (
    Followed(VERSION, "get", "/statements", "list_statements", answer=StatementsOut),
    Followed(VERSION, "get", "/similar", "list_similar", answer=SimilarAnswer, parameters=("limit",)),
    Followed(VERSION, "get", "/comments", "list_comments", answer=CommentsOut),
    Followed(VERSION, "post", "/comments", "post_comments", CommentIn, CommentOut, 201),
    Followed(VERSION, "post", "/statements", "post_statements", StatementIn, ArtifactStatement, 201),
    Followed(VERSION, "post", "/validate", "post_validate", SampleRequest, Validation),
    Followed(MODEL, "post", "/deprecate", "deprecate_model", DeprecationIn, status=204),
    Followed(MODEL, "post", "/reinstate", "reinstate_model", status=204),
)
"""What handlers do by what follows the reference in their path."""
FOLLOWED_TYPES = [kind for one in FOLLOWED for kind in (one.body, one.answer) if kind is not None]


FILES = create_static_files_router("/static", directories=[STATIC], include_in_schema=False, opt=PUBLIC)
"""What pages load."""
