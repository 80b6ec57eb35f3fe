"""Every table of the spine. Rows are read and written with SQLAlchemy Core in bulk; these classes give names,
types and schema.

A `table=True` class does not validate, so none is ever built from outside input. `body` is the record as
canonical JSON without its native payload, `native` the payload as it came, `digest` the SHA-256 over both.
Surrogate ids are never reused.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from federation.database import UTCTime

Identity = BigInteger().with_variant(Integer, "sqlite")
"""Surrogate ids: 64 bits; SQLite wants its own word for a row id."""


def _id() -> Any:
    return Field(default=None, sa_column=Column(Identity, primary_key=True, autoincrement=True))


def _time(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_type=UTCTime, nullable=nullable)


def _long(**kwargs: Any) -> Any:
    return Field(sa_type=BigInteger, **kwargs)


def unread_index(table: str) -> Index:
    """Finds the few records of which something could not be read."""
    some = text("unread IS NOT NULL")
    return Index(f"{table}_unread", "registry_id", sqlite_where=some, postgresql_where=some)


class RegistryRow(SQLModel, table=True):
    """One configured backend: what the file says of it, and how its synchronisation stands."""

    __tablename__ = "registry"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = _id()
    name: str = Field(unique=True)
    kind: str
    team: str
    config: dict[str, Any] = Field(sa_type=JSON)
    """As in the file: secrets are references."""
    sync_every: float
    full_every: float
    writable: bool
    stages: dict[str, Any] = Field(sa_type=JSON)
    former_names: list[str] = Field(sa_type=JSON)
    generation: int
    detached_at: datetime | None = _time()
    identity: str | None
    """Which backend it is, by `probe`; None until one has said so."""
    offered_identity: str | None = Field(default=None, sa_type=Text)
    """Which one answers instead: nothing is read from it until somebody confirms that it is the same."""
    backend_version: str | None
    missing: list[str] = Field(sa_type=JSON)
    """What `probe` said is not allowed."""
    unavailable: list[str] = Field(sa_type=JSON)
    """The capabilities that are missing with it."""
    watermark: str | None = Field(default=None, sa_type=Text)
    last_success_at: datetime | None = _time()
    last_full_at: datetime | None = _time()
    full_seconds: float | None
    last_attempt_at: datetime | None = _time()
    last_error: str | None = Field(default=None, sa_type=Text)
    failures: int
    """Runs that failed since the last success."""
    partial: bool
    held: int
    """Deletes waiting for confirmation."""
    unread: int = Field(sa_column_kwargs={"server_default": "0"})
    """Records of which something could not be read."""
    models: int
    versions: int
    endpoints: int
    requested_at: datetime | None = _time()
    """A sync was asked for and has not begun."""
    lease_owner: str | None
    lease_epoch: int = _long()
    """Fencing: what is written by a holder of an older epoch is refused."""
    lease_until: datetime | None = _time()
    turn_owner: str | None
    """The worker that carries out the operations of this registry."""
    turn_epoch: int = _long()
    """Fencing, as of the lease."""
    turn_until: datetime | None = _time()


class ModelRow(SQLModel, table=True):
    """One incarnation of a model."""

    __tablename__ = "model"
    __table_args__ = (
        UniqueConstraint("registry_id", "native_id"),
        Index("model_by_name", "registry_id", "name"),
        unread_index("model"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = _id()
    registry_id: int = _long()
    native_id: str
    name: str
    body: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    created_at: datetime | None = _time()
    updated_at: datetime | None = _time()
    first_seen_at: datetime = _time(nullable=False)
    deleted_at: datetime | None = _time()
    unread: str | None = Field(default=None, sa_type=Text)
    """Why something of the record could not be read."""
    unread_since: datetime | None = _time()
    reading: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """The adapter's when it gave the record (`Adapter.reading`)."""


class VersionRow(SQLModel, table=True):
    """One incarnation of a version."""

    __tablename__ = "version"
    __table_args__ = (
        UniqueConstraint("registry_id", "native_id"),
        Index("version_of_model", "model_id", "version"),
        unread_index("version"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = _id()
    registry_id: int = _long()
    model_id: int = _long()
    native_id: str
    version: str
    stage: str
    """Normalised: none, staging, production or archived."""
    stage_reason: str
    """The rule that decided, such as `alias:champion`; empty where none did."""
    deployed: bool
    """A live endpoint sends it traffic."""
    body: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    details: str | None = Field(default=None, sa_type=Text)
    """What the version's files say as JSON, where the adapter reads that apart from the listing."""
    details_read: bool
    details_unknown: str | None = Field(default=None, sa_type=Text)
    """Why they could not be read the last time."""
    details_tries: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """How often that failed."""
    details_due: datetime | None = _time()
    """When they are asked for next; None: as soon as may be."""
    details_begun: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """How often a worker began to read them and did not end."""
    created_at: datetime | None = _time()
    updated_at: datetime | None = _time()
    first_seen_at: datetime = _time(nullable=False)
    deleted_at: datetime | None = _time()
    unread: str | None = Field(default=None, sa_type=Text)
    """Why something of the record could not be read."""
    unread_since: datetime | None = _time()
    reading: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """The adapter's when it gave the record (`Adapter.reading`)."""


class EndpointRow(SQLModel, table=True):
    """One incarnation of something that serves."""

    __tablename__ = "endpoint"
    __table_args__ = (
        UniqueConstraint("registry_id", "native_id"),
        unread_index("endpoint"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = _id()
    registry_id: int = _long()
    native_id: str
    name: str
    live: bool
    body: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    created_at: datetime | None = _time()
    updated_at: datetime | None = _time()
    first_seen_at: datetime = _time(nullable=False)
    deleted_at: datetime | None = _time()
    unread: str | None = Field(default=None, sa_type=Text)
    """Why something of the record could not be read."""
    unread_since: datetime | None = _time()
    reading: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """The adapter's when it gave the record (`Adapter.reading`)."""


class TrafficRow(SQLModel, table=True):
    """The share of an endpoint's traffic that one version gets."""

    __tablename__ = "traffic"
    endpoint_id: int = _long(primary_key=True)
    version_id: int = _long(primary_key=True, index=True)
    percent: float


class SpanRow(SQLModel, table=True):
    """A stretch of time in which a version held a stage or an alias.

    A sync sees an interval, not a moment: it began after `began_after` and not later than `began_by`, and
    ended likewise.
    """

    __tablename__ = "span"
    __table_args__ = (
        Index("span_of_version", "version_id"),
        Index("span_of_stage", "registry_id", "kind", "value"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = _id()
    registry_id: int = _long()
    model_id: int = _long(index=True)
    version_id: int = _long()
    kind: str
    """stage or alias."""
    value: str
    began_after: datetime | None = _time()
    began_by: datetime = _time(nullable=False)
    ended_after: datetime | None = _time()
    ended_by: datetime | None = _time()
    source: str
    """import, sync or operation."""
    began_actor: str | None
    """The principal whose operation began it; None where it was only observed."""
    ended_actor: str | None


class SyncRow(SQLModel, table=True):
    """One run of the synchronisation of a registry."""

    __tablename__ = "sync"
    __table_args__ = (Index("sync_of_registry", "registry_id", "id"), {"sqlite_autoincrement": True})
    id: int | None = _id()
    registry_id: int = _long()
    state: str
    """queued, running, ok, partial or failed."""
    full: bool
    asked_full: bool
    epoch: int = _long()
    since: str | None = Field(default=None, sa_type=Text)
    page: str | None = Field(default=None, sa_type=Text)
    """Where a run that was cut off goes on."""
    counts: dict[str, int] = Field(sa_type=JSON)
    errors: list[str] = Field(sa_type=JSON)
    queued_at: datetime = _time(nullable=False)
    started_at: datetime | None = _time()
    finished_at: datetime | None = _time()
    position: int | None = _long(default=None, nullable=True)
    """The change position that the run ended with."""


class SyncPageRow(SQLModel, table=True):
    """What one page of a run under way has met: a run that goes on in another worker proves absence by all of them."""

    __tablename__ = "sync_page"
    __table_args__ = (Index("sync_page_of_run", "sync_id"), {"sqlite_autoincrement": True})
    id: int | None = _id()
    sync_id: int = _long()
    met: dict[str, list[int]] = Field(sa_type=JSON)
    """Surrogate ids by kind."""
    listed: list[list[str | None]] = Field(sa_type=JSON)
    """What the page ended: kind and, where only its versions were listed, the model's native id."""


class CandidateRow(SQLModel, table=True):
    """Something a listing lacked and that waits for proof or, held, for a person's confirmation."""

    __tablename__ = "candidate"
    __table_args__ = (UniqueConstraint("registry_id", "kind", "target_id"), {"sqlite_autoincrement": True})
    id: int | None = _id()
    registry_id: int = _long()
    kind: str
    target_id: int = _long()
    since: datetime = _time(nullable=False)
    confirmed: bool


class QuarantineRow(SQLModel, table=True):
    """A record that could not be understood; it leaves when a later run reads it well."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("registry_id", "native"), {"sqlite_autoincrement": True})
    id: int | None = _id()
    registry_id: int = _long()
    native: str
    error: str = Field(sa_type=Text)
    first_seen_at: datetime = _time(nullable=False)
    last_seen_at: datetime = _time(nullable=False)


class JournalRow(SQLModel, table=True):
    """One entry of the journal. `entry` are the exact bytes that are hashed; other columns find it."""

    __tablename__ = "journal"
    __table_args__ = (
        Index("journal_by_registry", "registry_id", "seq"),
        Index("journal_by_action", "action", "seq"),
        Index("journal_by_actor", "actor", "seq"),
        Index("journal_by_ref", "ref", "seq"),
    )
    seq: int = _long(primary_key=True)
    time: datetime = _time(nullable=False)
    action: str
    actor: str
    registry_id: int | None = _long(default=None, nullable=True)
    ref: str | None
    entry: bytes = Field(sa_type=LargeBinary)
    leaf_hash: bytes = Field(sa_type=LargeBinary)


class TileRow(SQLModel, table=True):
    """Interior hashes of the journal's Merkle tree."""

    __tablename__ = "journal_tile"
    level: int = Field(primary_key=True)
    number: int = _long(primary_key=True)
    hashes: bytes = Field(sa_type=LargeBinary)


class ValueRow(SQLModel, table=True):
    """A personal or free-text value that an entry only commits to. Deleting it erases it."""

    __tablename__ = "journal_value"
    __table_args__ = (Index("journal_value_of_subject", "subject"),)
    commitment: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    salt: bytes = Field(sa_type=LargeBinary)
    value: str = Field(sa_type=Text)
    subject: str | None
    """The person the value names, where it names one."""


class HeadRow(SQLModel, table=True):
    """The single row whose lock orders every writer: sizes of journal and feed, and the tree's frontier."""

    __tablename__ = "head"
    id: int = Field(primary_key=True)
    size: int = _long()
    frontier: bytes = Field(sa_type=LargeBinary)
    position: int = _long()
    time: datetime = _time(nullable=False)
    """The newest entry's time; it never goes back."""


class ChangeRow(SQLModel, table=True):
    """One row of the feed that followers read. Positions are dense and in the order of commits."""

    __tablename__ = "change"
    position: int = _long(primary_key=True)
    kind: str
    """model, version, endpoint, registry or edge."""
    target_id: int = _long()
    registry_id: int = _long()
    time: datetime = _time(nullable=False)


def table(row: type[SQLModel]) -> Table:
    """The Core table of a row class."""
    found: Table = SQLModel.metadata.tables[str(row.__tablename__)]
    return found


registry = table(RegistryRow)
model = table(ModelRow)
version = table(VersionRow)
endpoint = table(EndpointRow)
traffic = table(TrafficRow)
span = table(SpanRow)
sync = table(SyncRow)
sync_page = table(SyncPageRow)
candidate = table(CandidateRow)
quarantine = table(QuarantineRow)
journal = table(JournalRow)
tile = table(TileRow)
value = table(ValueRow)
head = table(HeadRow)
change = table(ChangeRow)
RECORDS = {"model": model, "version": version, "endpoint": endpoint}
"""Where records stand, by their kind."""
