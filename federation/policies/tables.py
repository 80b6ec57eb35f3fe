"""The tables of policies: each as the configuration said it last, and whom a backend's names are."""

from sqlalchemy import BigInteger, Column, String, Table, Text

from federation.database import UTCTime
from federation.tables import METADATA

policy = Table(
    "policy",
    METADATA,
    Column("name", String, primary_key=True),
    Column("digest", String(64), nullable=False),
    # As canonical JSON.
    Column("body", Text, nullable=False),
    # When it began to hold as it is.
    Column("since", UTCTime, nullable=False),
)
"""One policy that holds."""

bypass = Table(
    "bypass",
    METADATA,
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    # The names of the policies, as a list in JSON.
    Column("policies", Text, nullable=False),
)
"""A version that stands where it does because somebody went past policies; gone when its stage changes again."""

known_name = Table(
    "known_name",
    METADATA,
    # As a backend says it, with or without the kind of registry in front.
    Column("name", Text, primary_key=True),
    # As grants call the principal: `subject:SUBJECT` or `token:NAME`.
    Column("who", Text, nullable=False),
)
"""Whom a name that backends report means."""
