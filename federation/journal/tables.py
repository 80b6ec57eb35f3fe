"""What stands beside the log: checkpoints, witnesses, seals, and who was erased."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from federation.database import UTCTime
from federation.tables import METADATA

checkpoint = Table(
    "journal_checkpoint",
    METADATA,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""A checkpoint that was signed: `note` as it is served, with countersignatures."""

witness = Table(
    "journal_witness",
    METADATA,
    # As configured: a folder or an address.
    Column("name", String, primary_key=True),
    # Its verifier key; empty for a folder.
    Column("key", String, nullable=False),
    # How many entries the newest checkpoint counts that it took.
    Column("size", BigInteger, nullable=False),
    # ok, unreachable or ahead.
    Column("state", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""A place outside that keeps our checkpoints, and how it stands."""

witnessed = Table(
    "journal_witnessed",
    METADATA,
    Column("origin", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""The newest checkpoint of another log that this gateway countersigned."""

seal = Table(
    "journal_seal",
    METADATA,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("file", Text, nullable=False),
    # SHA-256 of the file.
    Column("digest", LargeBinary, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""Entries up to number `size` - 1 stand in an archive file instead of in the log."""

erased = Table(
    "erased",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    # So many words the name has.
    Column("words", Integer, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""A person who was erased, known by a keyed hash only: what a backend says of them again is blanked."""
