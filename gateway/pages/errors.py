"""Errors as pages: what happened in one line, and what to do next."""

from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from federation.access import ROLES
from gateway.api.requests import AnyRequest
from gateway.meant import of_request
from gateway.pages.page import page
from gateway.problems import ProblemError, explain, handle

HEADS = {
    400: "This address cannot be read",
    401: "Sign in first",
    403: "You may not do this",
    404: "Nothing is here",
    405: "This cannot be done here",
    409: "Something is in the way",
    410: "This was deleted",
    412: "It has changed in the meantime",
    422: "This cannot be done as asked",
    429: "Too many requests",
    500: "Something went wrong inside Waypost",
    503: "Not ready yet",
}

NUMBERED = frozenset({"promotions", "operations", "webhooks"})
"""Lists of what has a number and no name."""


def wants_page(request: AnyRequest) -> bool:
    """Whether a browser asks, for a page."""
    api = request.scope["path"].startswith(
        ("/api/", "/mlflow/", "/health/", "/metrics", "/static/", "/openapi")
    )
    return not api and "text/html" in request.headers.get("accept", "")


def handle_page(request: AnyRequest, error: Exception) -> Response[Any]:
    """Litestar's exception handler for everything: a page for a browser, a problem for everybody else."""
    error = of_request(request, error)
    answer = handle(request, error)
    if not wants_page(request):
        return answer
    problem = explain(error, request)
    if problem.status == 401 and request.method == "GET":
        query = request.url.query
        return Redirect(
            "/sign-in?" + urlencode({"next": request.url.path + (f"?{query}" if query else "")}),
            status_code=303,
        )
    return error_page(request, problem)


def error_page(request: AnyRequest, problem: ProblemError) -> Response[str]:
    """The page of an error."""
    area = request.url.path.split("/")[1]
    denied = request.scope["state"].get("denied")
    made = page(
        request,
        "error.html",
        status=problem.status,
        title=HEADS.get(problem.status, "This did not work"),
        problem=problem,
        known=problem.more.get("known"),
        candidates=problem.more.get("candidates", ()),
        listed=f"/{area}" if area in NUMBERED else "",
        roles=[role for role, allowed in ROLES.items() if denied and denied.permission in allowed],
        request_id=request.scope.get("state", {}).get("request_id", ""),
    )
    made.headers.update(problem.headers)
    return made


HANDLERS: ExceptionHandlersMap = {Exception: handle_page, HTTPException: handle_page}
