"""The table of operations: one row each, from intent to outcome."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from federation.database import UTCTime
from federation.tables import Identity, table

OPEN = ("queued", "running", "unknown")
"""The states of an operation that has no outcome yet."""


def _long(**kwargs: Any) -> Any:
    return Field(sa_type=BigInteger, **kwargs)


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=UTCTime, nullable=nullable)


class OperationRow(SQLModel, table=True):
    """One operation. Committed with its journal entry, this row is the job."""

    __tablename__ = "operation"
    __table_args__ = (
        UniqueConstraint("actor", "key"),
        Index(
            "operation_open",
            "registry_id",
            "id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("operation_of_registry", "registry_id", "id"),
        Index("operation_by_position", "registry_id", "position"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, sa_column=Column(Identity, primary_key=True, autoincrement=True))
    registry_id: int = _long()
    actor: str
    """The principal who asked, by opaque id."""
    kind: str
    """set_stage, set_alias, set_tags, register or delete."""
    ref: str = Field(sa_type=Text)
    """What it was asked of, as a canonical reference."""
    made: str | None = Field(default=None, sa_type=Text)
    """The reference of the version that was registered."""
    wanted: str = Field(sa_type=Text)
    """What is wanted of the backend, as JSON of a `Wanted`."""
    target_kind: str
    target_id: int | None = _long(default=None, nullable=True)
    native_id: str
    """The key the adapter is called with; for a version that is to be registered, its model's name."""
    lane: str
    """The model it is about, by name: within a lane operations keep their order."""
    etag: str | None
    """What `If-Match` asked the target to be still."""
    token: str
    """Makes a repeated registration recognisable to the backend."""
    key: str | None
    """`Idempotency-Key`, while it is kept."""
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 of what was asked for, to tell a repetition from another request."""
    state: str
    """queued, running, unknown, ok or failed."""
    tries: int
    due_at: datetime = _time(nullable=False)
    """When it is to be carried out, or (unknown) the backend is to be asked."""
    before: str | None = Field(default=None, sa_type=Text)
    """What the backend held where this writes, read before it was sent; as JSON."""
    error: str | None = Field(default=None, sa_type=Text)
    requested_at: datetime = _time(nullable=False)
    started_at: datetime | None = _time()
    """When its call was about to be sent first."""
    finished_at: datetime | None = _time()
    position: int | None = _long(default=None, nullable=True)
    """The change position of its outcome."""


operation = table(OperationRow)
