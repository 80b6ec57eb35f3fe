"""MLflow's refusals as the contract's errors: one line each, with the remedy."""

from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    UnsupportedError,
)
from adapters.http import Reply

STRANGE_HOST = b"Invalid Host header"
"""How MLflow's guard against DNS rebinding begins its refusal of a Host that it was not told of."""


def explain(reply: Reply) -> AdapterError | None:
    """MLflow's own error codes. A 404 is a proof of absence only when MLflow itself gave it."""
    if reply.status in (401, 429):
        return None
    if reply.status == 403 and reply.body.startswith(STRANGE_HOST):
        return InvalidError(
            f"{reply.host} answered 403, invalid Host header: MLflow answers only under the names of its "
            f"--allowed-hosts: start it with {reply.host} among them, or put one of its names into the registry's `url`"
        )
    code = reply.json().get("error_code") if reply.is_json and reply.body[:1] == b"{" else None
    said = f"{reply.host}: {reply.detail() or code}"
    match code:
        case "RESOURCE_DOES_NOT_EXIST" if reply.detail().startswith("Workspace"):
            return InvalidError(f"{said}: check the registry's `workspace`")
        case "RESOURCE_DOES_NOT_EXIST":
            return NotFoundError(said)
        case "RESOURCE_ALREADY_EXISTS":
            return ConflictError(said)
        case "PERMISSION_DENIED":
            return AuthError(f"{said}: give the permission to the registry's credentials")
        case "INVALID_PARAMETER_VALUE" | "BAD_REQUEST" | "INVALID_STATE":
            return InvalidError(said, divisible=True)
        case "FEATURE_DISABLED" | "NOT_IMPLEMENTED":
            return UnsupportedError(said)
        case _ if reply.status == 404:
            return InvalidError(
                f"{reply.host} answered 404, there is no MLflow API: check the registry's `url`"
            )
        case _:
            return None
