"""Errors in MLflow's shape: `error_code` and `message`, with statuses that its client does not repeat for minutes.

A client repeats 408, 429 and most of 5xx eight times over four minutes and then forgets what was said. So what will
not be otherwise soon is answered with another status.
"""

import json
from collections.abc import Mapping

from gateway.problems import ProblemError

_CODES: Mapping[int, tuple[int, str]] = {
    400: (400, "INVALID_PARAMETER_VALUE"),
    401: (401, "UNAUTHENTICATED"),
    403: (403, "PERMISSION_DENIED"),
    404: (404, "RESOURCE_DOES_NOT_EXIST"),
    405: (405, "ENDPOINT_NOT_FOUND"),
    409: (409, "RESOURCE_CONFLICT"),
    410: (404, "RESOURCE_DOES_NOT_EXIST"),
    412: (409, "RESOURCE_CONFLICT"),
    416: (416, "INVALID_PARAMETER_VALUE"),
    422: (400, "INVALID_PARAMETER_VALUE"),
    429: (429, "REQUEST_LIMIT_EXCEEDED"),
    500: (500, "INTERNAL_ERROR"),
    503: (503, "TEMPORARILY_UNAVAILABLE"),
}
_NAMED: Mapping[str, tuple[int, str]] = {
    "exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "unsupported": (400, "NOT_IMPLEMENTED"),
    "promotion-required": (403, "PERMISSION_DENIED"),
    "not-writable": (403, "PERMISSION_DENIED"),
    "no-endpoint": (404, "ENDPOINT_NOT_FOUND"),
}
"""Of errors that their status alone does not say."""
RETRY_AFTER = "1"
"""Seconds; without it a client would wait for minutes."""


def mlflow_error(problem: ProblemError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an error."""
    status, code = _NAMED.get(problem.name) or _CODES.get(problem.status, (400, "BAD_REQUEST"))
    headers = dict(problem.headers)
    if status in (429, 503):
        headers.setdefault("Retry-After", RETRY_AFTER)
    return status, json.dumps({"error_code": code, "message": str(problem)}).encode(), headers


def invalid(message: str) -> ProblemError:
    """What was asked for cannot be read, in MLflow's words."""
    return ProblemError(400, "invalid-request", message)


def missing(message: str) -> ProblemError:
    """What was named is not there, in MLflow's words."""
    return ProblemError(404, "not-found", message)


def missing_model(name: str) -> ProblemError:
    """No such model."""
    return missing(f"Registered Model with name={name} not found")


def missing_version(name: str, version: str) -> ProblemError:
    """No such version."""
    return missing(f"Model Version (name={name}, version={version}) not found")
