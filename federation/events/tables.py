"""The tables of events. An event is derived from one entry of the journal and stays when that is sealed."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from federation.database import UTCTime
from federation.tables import METADATA

event = Table(
    "event",
    METADATA,
    # The number of its entry in the journal. Nobody outside is shown it.
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("time", UTCTime, nullable=False),
    Column("type", String, nullable=False),
    Column("registry_id", BigInteger, nullable=False),
    # The model it is of; 0 where it is of none.
    Column("model_id", BigInteger, nullable=False),
    # What it is about: a reference, an endpoint or a registry.
    Column("subject", Text, nullable=False),
    # The event's own fields as JSON.
    Column("data", Text, nullable=False),
    Index("event_of_registry", "registry_id", "position"),
    Index("event_of_model", "model_id", "position"),
    Index("event_of_type", "type", "position"),
    Index("event_by_time", "time"),
)
"""One thing that is told."""
