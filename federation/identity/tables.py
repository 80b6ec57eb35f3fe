"""The tables of access. No secret stands in them that lets anybody in: of a token or a session only its SHA-256."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from federation.database import UTCTime
from federation.tables import Identity, table


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=UTCTime, nullable=nullable)


class PrincipalRow(SQLModel, table=True):
    """A person or service. `who` is how grants name it: `token:NAME` or `subject:SUBJECT`."""

    __tablename__ = "principal"
    id: str = Field(sa_column=Column(String(40), primary_key=True))
    """Opaque, and the only thing the journal names."""
    who: str = Field(sa_type=Text, unique=True)
    name: str = Field(sa_type=Text)
    """For people to read; never compared with anything."""
    created_at: datetime = _time(nullable=False)
    disabled_at: datetime | None = _time()


class TokenRow(SQLModel, table=True):
    """An API token. A rotated one is followed by another of the same principal."""

    __tablename__ = "token"
    __table_args__ = (Index("token_of_principal", "principal_id"),)
    id: str = Field(sa_column=Column(String(40), primary_key=True))
    principal_id: str
    digest: bytes = Field(sa_column=Column(LargeBinary(32), unique=True, nullable=False))
    scopes: list[str] | None = Field(default=None, sa_type=JSON)
    """The permissions it is limited to; None: everything its principal's roles allow."""
    created_by: str
    created_at: datetime = _time(nullable=False)
    expires_at: datetime | None = _time()
    last_used_at: datetime | None = _time()
    revoked_at: datetime | None = _time()


class GrantRow(SQLModel, table=True):
    """A role that `who` (`token:NAME`, `subject:SUBJECT` or `group:NAME`) holds on a scope."""

    __tablename__ = "access_grant"
    __table_args__ = (UniqueConstraint("who", "role", "scope", "source"), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, sa_column=Column(Identity, primary_key=True, autoincrement=True))
    who: str = Field(sa_type=Text)
    role: str
    scope: str = Field(sa_type=Text)
    """`*`, `team:NAME` or `registry:NAME`."""
    source: str
    """config or api."""
    created_by: str
    created_at: datetime = _time(nullable=False)


class SessionRow(SQLModel, table=True):
    """A signed-in browser. It ends by itself, with its token, by its owner or an operator, or when the identity
    provider no longer vouches for the person.
    """

    __tablename__ = "session"
    __table_args__ = (Index("session_of_principal", "principal_id"),)
    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    principal_id: str
    token_id: str | None
    """The token it was begun with; None for one begun at the identity provider."""
    renewal: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What the identity provider is asked again with, sealed with the session's own secret; None: it cannot be."""
    asked_at: datetime | None = _time()
    """When somebody last began to ask again."""
    created_at: datetime = _time(nullable=False)
    expires_at: datetime = _time(nullable=False)
    ended_at: datetime | None = _time()


class PersonRow(SQLModel, table=True):
    """What the identity provider said of a person last. It holds in all sessions of the person."""

    __tablename__ = "person"
    principal_id: str = Field(sa_column=Column(String(40), primary_key=True))
    groups: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True), nullable=True)
    """None: not known."""
    said_at: datetime = _time(nullable=False)
    remark: str = Field(sa_type=Text)
    """One line on what the provider did not say; empty where it said everything."""


class SecretRow(SQLModel, table=True):
    """A secret of this gateway's own, that all its processes share."""

    __tablename__ = "secret"
    name: str = Field(sa_column=Column(String(40), primary_key=True))
    value: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


principal = table(PrincipalRow)
person = table(PersonRow)
secret = table(SecretRow)
token = table(TokenRow)
grant = table(GrantRow)
session = table(SessionRow)
