"""boto3's exceptions as the contract's errors: one clear line, no secret, no vendor type."""

import re
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

_THROTTLED = (
    "throttl",
    "requestlimitexceeded",
    "toomanyrequests",
    "slowdown",
    "bandwidthlimit",
    "limitexceededexc",
)
_DENIED = ("accessdenied", "notauthorized", "unauthorized")
_CREDENTIALS = (
    "unrecognizedclient", "invalidclienttoken", "invalidaccesskey", "expiredtoken", "signaturedoesnotmatch",
    "invalidsignature", "incompletesignature", "missingauthenticationtoken", "authfailure", "requestexpired",
    "optinrequired",
)  # fmt: skip
_ABSENT = re.compile(r"does not exist|could not find|not found", re.IGNORECASE)
_TAKEN = re.compile(r"already exist|cannot create already", re.IGNORECASE)
_UNKNOWN = ("unknownoperation", "notimplemented", "invalidaction")


class ForbiddenError(AuthError):
    """The credentials are good, but may not do this one action."""


class UnexplainedError(TransientError):
    """A 500 without an error code of AWS: how emulators answer what they do not have. AWS itself names a code."""


def translated(error: Exception, action: str) -> AdapterError:
    """The contract's error for what boto3 raised while it did `action`."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _refused(error, action)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return AuthError(
            f"{action}: no AWS credentials: give access_key_id and secret_access_key, or a profile"
        )
    if isinstance(error, boto.ProfileNotFound):
        return AuthError(f"{action}: the AWS profile does not exist: check `profile`")
    if isinstance(error, boto.CredentialRetrievalError | boto.TokenRetrievalError | boto.SSOError):
        return AuthError(f"{action}: the AWS credentials could not be loaded: renew them")
    if isinstance(error, boto.ParamValidationError):
        return InvalidError(f"{action}: {error}")
    if isinstance(error, boto.HTTPClientError) and isinstance(error.kwargs.get("error"), AdapterError):
        inner: AdapterError = error.kwargs["error"]
        return inner
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.ConnectionClosedError):
        return TransientError(
            f"{action}: SageMaker could not be reached ({type(error).__name__}): check the address"
        )
    if isinstance(error, boto.BotoCoreError):
        return TransientError(f"{action}: {type(error).__name__}: {error}")
    return TransientError(f"{action}: the answer could not be understood ({type(error).__name__})")


def _refused(error: Any, action: str) -> AdapterError:
    details = error.response.get("Error", {})
    code, said = str(details.get("Code", "")), str(details.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    name = code.lower()
    if name.startswith(_THROTTLED) or status == 429:
        message = f"{action}: AWS throttles the requests: sync less often or ask for a higher quota"
        return TransientError(message, retry_after=_retry_after(error))
    if name.startswith(_CREDENTIALS):
        return AuthError(
            f"{action}: AWS refuses the credentials ({code}): {said}: renew them, check the clock"
        )
    if name.startswith(_DENIED) or status in (401, 403):
        return ForbiddenError(f"{action} is not allowed ({code}): {said}: grant sagemaker:{action}")
    if name.startswith(_UNKNOWN) or status in (404, 405, 501):
        return UnsupportedError(f"this backend has no {action}: {said}")
    if status == 500 and code in ("", "500"):
        return UnexplainedError(f"{action}: the backend failed without saying why (500)")
    if status >= 500:
        message = f"{action}: AWS answered {status} ({code}): {said}"
        return TransientError(message, retry_after=_retry_after(error))
    return _rejected(name, f"{action}: {said or code}")


def _rejected(name: str, line: str) -> AdapterError:
    if name.startswith("resourcenotfound") or (name.startswith("validation") and _ABSENT.search(line)):
        return NotFoundError(line)
    if name.startswith(("conflict", "resourceinuse")) or _TAKEN.search(line):
        return ConflictError(line)
    return InvalidError(line)


def _retry_after(error: Any) -> float | None:
    """Seconds AWS, or a gateway before it, wants us to wait."""
    value = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(value) if value.isdigit() and len(value) < 10 else None
