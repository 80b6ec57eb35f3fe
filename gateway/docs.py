"""The API's description at `/openapi.json`, and a page at `/docs` that shows it without any other host."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from litestar import MediaType, Request, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.static_files import create_static_files_router

from gateway.api.requests import PUBLIC

STATIC = Path(__file__).parent / "static"
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
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


DOCS = OpenAPIConfig(
    title="Waypost",
    version=product_version(),
    description="One API, one search index, one dependency graph and one audit log over every model registry.",
    path="/docs/openapi",
    render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    use_handler_docstrings=True,
)


@get("/docs", opt=PUBLIC, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs_page() -> str:
    """The API's description as a page."""
    return PAGE


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The API's description."""
    return request.app.openapi_schema.to_schema()


HANDLERS = [
    docs_page,
    openapi,
    create_static_files_router("/static", directories=[STATIC], include_in_schema=False, opt=PUBLIC),
]
