"""The table of saved searches."""

from sqlalchemy import Boolean, Column, String, Table, Text, UniqueConstraint, false

from federation.database import UTCTime
from federation.tables import METADATA

saved_search = Table(
    "saved_search",
    METADATA,
    # Opaque: the address stays while name and query change.
    Column("id", String(40), primary_key=True),
    # The id of a principal, or `team:NAME`.
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("q", Text, nullable=False),
    Column("sort", Text, nullable=False),
    # model or version.
    Column("grouping", String, nullable=False),
    Column("strict", Boolean, nullable=False, server_default=false()),
    # Parts of the query that are words and nothing more, with commas between.
    Column("literal", Text, nullable=False, server_default=""),
    Column("saved_by", String, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Column("changed_at", UTCTime, nullable=False),
    UniqueConstraint("scope", "name"),
)
"""A search that somebody kept. Name and query are free text of people."""
