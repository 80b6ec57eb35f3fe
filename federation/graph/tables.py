"""The tables of the graph. All but `dependency` are derived from the catalogue and can be derived again.

They live in the database, once for all machines: which incarnation an edge meant, and since when it is seen,
cannot be told from the catalogue of today. `touched` is the change position at which a row last changed; the
files of each machine follow it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from federation.database import UTCTime
from federation.tables import Identity, table


def _long(**kwargs: Any) -> Any:
    return Field(sa_type=BigInteger, **kwargs)


def _small(**kwargs: Any) -> Any:
    return Field(sa_type=SmallInteger, **kwargs)


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=UTCTime, nullable=nullable)


class NodeRow(SQLModel, table=True):
    """A node. Ids are dense from 1, so that they index the arrays, and never used again."""

    __tablename__ = "graph_node"
    # Scope first: with kind in front, SQLite would rather read every version than follow one from its own table.
    __table_args__ = (
        UniqueConstraint("scope", "kind", "name"),
        Index("graph_node_touched", "touched"),
        Index(
            "graph_node_means",
            "means",
            sqlite_where=text("means IS NOT NULL"),
            postgresql_where=text("means IS NOT NULL"),
        ),
    )
    id: int = _long(primary_key=True)
    kind: int = _small()
    """`NodeKind`."""
    scope: int = _long()
    """Id of the version, model (for selectors), endpoint or registry (for runs); 0 for what has none."""
    name: str = Field(sa_type=Text)
    """Alias, stage, digest, `name#digest` of a dataset, commit, run; empty where `scope` says it all."""
    registry_id: int = _long()
    """0 for what belongs to no registry: datasets, commits and digests."""
    stage: int = _small()
    live: bool
    created: int = _long()
    """Microseconds since 1970."""
    means: int | None = _long(default=None, nullable=True)
    """For a selector: the node of the version it means now."""
    gone: bool
    touched: int = _long()


class EdgeRow(SQLModel, table=True):
    """One statement that a node needs another, by one source. `target` is empty while it is unresolved."""

    __tablename__ = "graph_edge"
    __table_args__ = (
        Index("graph_edge_source", "source"),
        Index("graph_edge_target", "target"),
        # Of the unresolved alone, which are few: text in no order makes the largest and slowest index of all.
        Index(
            "graph_edge_unresolved",
            "wanted_model",
            "wanted_registry",
            sqlite_where=text("target IS NULL"),
            postgresql_where=text("target IS NULL"),
        ),
        Index("graph_edge_touched", "touched"),
        Index(
            "graph_edge_title",
            "title",
            sqlite_where=text("title IS NOT NULL"),
            postgresql_where=text("title IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, sa_column=Column(Identity, primary_key=True, autoincrement=True))
    source: int = _long()
    target: int | None = _long(default=None, nullable=True)
    kind: int = _small()
    """`EdgeKind`."""
    relation: str
    """For `derived_from`: base, parent, copy, fine_tuned, distilled or quantised."""
    origin: str
    """tag, api, backend or inferred."""
    wanted: str = Field(sa_type=Text)
    """The reference as it was stated, in canonical form; an address; what cannot be read; for other nodes their
    name.
    """
    wanted_registry: str
    """Empty for what is no reference."""
    wanted_model: str
    """By what the target is found once it is there; `claims.UNREADABLE` where nobody can read what is wanted."""
    title: str | None = Field(default=None, sa_type=Text)
    """Of a dataset: the short name that its consumer gives it."""
    said_by: str
    """The principal that declared it; empty where the registry itself says so."""
    declared_id: int | None = _long(default=None, nullable=True)
    meant_at: datetime = _time(nullable=False)
    """The time at which the statement was made, which tells the incarnation it means."""
    first_seen_at: datetime = _time(nullable=False)
    last_seen_at: datetime = _time(nullable=False)
    gone: bool
    touched: int = _long()


class GraphHeadRow(SQLModel, table=True):
    """The single row that says how far the graph was derived; its lock lets one deriver in."""

    __tablename__ = "graph_head"
    id: int = Field(primary_key=True)
    position: int = _long()
    nodes: int = _long()
    """The greatest node id given out."""
    generation: int = _long()
    """Counts derivations from scratch; files of an older one are built anew."""
    format: int = Field(sa_column_kwargs={"server_default": "1"})
    """How the tables were derived; those of another format are derived anew."""


class AddressRow(SQLModel, table=True):
    """What a backend's users call a version without its registry."""

    __tablename__ = "graph_address"
    __table_args__ = (Index("graph_address_of", "node"),)
    address: str = Field(sa_column=Column(Text, primary_key=True))
    node: int = _long(primary_key=True)


class DependencyRow(SQLModel, table=True):
    """An edge declared through the API. Truth, not derived: it is withdrawn, never removed."""

    __tablename__ = "dependency"
    __table_args__ = (
        Index("dependency_consumer", "consumer_model", "consumer_registry"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, sa_column=Column(Identity, primary_key=True, autoincrement=True))
    consumer: str = Field(sa_type=Text)
    consumer_registry: str
    consumer_model: str
    provider: str = Field(sa_type=Text)
    kind: str
    """depends_on or derived_from."""
    note: str = Field(sa_type=Text)
    said_by: str
    created_at: datetime = _time(nullable=False)
    withdrawn_at: datetime | None = _time()


node = table(NodeRow)
edge = table(EdgeRow)
address = table(AddressRow)
graph_head = table(GraphHeadRow)
dependency = table(DependencyRow)
