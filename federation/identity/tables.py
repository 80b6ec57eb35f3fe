"""The tables of access. No secret stands in them: of a token or a session only its SHA-256."""

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
    """A signed-in browser. It ends by itself, with its token, or when its owner signs out."""

    __tablename__ = "session"
    __table_args__ = (Index("session_of_principal", "principal_id"),)
    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    principal_id: str
    token_id: str | None
    """The token it was begun with; None for one begun at the identity provider."""
    groups: list[str] = Field(sa_type=JSON)
    """What the identity provider said at sign-in."""
    created_at: datetime = _time(nullable=False)
    expires_at: datetime = _time(nullable=False)
    ended_at: datetime | None = _time()


principal = table(PrincipalRow)
token = table(TokenRow)
grant = table(GrantRow)
session = table(SessionRow)
