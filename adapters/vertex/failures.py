"""The vendor's exceptions as the contract's errors: one line each, no secret, no vendor exception behind it."""

from typing import Any

from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
    UnsupportedError,
)

_BY_CODE: dict[str, type[AdapterError]] = {
    "UNAUTHENTICATED": AuthError,
    "PERMISSION_DENIED": AuthError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": ConflictError,
    "ABORTED": ConflictError,
    "FAILED_PRECONDITION": ConflictError,
    "INVALID_ARGUMENT": InvalidError,
    "OUT_OF_RANGE": InvalidError,
    "UNIMPLEMENTED": UnsupportedError,
}


def translate(error: Exception, doing: str) -> AdapterError:
    """What the caller of an adapter should see instead of `error`, which came up while `doing` something."""
    code = _code(error)
    what = str(getattr(error, "message", None) or error)
    if code == "RESOURCE_EXHAUSTED" and "message larger than max" in what:
        line = f"Vertex AI's answer is too large ({doing}): raise max_response_mb"
        return InvalidError(line, divisible=True)
    if code == "RESOURCE_EXHAUSTED":
        return TransientError(f"Vertex AI's quota is spent ({doing}): {what}", retry_after=retry_delay(error))
    kind = _BY_CODE.get(code)
    if kind is not None:
        return kind(f"Vertex AI refused ({doing}): {what}{_remedy(kind)}")
    return TransientError(
        f"Vertex AI did not answer as it should ({doing}): {code}: {what}", retry_after=retry_delay(error)
    )


def translate_credentials(error: Exception) -> AdapterError:
    """What the caller should see when credentials could not be read or renewed."""
    if getattr(error, "retryable", False):
        return TransientError(f"Google's token service did not answer: {error}")
    return AuthError(
        f"Google credentials cannot be used ({type(error).__name__}): {error}: "
        "check `credentials`, or the environment's default credentials"
    )


def retry_delay(error: Any) -> float | None:
    """The seconds the service asked to wait (`google.rpc.RetryInfo`), or None."""
    for detail in getattr(error, "details", None) or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return float(delay.seconds) + float(delay.nanos) / 1e9
    return None


def _code(error: Any) -> str:
    status = getattr(error, "grpc_status_code", None)
    return str(status.name) if status is not None else type(error).__name__


def _remedy(kind: type[AdapterError]) -> str:
    if kind is AuthError:
        return " -- grant roles/aiplatform.viewer (roles/aiplatform.user to write) to these credentials"
    return ""
