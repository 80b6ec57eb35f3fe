"""The API's description at `/openapi.json`, and a page at `/docs` that shows it without any other host."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router

from federation.catalogue.catalogue import SampleRequest
from gateway.api.requests import PUBLIC
from gateway.api.statements_out import StatementIn

STATIC = Path(__file__).parent / "static"
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


@get("/docs", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs_page() -> str:
    """The API's description as a page."""
    return PAGE


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The API's description."""
    return as_written(request.app.openapi_schema.to_schema())


def as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """The description with what follows a reference in a path, and with problems for whatever goes wrong.

    Litestar lets nothing follow a path parameter that may hold `/`, so its own description ends there.
    """
    paths: dict[str, dict[str, Any]] = schema["paths"]
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
    stated = paths["/api/v1/versions/{ref}"].pop("post")
    for ending, shape in POSTED.items():
        said, told = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
        body = {"required": True, "content": {"application/json": {"schema": said[0]}}}
        operation = {"operationId": f"post_{ending[1:]}", "requestBody": body}
        paths[f"/api/v1/versions/{{ref}}{ending}"] = {"post": {**stated, **operation}}
        schema["components"]["schemas"] |= told
    for path, methods in paths.items():
        for found in methods.values():
            if path.startswith("/api/") and isinstance(found, dict) and "responses" in found:
                refusals = [code for code in found["responses"] if str(code) >= "400"]
                found["responses"] |= dict.fromkeys([*refusals, "default"], PROBLEM)
    for path, forms in FORMS.items():
        paths[path]["get"]["responses"]["200"]["content"] = {
            form: {"schema": {"type": "object" if form.endswith("+json") else "string"}} for form in forms
        }
    paths["/api/v1/search"]["get"]["responses"]["200"]["links"] = {
        target: {"operationId": target, "parameters": {"path.ref": "$response.body#/hits/0/ref"}}
        for target in FROM_A_HIT
    }
    for name, one in schema["components"]["schemas"].items():
        if name.endswith("In"):
            one["additionalProperties"] = False
    return schema


PROBLEM = {
    "description": "What went wrong, and the remedy (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            }
        }
    },
}
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

POSTED: Mapping[str, type] = {"/statements": StatementIn, "/validate": SampleRequest}
"""What is sent to a version, by what follows its reference."""


HANDLERS: list[Any] = [
    docs_page,
    openapi,
    create_static_files_router("/static", directories=[STATIC], include_in_schema=False, opt=PUBLIC),
]
