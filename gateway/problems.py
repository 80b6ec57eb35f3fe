"""Errors over HTTP: RFC 9457 problems with a stable `type`, one clear line each, no stack trace and no secret.

This is the one place that turns exceptions into answers. Hidden and absent give the same bytes. The command line gives
the same ones without a server, so the framework is imported where a request is answered.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from federation.errors import (
    DeniedError,
    GoneError,
    InvalidRequestError,
    PreconditionError,
    SetupError,
    StateError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
    WaypostError,
)
from federation.logs import Log
from federation.references import ReferenceSyntaxError
from gateway.plain import plain

if TYPE_CHECKING:
    from litestar import Request, Response
    from litestar.exceptions import MethodNotAllowedException, ValidationException

MEDIA_TYPE = "application/problem+json"
MLFLOW = "/mlflow/"
"""Under this every error has MLflow's own shape."""
log = Log(__name__)


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of an error. `type` is a stable name under `/problems/`; `detail` says cause and remedy in one line."""

    type: str
    title: str
    status: int
    detail: str
    position: int | None = None
    """Character, from 0, at which a text could not be read."""
    expected: str | None = None
    parameter: str | None = None
    plan: str | None = None
    """The page that shows what a promotion would need, where only that may make the change."""
    candidates: Sequence[str] = ()
    """References that were perhaps meant."""
    known: Any = None
    """What was known last of something deleted."""


class ProblemError(Exception):
    """An error with its answer. `name` is the last part of the problem's `type`."""

    def __init__(
        self, status: int, name: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> Problem:
        """What is answered."""
        title = self.name.replace("-", " ").capitalize()
        return Problem(f"/problems/{self.name}", title, self.status, str(self), **self.more)


def explain(error: Exception, request: "Request[Any, Any, Any] | None" = None) -> ProblemError:
    """What an exception means to the caller, of a request where that is known."""
    match error:
        case ProblemError():
            return error
        case WaypostError():
            return _problem_of(error)
    from litestar.exceptions import (
        HTTPException,
        MethodNotAllowedException,
        NotFoundException,
        ValidationException,
    )

    match error:
        case ValidationException():
            return ProblemError(400, "invalid-request", _validation(error, request))
        case NotFoundException():
            return ProblemError(404, "not-found", "nothing is at this address: see /docs")
        case MethodNotAllowedException():
            return _not_taken(error, request)
        case HTTPException() if error.status_code == 400:
            return ProblemError(400, "http-error", f"the request cannot be read: {error.detail}")
        case HTTPException():
            return ProblemError(error.status_code, "http-error", error.detail, headers=error.headers)
    return ProblemError(500, "internal", "an error inside Waypost")


STATUS: Mapping[type[WaypostError], int] = {
    ReferenceSyntaxError: 400,
    InvalidRequestError: 422,
    UnauthenticatedError: 401,
    DeniedError: 403,
    UnknownError: 404,
    GoneError: 410,
    StateError: 409,
    PreconditionError: 412,
    TooManyError: 429,
    UnavailableError: 503,
    SetupError: 503,
}
"""The status of each branch of the errors; the nearest one counts."""


def _problem_of(error: WaypostError) -> ProblemError:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    fields = dict(error.fields)
    if isinstance(error, GoneError):
        from gateway.api.out import known_out

        fields["known"] = known_out(error.known)
    return ProblemError(status, error.code, str(error), headers=headers, **fields)


Shape = Callable[[ProblemError], tuple[int, bytes, dict[str, str]]]
SHAPES: dict[str, Shape] = {}
"""Status, body and headers of an error in dialects with a shape of their own, by where their addresses begin."""


def written(problem: ProblemError, path: str) -> tuple[int, str, bytes, Mapping[str, str]]:
    """Status, media type, body and headers of a problem, in the shape of the dialect that an address speaks."""
    for beginning, shape in SHAPES.items():
        if path.startswith(beginning):
            status, body, headers = shape(problem)
            return status, "application/json", body, headers
    return problem.status, MEDIA_TYPE, msgspec.json.encode(problem.body()), problem.headers


def handle(request: "Request[Any, Any, Any]", error: Exception) -> "Response[Any]":
    """Litestar's exception handler for everything."""
    from litestar import Response

    problem = explain(error, request)
    if isinstance(error, DeniedError):
        request.scope["state"]["denied"] = error
    if problem.status >= 500 and problem.name == "internal":
        request_id = request.scope["state"].get("request_id", "")
        log.error("unhandled error", path=request.url.path, request=request_id, exc_info=error)
        if logging.getLogger().isEnabledFor(logging.ERROR):
            problem = ProblemError(
                500, "internal", f"{problem}: the log has it under request id {request_id}"
            )
    status, media_type, body, headers = written(problem, request.scope["path"])
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def _not_taken(error: "MethodNotAllowedException", request: "Request[Any, Any, Any] | None") -> ProblemError:
    """That an address does not take a method, with those that it takes. What is read has a HEAD, too."""
    listed = {name.strip() for name in (error.headers or {}).get("allow", "GET").split(",")}
    allowed = sorted(listed | ({"HEAD"} if "GET" in listed else set()))
    taken = " or ".join(name for name in allowed if name not in ("HEAD", "OPTIONS"))
    method = "this method" if request is None else request.method
    detail = f"this address does not take {method}: it takes {taken}"
    return ProblemError(405, "http-error", detail, headers={"Allow": ", ".join(allowed)})


def _validation(error: "ValidationException", request: "Request[Any, Any, Any] | None") -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    handler = None if request is None else request.scope.get("route_handler")
    fields = {} if handler is None else handler.parsed_fn_signature.parameters
    parts = [_part(item, fields) for item in extra if isinstance(item, Mapping)]
    return "; ".join(parts)[:500] or "the request is not understood: /docs describes it"


def _part(item: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """One value that does not fit, by the name that it has in the request."""
    key, message = item.get("key", "body"), item.get("message", "")
    if item.get("source") == "body":
        place, field, name = ("" if key == "data" else key), fields.get("data"), key
    else:
        place, field = "", fields.get(key)
        name = getattr(getattr(field, "kwarg_definition", None), "name", None) or key
    told = plain(message, None if field is None else field.raw, place)
    return f"{'body' if name == 'data' else name}: {told}"
