"""The tables of the graph. All but `dependency` are derived from the catalogue and can be derived again.

They live in the database, once for all machines: which incarnation an edge meant, and since when it is seen,
cannot be told from the catalogue of today. `touched` is the change position at which a row last changed; the
files of each machine follow it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from federation.database import UTCTime
from federation.tables import METADATA, partial_index, surrogate_id

node = Table(
    "graph_node",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    # `NodeKind`.
    Column("kind", SmallInteger, nullable=False),
    # Id of the version, model (for selectors), endpoint or registry (for runs); 0 for what has none.
    Column("scope", BigInteger, nullable=False),
    # Alias, stage, digest, `name#digest` of a dataset, commit, run; empty where `scope` says it all.
    Column("name", Text, nullable=False),
    # 0 for what belongs to no registry: datasets, commits and digests.
    Column("registry_id", BigInteger, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("live", Boolean, nullable=False),
    # Microseconds since 1970.
    Column("created", BigInteger, nullable=False),
    # For a selector: the node of the version it means now.
    Column("means", BigInteger),
    Column("gone", Boolean, nullable=False),
    Column("touched", BigInteger, nullable=False),
    # Scope first: with kind in front, SQLite would rather read every version than follow one from its own table.
    UniqueConstraint("scope", "kind", "name"),
    Index("graph_node_touched", "touched"),
    partial_index(
        "graph_node_means",
        "means",
        where="means IS NOT NULL",
    ),
)
"""A node. Ids are dense from 1, so that they index the arrays, and never used again."""

edge = Table(
    "graph_edge",
    METADATA,
    surrogate_id(),
    Column("source", BigInteger, nullable=False),
    Column("target", BigInteger),
    # `EdgeKind`.
    Column("kind", SmallInteger, nullable=False),
    # For `derived_from`: base, parent, copy, fine_tuned, distilled or quantised.
    Column("relation", String, nullable=False),
    # tag, api, backend or inferred.
    Column("origin", String, nullable=False),
    # The reference as it was stated, in canonical form; an address; what cannot be read; for other
    # nodes their name.
    Column("wanted", Text, nullable=False),
    # Empty for what is no reference.
    Column("wanted_registry", String, nullable=False),
    # By what the target is found once it is there; `claims.UNREADABLE` where nobody can read what is
    # wanted.
    Column("wanted_model", String, nullable=False),
    # Of a dataset: the short name that its consumer gives it.
    Column("title", Text),
    # The principal that declared it; empty where the registry itself says so.
    Column("said_by", String, nullable=False),
    Column("declared_id", BigInteger),
    # The time at which the statement was made, which tells the incarnation it means.
    Column("meant_at", UTCTime, nullable=False),
    Column("first_seen_at", UTCTime, nullable=False),
    Column("last_seen_at", UTCTime, nullable=False),
    Column("gone", Boolean, nullable=False),
    Column("touched", BigInteger, nullable=False),
    Index("graph_edge_source", "source"),
    Index("graph_edge_target", "target"),
    # Of the unresolved alone, which are few: text in no order makes the largest and slowest index of all.
    partial_index(
        "graph_edge_unresolved",
        "wanted_model",
        "wanted_registry",
        where="target IS NULL",
    ),
    Index("graph_edge_touched", "touched"),
    partial_index(
        "graph_edge_title",
        "title",
        where="title IS NOT NULL",
    ),
    sqlite_autoincrement=True,
)
"""One statement that a node needs another, by one source. `target` is empty while it is unresolved."""

graph_head = Table(
    "graph_head",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    # The greatest node id given out.
    Column("nodes", BigInteger, nullable=False),
    # Counts derivations from scratch; files of an older one are built anew.
    Column("generation", BigInteger, nullable=False),
    # How the tables were derived; those of another format are derived anew.
    Column("format", Integer, server_default="1", nullable=False),
)
"""The single row that says how far the graph was derived; its lock lets one deriver in."""

address = Table(
    "graph_address",
    METADATA,
    Column("address", Text, primary_key=True),
    Column("node", BigInteger, primary_key=True),
    Index("graph_address_of", "node"),
)
"""What a backend's users call a version without its registry."""

dependency = Table(
    "dependency",
    METADATA,
    surrogate_id(),
    Column("consumer", Text, nullable=False),
    Column("consumer_registry", String, nullable=False),
    Column("consumer_model", String, nullable=False),
    Column("provider", Text, nullable=False),
    # depends_on or derived_from.
    Column("kind", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("said_by", String, nullable=False),
    Column("created_at", UTCTime, nullable=False),
    Column("withdrawn_at", UTCTime),
    Index("dependency_consumer", "consumer_model", "consumer_registry"),
    sqlite_autoincrement=True,
)
"""An edge declared through the API. Truth, not derived: it is withdrawn, never removed."""

deprecation = Table(
    "deprecation",
    METADATA,
    Column("model_id", BigInteger, primary_key=True, autoincrement=False),
    Column("registry_id", BigInteger, nullable=False),
    # The day, as ISO 8601.
    Column("until", String, nullable=False),
    # A reference; empty where there is none.
    Column("replacement", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("said_by", String, nullable=False),
    Column("since", UTCTime, nullable=False),
    Index("deprecation_in", "registry_id"),
)
"""A model that is to go, as somebody has said. Truth, not derived."""
