"""The tables of promotions: what is proposed, and what people and outside systems say to it."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, UniqueConstraint

from federation.database import UTCTime
from federation.tables import METADATA, partial_index, surrogate_id

OPEN = ("waiting", "approved", "executing", "stuck")
"""The states of a promotion that has not ended."""

promotion = Table(
    "promotion",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("model_id", BigInteger, nullable=False),
    Column("version_id", BigInteger, nullable=False),
    # The version when it was proposed, as a canonical reference.
    Column("ref", Text, nullable=False),
    # The normalised stage that it is to have.
    Column("to_stage", String, nullable=False),
    # promotion, crossing (to another registry), rollback or emergency.
    Column("kind", String, nullable=False),
    # waiting, approved, executing, stuck; done, failed, void, rejected, expired or cancelled.
    Column("state", String, nullable=False),
    # The principal who proposed it, by opaque id.
    Column("proposer", String, nullable=False),
    # In the words of whoever proposed it.
    Column("reason", Text, nullable=False),
    # What became of it, in one line; empty while nothing is to be said.
    Column("message", Text, nullable=False),
    # Of an emergency that was carried out: open, until somebody else closes it.
    Column("review", String, nullable=False),
    Column("proposed_at", UTCTime, nullable=False),
    Column("expires_at", UTCTime, nullable=False),
    # When it is looked at next.
    Column("due_at", UTCTime, nullable=False),
    Column("finished_at", UTCTime),
    # Ids of the operations that make it, in order, as a list in JSON; of those that undo it: `undone`.
    Column("steps", Text, nullable=False),
    # Ids of the versions that had the stage when it was carried out, as a list in JSON.
    Column("replaced", Text, nullable=False),
    Column("undone", Text, nullable=False),
    # How far the traffic has come that a policy moves, as JSON; None where none does.
    Column("rollout", Text),
    # The registry that it is registered in, and how far that has come, as JSON; None where it stays in its own.
    Column("into_id", BigInteger),
    Column("crossing", Text),
    partial_index("promotion_open", "registry_id", "id", where="finished_at IS NULL"),
    Index("promotion_of_model", "model_id", "id"),
    Index("promotion_of_registry", "registry_id", "id"),
    sqlite_autoincrement=True,
)
"""One promotion. What it needs is worked out from the policies each time it is looked at; nothing of that is kept."""

voice = Table(
    "promotion_voice",
    METADATA,
    surrogate_id(),
    Column("promotion_id", BigInteger, nullable=False, index=True),
    Column("principal", String, nullable=False),
    # comment, approve, reject, cancel, review or stop.
    Column("kind", String, nullable=False),
    Column("words", Text, nullable=False),
    # What an approval was given on, as canonical JSON; empty for everything else.
    Column("evidence", Text, nullable=False),
    Column("at", UTCTime, nullable=False),
    sqlite_autoincrement=True,
)
"""What one person said to a promotion."""

report = Table(
    "promotion_report",
    METADATA,
    surrogate_id(),
    Column("promotion_id", BigInteger, nullable=False),
    Column("name", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("url", Text, nullable=False),
    # Numbers by name, as JSON.
    Column("figures", Text, nullable=False),
    # Which artifact it is about: it counts while the version has that one.
    Column("digest", Text, nullable=False),
    Column("principal", String, nullable=False),
    Column("at", UTCTime, nullable=False),
    UniqueConstraint("promotion_id", "name"),
    sqlite_autoincrement=True,
)
"""What an outside system said last about one of its checks."""
