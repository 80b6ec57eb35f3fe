"""The table of operations: one row each, from intent to outcome."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from federation.database import UTCTime
from federation.tables import METADATA, partial_index, surrogate_id

operation = Table(
    "operation",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    # The principal who asked, by opaque id.
    Column("actor", String, nullable=False),
    # The name of the capability that it takes, such as set_stage.
    Column("kind", String, nullable=False),
    # What it was asked of, as a canonical reference.
    Column("ref", Text, nullable=False),
    # The reference of the version that was registered.
    Column("made", Text),
    # What is wanted of the backend, as JSON of a `Wanted`.
    Column("wanted", Text, nullable=False),
    Column("target_kind", String, nullable=False),
    # The row's id; of what makes a model none, until it is made.
    Column("target_id", BigInteger),
    # The key the adapter is called with; for a version that is to be registered, its model's name.
    Column("native_id", String, nullable=False),
    # The model it is about, by name: operations of one ordering key are carried out in order, one at a time.
    Column("ordering_key", String, nullable=False),
    # What `If-Match` asked the target to be still.
    Column("etag", String),
    # Makes a repeated registration recognisable to the backend.
    Column("token", String, nullable=False),
    # `Idempotency-Key`, while it is kept.
    Column("key", String),
    # SHA-256 of what was asked for, to tell a repetition from another request.
    Column("digest", LargeBinary, nullable=False),
    # queued, running, unknown, ok or failed.
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    # When it is to be carried out, or (unknown) the backend is to be asked.
    Column("due_at", UTCTime, nullable=False),
    # What the backend held where this writes, read before it was sent; as JSON. While it is queued: what it must still
    # hold, where a plan was shown that said so.
    Column("before", Text),
    Column("error", Text),
    Column("requested_at", UTCTime, nullable=False),
    # When its call was about to be sent first.
    Column("started_at", UTCTime),
    Column("finished_at", UTCTime),
    # The change position of its outcome.
    Column("position", BigInteger),
    # The step before it in its plan: unless that one was made, this one is not.
    Column("follows", BigInteger),
    UniqueConstraint("actor", "key"),
    partial_index(
        "operation_open",
        "registry_id",
        "id",
        where="finished_at IS NULL",
    ),
    Index("operation_of_registry", "registry_id", "id"),
    Index("operation_of_target", "target_id"),
    Index("operation_by_position", "registry_id", "position"),
    partial_index(
        "operation_follows",
        "follows",
        where="follows IS NOT NULL",
    ),
    sqlite_autoincrement=True,
)
"""One operation. Committed with its journal entry, this row is the job."""
