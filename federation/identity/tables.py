"""The tables of access. No secret stands in them that lets anybody in: of a token or a session only its SHA-256."""

from sqlalchemy import JSON, Column, Index, LargeBinary, String, Table, Text, UniqueConstraint

from federation.database import UTCTime
from federation.tables import METADATA, surrogate_id

principal = Table(
    "principal",
    METADATA,
    # Opaque, and the only thing the journal names.
    Column("id", String(40), primary_key=True),
    Column("who", Text, unique=True, nullable=False),
    # For people to read; never compared with anything.
    Column("name", Text, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Column("disabled_at", UTCTime),
)
"""A person or service. `who` is how grants name it: `token:NAME` or `subject:SUBJECT`."""

token = Table(
    "token",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("principal_id", String, nullable=False),
    Column("digest", LargeBinary(32), unique=True, nullable=False),
    # The permissions it is limited to; None: everything its principal's roles allow.
    Column("scopes", JSON),
    Column("created_by", String, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Column("expires_at", UTCTime),
    Column("last_used_at", UTCTime),
    Column("revoked_at", UTCTime),
    Index("token_of_principal", "principal_id"),
)
"""An API token. A rotated one is followed by another of the same principal."""

grant = Table(
    "access_grant",
    METADATA,
    surrogate_id(),
    Column("who", Text, nullable=False),
    Column("role", String, nullable=False),
    # `*`, `team:NAME` or `registry:NAME`.
    Column("scope", Text, nullable=False),
    # config or api.
    Column("source", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    UniqueConstraint("who", "role", "scope", "source"),
    sqlite_autoincrement=True,
)
"""A role that `who` (`token:NAME`, `subject:SUBJECT` or `group:NAME`) holds on a scope."""

session = Table(
    "session",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("principal_id", String, nullable=False),
    # The token it was begun with; None for one begun at the identity provider.
    Column("token_id", String),
    # What the identity provider is asked again with, sealed with the session's own secret; None: it
    # cannot be.
    Column("renewal", LargeBinary),
    # When somebody last began to ask again.
    Column("asked_at", UTCTime),
    Column("created_at", UTCTime, nullable=False),
    Column("expires_at", UTCTime, nullable=False),
    Column("ended_at", UTCTime),
    Index("session_of_principal", "principal_id"),
)
"""A signed-in browser. It ends by itself, with its token, by its owner or an operator, or when the identity
provider no longer vouches for the person.
"""

person = Table(
    "person",
    METADATA,
    Column("principal_id", String(40), primary_key=True),
    # None: not known.
    Column("groups", JSON(none_as_null=True)),
    Column("said_at", UTCTime, nullable=False),
    # One line on what the provider did not say; empty where it said everything.
    Column("remark", Text, nullable=False),
    # What backends call the person, by the claims that are configured for that.
    Column("names", JSON(none_as_null=True)),
)
"""What the identity provider said of a person last. It holds in all sessions of the person."""

secret = Table(
    "secret",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", LargeBinary(32), nullable=False),
)
"""A secret of this gateway's own, that all its processes share."""
