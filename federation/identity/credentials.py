"""Secrets that we make: what they look like, and the one form of them that is stored.

A token is `wp_`, 27 characters with 160 random bits, and a checksum of 6 characters, all of `0-9A-Za-z`. The
checksum tells a mistyped or invented token without asking the database. 160 random bits need no slow hash.
"""

import hashlib
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "wp_"
RANDOM_BYTES = 20
BODY, CHECK = 27, 6
SHAPE = re.compile(rf"wp_[0-9A-Za-z]{{{BODY + CHECK}}}")
OPAQUE_BYTES = 10
NONCE_BYTES = 12


def new_token() -> str:
    """A token with 160 random bits."""
    body = _base62(int.from_bytes(secrets.token_bytes(RANDOM_BYTES)), BODY)
    return f"{PREFIX}{body}{_checksum(body)}"


def is_token(text: str) -> bool:
    """Whether a text has the shape and the checksum of a token."""
    return SHAPE.fullmatch(text) is not None and text[-CHECK:] == _checksum(text[len(PREFIX) : -CHECK])


def new_session() -> str:
    """The secret of a browser's session: 256 random bits."""
    return secrets.token_urlsafe(32)


def new_id(kind: str) -> str:
    """An opaque id, such as `p-3f…` for a principal and `t-9a…` for a token."""
    return f"{kind}-{secrets.token_hex(OPAQUE_BYTES)}"


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def seal(secret: str, data: bytes) -> bytes:
    """Data that only who has this secret can read: the database beside it tells nothing."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # deferred: few commands need it

    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(_sealing_key(secret)).encrypt(nonce, data, None)


def unseal(secret: str, sealed: bytes) -> bytes:
    """What was sealed with this secret. Errors: `ValueError` for anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(_sealing_key(secret)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except InvalidTag:
        raise ValueError("sealed with another secret") from None


def _sealing_key(secret: str) -> bytes:
    return hashlib.sha256(b"waypost sealing key\0" + secret.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECK)


def _base62(number: int, width: int) -> str:
    found = ""
    for _ in range(width):
        number, place = divmod(number, len(ALPHABET))
        found = ALPHABET[place] + found
    return found
