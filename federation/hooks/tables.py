"""The tables of what backends announce."""

from sqlalchemy import BigInteger, Column, Index, String, Table

from federation.database import UTCTime
from federation.tables import METADATA

hook = Table(
    "hook",
    METADATA,
    Column("registry_id", BigInteger, primary_key=True, autoincrement=False),
    # When the first notification was taken in, and the newest one.
    Column("since", UTCTime, nullable=False),
    Column("last_at", UTCTime, nullable=False),
    Column("taken", BigInteger, nullable=False),
    # Records that runs found changed since then.
    Column("missed", BigInteger, nullable=False),
    # Of those, since the newest notification.
    Column("missed_since", BigInteger, nullable=False),
)
"""What came of one registry's notifications."""

mention = Table(
    "mention",
    METADATA,
    Column("registry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, primary_key=True),
    # As the adapter named it: not always the id of a record.
    Column("native_id", String, primary_key=True),
    # How often it was named: what is named again while it is being read is read again.
    Column("times", BigInteger, nullable=False),
    Column("due_at", UTCTime, nullable=False),
    # How often reading it failed.
    Column("tries", BigInteger, nullable=False),
    Index("mention_due", "due_at"),
)
"""Something that a notification named and that is to be read."""

apart = Table(
    "apart",
    METADATA,
    Column("registry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("native_id", String, primary_key=True),
    # The first change after it was read.
    Column("position", BigInteger, nullable=False),
)
"""A record that was read apart from runs: a run that began before has an older one."""
