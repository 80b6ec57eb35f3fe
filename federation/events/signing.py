"""Signatures of Standard Webhooks: the secrets of a subscription, and what they sign."""

import base64
import secrets

from adapters import signature, standard_key
from federation.errors import InvalidRequestError

PREFIX = "whsec_"


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
    return " ".join(signature(_key(secret), ident, timestamp, body) for secret in given)


def _key(secret: str) -> bytes:
    try:
        return standard_key(secret)
    except ValueError as error:
        raise SigningSecretError(f"a secret {error}") from None
