"""Errors over HTTP: RFC 9457 problems with a stable `type`, one clear line each, no stack trace and no secret.

This is the one place that turns exceptions into answers. Hidden and absent give the same bytes.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.types import ExceptionHandlersMap

from federation.access import DeniedError

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"


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


def answer(error: ProblemError) -> Response[Problem]:
    """The response for an error."""
    problem = Problem(
        type=f"/problems/{error.name}",
        title=error.name.replace("-", " ").capitalize(),
        status=error.status,
        detail=str(error),
        **error.more,
    )
    return Response(problem, status_code=error.status, media_type=MEDIA_TYPE, headers=error.headers)


def explain(error: Exception) -> ProblemError:
    """What an exception means to the caller."""
    for kind in type(error).__mro__:
        meaning = _MEANINGS.get(kind) or _MEANINGS.get(f"{kind.__module__}.{kind.__name__}")
        if meaning is not None:
            return meaning(error)
    return ProblemError(500, "internal", "an error inside Waypost")


def _says(status: int, name: str, **headers: str) -> Callable[[Any], ProblemError]:
    """An error whose own text is what the caller should read."""
    return lambda error: ProblemError(status, name, str(error), headers=headers)


def _http_error(error: HTTPException) -> ProblemError:
    return ProblemError(error.status_code, "http-error", error.detail, headers=error.headers)


def _absent(_: Exception) -> ProblemError:
    """Hidden and absent: the same words for both, and nothing of what was asked for."""
    return ProblemError(404, "not-found", "nothing is known under this name that you may see")


def _gone(error: Any) -> ProblemError:
    from gateway.api.out import known_out

    detail = f"{error}: `known` is what was known of it last"
    return ProblemError(410, "deleted", detail, known=known_out(error.known))


_REFUSALS = {
    "not-writable": 409,
    "detached": 409,
    "stage-held": 409,
    "precondition-failed": 412,
    "idempotency-key-in-flight": 409,
}
"""The status of an operation that cannot be; 422 where it is not among these."""
_MEANINGS: Mapping[type | str, Callable[[Any], ProblemError]] = {
    ProblemError: lambda error: error,
    "federation.references.ReferenceSyntaxError": lambda error: ProblemError(
        400, "invalid-reference", str(error), position=error.position, expected=error.expected
    ),
    "federation.search.syntax.QuerySyntaxError": lambda error: ProblemError(
        422, "invalid-query", str(error), position=error.position, expected=", ".join(error.expected) or None
    ),
    "federation.search.answer.SearchError": lambda error: ProblemError(
        422, "invalid-request", str(error), parameter=error.parameter
    ),
    "federation.catalogue.reader.UnknownError": _absent,
    "federation.graph.subject.UnknownSubjectError": _absent,
    "federation.graph.subject.ImpactQuestionError": _says(422, "invalid-request"),
    "federation.graph.insights.UnknownInsightError": _says(404, "not-found"),
    "federation.graph.drawing.DrawingError": _says(503, "no-picture"),
    "federation.graph.graph.BillError": _says(503, "no-bill"),
    "federation.graph.paging.CursorError": _says(422, "invalid-cursor"),
    "federation.graph.rows.DamagedError": lambda error: ProblemError(
        503, "graph-building", "the dependency graph is being built: try again", headers={"Retry-After": "1"}
    ),
    "federation.catalogue.reader.GoneError": _gone,
    "federation.operations.admission.RefusedError": lambda error: ProblemError(
        _REFUSALS.get(error.reason, 422), error.reason, str(error)
    ),
    DeniedError: _says(403, "forbidden"),
    "federation.identity.grants.GrantError": _says(422, "invalid-grant"),
    "federation.identity.principals.PrincipalError": _says(422, "invalid-principal"),
    "federation.identity.tokens.TokenError": _says(422, "invalid-token"),
    "federation.registries.RegistryError": _says(422, "invalid-registry"),
    "federation.erasure.ErasureError": _says(422, "invalid-subject"),
    "federation.journal.sealing.SealingError": _says(503, "not-sealed"),
    "federation.journal.proofs.OutsideLogError": _says(422, "outside-log"),
    "federation.journal.exporting.NothingSignedError": _says(503, "nothing-signed", **{"Retry-After": "1"}),
    "federation.journal.exporting.ExportCutError": _says(503, "not-exported", **{"Retry-After": "1"}),
    "federation.journal.logkey.SigningError": _says(503, "signing-stopped"),
    "federation.journal.entry.EntryError": _says(422, "not-recordable"),
    "federation.identity.directory.CredentialError": _says(401, "unauthenticated"),
    "gateway.authentication.ProviderError": _says(503, "identity-provider", **{"Retry-After": "30"}),
    "federation.database.DatabaseError": _says(503, "database-unavailable", **{"Retry-After": "2"}),
    ValidationException: lambda error: ProblemError(400, "invalid-request", _validation(error)),
    NotFoundException: lambda error: ProblemError(404, "not-found", "nothing is at this address: see /docs"),
    HTTPException: _http_error,
}
"""By type or by its full name: whoever raises an error has imported it, and a command that raises none of these
need not import half of the house to name them. A test holds the names to be right.
"""


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's exception handler for everything."""
    problem = explain(error)
    if isinstance(error, DeniedError):
        request.scope["state"]["denied"] = error
    if problem.status >= 500 and problem.name == "internal":
        request_id = request.scope["state"].get("request_id", "")
        log.error("unhandled error", path=request.url.path, request=request_id, exc_info=error)
        if logging.getLogger().isEnabledFor(logging.ERROR):
            problem = ProblemError(
                500, "internal", f"{problem}: the log has it under request id {request_id}"
            )
    return answer(problem)


HANDLERS: ExceptionHandlersMap = {Exception: handle, HTTPException: handle}


def _validation(error: ValidationException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    parts = [
        f"{item.get('key', 'body')}: {item.get('message', '')}" for item in extra if isinstance(item, Mapping)
    ]
    return "; ".join(parts)[:500] or "the request is not understood: /docs describes it"
