"""Commitments to values that name people or are free text.

An entry holds only the commitment; the salt and the value stand in a table beside the log. While they stand
there, anyone can check that the value is the one the entry was written with. Once they are deleted the
commitment says nothing about the value, however few values are possible, because the salt is gone with it.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from federation.journal.verify import commitment_digest, verify_commitment

__all__ = ["Committed", "commit", "commitment_digest", "verify_commitment"]

SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Committed:
    """A value with its salt (kept beside the log) and the digest (kept in the entry), 16 and 32 bytes."""

    value: str
    salt: bytes
    digest: bytes


def commit(value: str) -> Committed:
    """Commit to a value with a fresh random salt: equal values have unrelated commitments."""
    salt = secrets.token_bytes(SALT_BYTES)
    return Committed(value, salt, commitment_digest(salt, value))
