"""The tables of events and of who is sent them. An event is derived from one entry of the journal and stays when that
is sealed.
"""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from federation.database import UTCTime
from federation.tables import METADATA, partial_index, surrogate_id

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

subscription = Table(
    "subscription",
    METADATA,
    surrogate_id(),
    Column("name", String, nullable=False),
    # config or api.
    Column("source", String, nullable=False),
    # Whose view it has; empty: everything, as configured.
    Column("owner", String, nullable=False),
    Column("url", Text, nullable=False),
    # Types as they were asked for; none: all.
    Column("types", JSON, nullable=False),
    # What it is limited to, as `on` of the feed.
    Column("selector", Text, nullable=False),
    # Pairs: a secret, or where the configuration says it is; and until when it counts, in microseconds, or null.
    Column("secrets", JSON, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    sqlite_autoincrement=True,
)
"""An address that events are sent to. Its secrets sign what is sent; whoever reads them can forge that, no more."""

delivery = Table(
    "delivery",
    METADATA,
    Column("subscription_id", BigInteger, primary_key=True, autoincrement=False),
    # Of the event.
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    # Events of one key are sent one after the other: the model's id, or less than nothing the registry's.
    Column("ordering_key", BigInteger, nullable=False),
    # waiting, delivered or dead.
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    # While it waits: not before.
    Column("due", UTCTime, nullable=False),
    Column("tried_at", UTCTime),
    # Of the last answer; None where there was none.
    Column("status", Integer),
    Column("error", Text),
    partial_index("delivery_waiting", "subscription_id", "position", where="state = 'waiting'"),
    partial_index("delivery_held_back", "subscription_id", "ordering_key", "due", where="state = 'waiting'"),
    partial_index("delivery_dead", "subscription_id", "position", where="state = 'dead'"),
    Index("delivery_by_time", "tried_at"),
)
"""One event for one address."""

watch = Table(
    "watch",
    METADATA,
    surrogate_id(),
    Column("principal_id", String, nullable=False),
    # As `on` of the feed.
    Column("selector", Text, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Index("watch_of", "principal_id"),
    sqlite_autoincrement=True,
)
"""Something that a person wants to be told of."""
