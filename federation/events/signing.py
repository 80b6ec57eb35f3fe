"""Signatures of Standard Webhooks: the secrets of a subscription, and what they sign."""

import base64
import binascii
import hashlib
import hmac
import secrets

from federation.errors import InvalidRequestError

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret."""


class SigningSecretError(InvalidRequestError):
    """A secret that no receiver could check by. Never shows what was given."""

    code = "invalid-secret"


def new_secret() -> str:
    """A new secret. It is written in plain base64: some receivers pass over the letters of the URL-safe one."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def check(secret: str) -> str:
    """The secret as it was given. Errors: `SigningSecretError`."""
    _key(secret)
    return secret


def sign(given: list[str], ident: str, timestamp: int, body: bytes) -> str:
    """The signatures by each of these secrets, as they stand in `webhook-signature`. Errors: `SigningSecretError`."""
    signed = f"{ident}.{timestamp}.".encode() + body
    made = (hmac.new(_key(secret), signed, hashlib.sha256).digest() for secret in given)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise SigningSecretError(
            f"a secret is {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64, with + and /, not the URL-safe letters"
        )
    return key
