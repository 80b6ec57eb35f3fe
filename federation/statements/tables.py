"""The tables of statements: what was stated, and whose signatures count."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text

from federation.database import UTCTime
from federation.tables import METADATA, surrogate_id

COMMENT = "comment"
"""The kind of what somebody says of the version itself, and not of its artifact: no policy reads it."""

statement = Table(
    "statement",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("version_id", BigInteger, nullable=False),
    # signature, scan, evaluation, check or comment.
    Column("kind", String, nullable=False),
    # The digest of the artifact that it is about; empty where nobody knows one.
    Column("digest", Text, nullable=False),
    # As it came, byte for byte; the words of a comment in UTF-8.
    Column("body", LargeBinary, nullable=False),
    # SHA-256 of the body, in hexadecimal.
    Column("sha256", String(64), nullable=False),
    # The principal who handed it in.
    Column("principal", String, nullable=False),
    Column("at", UTCTime, nullable=False),
    Index("statement_of_version", "version_id", "id"),
    sqlite_autoincrement=True,
)
"""One statement. What it says is read off the body each time: keys may be taken back."""

signer = Table(
    "signer",
    METADATA,
    Column("name", String, primary_key=True),
    # A public key in PEM; empty where a certificate counts.
    Column("key", Text, nullable=False),
    # Certificates in PEM that a chain must lead to; empty where a key counts.
    Column("roots", Text, nullable=False),
    # Whom the certificate must name, and who vouched for that.
    Column("identity", Text, nullable=False),
    Column("issuer", Text, nullable=False),
)
"""Somebody whose signatures count."""
