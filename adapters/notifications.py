"""What a backend sends by itself when something changes: a request that proves nothing before it was checked.

MLflow and whoever follows Standard Webhooks sign the same text, `ID.TIMESTAMP.BODY`, by HMAC-SHA256.
"""

import base64
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from adapters.errors import AuthError, InvalidError

TOLERANCE = 300
"""Seconds that a signature may lie before or behind our clock."""
PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a key of Standard Webhooks."""
MOST_SIGNATURES = 10
"""Signatures of one request that are looked at."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A request as it came. Names of `headers` are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Mapping[str, Any]:
        """The body, a JSON object. Errors: `InvalidError`."""
        return json_object(self.body)


class SignatureHeaders(NamedTuple):
    """Where id, time and signatures of a request stand."""

    ident: str
    timestamp: str
    signatures: str


STANDARD = SignatureHeaders("webhook-id", "webhook-timestamp", "webhook-signature")
"""As Standard Webhooks names them."""


def json_object(text: str | bytes) -> Mapping[str, Any]:
    """A text that is a JSON object. Errors: `InvalidError`."""
    try:
        found = from_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidError("the notification is no JSON object")
    return found


def standard_key(secret: str) -> bytes:
    """The key in a secret of Standard Webhooks. Errors: `ValueError`, which does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"must be {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64, with + and /, not the URL-safe letters"
        )
    return key


def signature(key: bytes, ident: str, timestamp: int | str, body: bytes) -> str:
    """The signature of a request: `v1,` and the HMAC in base64."""
    signed = f"{ident}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def check_signature(
    notification: Notification, keys: Sequence[bytes], names: SignatureHeaders = STANDARD
) -> None:
    """See that the request was signed with one of the keys, just now. Errors: `AuthError`."""
    ident, timestamp, given = (notification.headers.get(name, "") for name in names)
    if not (ident and timestamp.isascii() and timestamp.isdecimal() and given):
        raise AuthError(f"the request is not signed: it lacks {', '.join(names)}")
    if abs(time.time() - int(timestamp[:12])) > TOLERANCE:
        raise AuthError(f"the request was signed more than {TOLERANCE} s before or behind our clock")
    made = [signature(key, ident, timestamp, notification.body).encode() for key in keys]
    found = [one.encode() for one in given.split()[:MOST_SIGNATURES]]
    # Each with each, whatever was found: the time it takes says nothing.
    if not sum(hmac.compare_digest(one, other) for one in made for other in found):
        raise AuthError("the signature is of another secret or of another body")


def check_secret(given: str, secrets: Sequence[str]) -> None:
    """See that a request shows one of the secrets, where the backend signs nothing. Errors: `AuthError`."""
    if not sum(hmac.compare_digest(given.encode(errors="replace"), one.encode()) for one in secrets):
        raise AuthError("the request does not show the secret: give the backend the one that is configured")
