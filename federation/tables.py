"""Every table of the spine. Rows are read and written with SQLAlchemy Core in bulk.

`body` is the record as canonical JSON, its native payload included, and `digest` the SHA-256 of it. Surrogate ids are
never reused.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from federation.database import UTCTime

METADATA = MetaData()
"""The tables of every room that is imported; `federation.schema` imports them all."""


def surrogate_id() -> Column[int]:
    """A surrogate id: 64 bits; SQLite wants its own word for a row id."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def record_life() -> tuple[Column[Any] | UniqueConstraint, ...]:
    """What the table of each kind of record has of its life on the backend and here."""
    return (
        Column("created_at", UTCTime),
        Column("updated_at", UTCTime),
        Column("first_seen_at", UTCTime, nullable=False),
        Column("deleted_at", UTCTime),
        # Why something of the record could not be read.
        Column("unread", Text),
        Column("unread_since", UTCTime),
        # The adapter's when it gave the record (`Adapter.reading`).
        Column("reading", Integer, server_default="0", nullable=False),
        UniqueConstraint("registry_id", "native_id"),
    )


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of some rows alone. Each database has its own word for that, which `federation.schema` says: here it
    would import what speaks to both of them.
    """
    return Index(name, *columns, info={"where": where})


def unread_index(table: str) -> Index:
    """Finds the few records of which something could not be read."""
    return partial_index(f"{table}_unread", "registry_id", where="unread IS NOT NULL")


registry = Table(
    "registry",
    METADATA,
    surrogate_id(),
    Column("name", String, unique=True, nullable=False),
    Column("kind", String, nullable=False),
    Column("team", String, nullable=False),
    # As in the file: secrets are references.
    Column("config", JSON, nullable=False),
    Column("sync_every", Float, nullable=False),
    Column("full_every", Float, nullable=False),
    Column("writable", Boolean, nullable=False),
    Column("stages", JSON, nullable=False),
    Column("former_names", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("detached_at", UTCTime),
    # Which backend it is, by `probe`; None until one has said so.
    Column("identity", String),
    # What else of it that backend is known by, should that be gone; lists of text.
    Column("anchors", JSON, server_default="[]", nullable=False),
    # The registries behind it, where it is a gateway: name and identities of each, and whether it is read.
    Column("reaches", JSON, server_default="[]", nullable=False),
    # Which one answers instead: nothing is read from it until somebody confirms that it is the same.
    Column("offered_identity", Text),
    Column("backend_version", String),
    # What `probe` said is not allowed.
    Column("missing", JSON, nullable=False),
    # The capabilities that are missing with it.
    Column("unavailable", JSON, nullable=False),
    Column("watermark", Text),
    Column("last_success_at", UTCTime),
    Column("last_full_at", UTCTime),
    Column("full_seconds", Float),
    Column("last_attempt_at", UTCTime),
    Column("last_error", Text),
    # Runs that failed since the last success.
    Column("failures", Integer, nullable=False),
    Column("partial", Boolean, nullable=False),
    # Deletes waiting for confirmation.
    Column("held", Integer, nullable=False),
    # Records of which something could not be read.
    Column("unread", Integer, server_default="0", nullable=False),
    Column("models", Integer, nullable=False),
    Column("versions", Integer, nullable=False),
    Column("endpoints", Integer, nullable=False),
    # A sync was asked for and has not begun.
    Column("requested_at", UTCTime),
    sqlite_autoincrement=True,
)
"""One configured backend: what the file says of it, and how its synchronisation stands."""

lease = Table(
    "lease",
    METADATA,
    Column("name", String, primary_key=True),
    # 0 where it is of the whole gateway.
    Column("registry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", String),
    # Fencing: what is written by a holder of an older epoch is refused.
    Column("epoch", BigInteger, nullable=False),
    Column("until", UTCTime),
)
"""What one worker at a time does."""

follower = Table(
    "follower",
    METADATA,
    Column("name", String, primary_key=True),
    # What it has taken in last: a change's position, or how many entries of the journal.
    Column("position", BigInteger, nullable=False),
)
"""How far the followers that all workers share have come."""

model = Table(
    "model",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("native_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    *record_life(),
    Index("model_by_name", "registry_id", "name"),
    unread_index("model"),
    sqlite_autoincrement=True,
)
"""One incarnation of a model."""

version = Table(
    "version",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("model_id", BigInteger, nullable=False),
    Column("native_id", String, nullable=False),
    Column("version", String, nullable=False),
    # Normalised: none, staging, production or archived.
    Column("stage", String, nullable=False),
    # The rule that decided, such as `alias:champion`; empty where none did.
    Column("stage_reason", String, nullable=False),
    # A live endpoint sends it traffic.
    Column("deployed", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # What the version's files say as JSON, where the adapter reads that apart from the listing.
    Column("details", Text),
    Column("details_read", Boolean, nullable=False),
    # Why they could not be read the last time.
    Column("details_unknown", Text),
    # How often that failed.
    Column("details_tries", Integer, server_default="0", nullable=False),
    # When they are asked for next; None: as soon as may be.
    Column("details_due", UTCTime),
    # How often a worker began to read them and did not end.
    Column("details_begun", Integer, server_default="0", nullable=False),
    *record_life(),
    Index("version_of_model", "model_id", "version"),
    unread_index("version"),
    sqlite_autoincrement=True,
)
"""One incarnation of a version."""

endpoint = Table(
    "endpoint",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("native_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    *record_life(),
    unread_index("endpoint"),
    sqlite_autoincrement=True,
)
"""One incarnation of something that serves."""

traffic = Table(
    "traffic",
    METADATA,
    Column("endpoint_id", BigInteger, primary_key=True),
    Column("version_id", BigInteger, primary_key=True, index=True),
    Column("percent", Float, nullable=False),
)
"""The share of an endpoint's traffic that one version gets."""

span = Table(
    "span",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("model_id", BigInteger, index=True, nullable=False),
    Column("version_id", BigInteger, nullable=False),
    # stage or alias.
    Column("kind", String, nullable=False),
    Column("value", String, nullable=False),
    Column("began_after", UTCTime),
    Column("began_by", UTCTime, nullable=False),
    Column("ended_after", UTCTime),
    Column("ended_by", UTCTime),
    # import, sync or operation.
    Column("source", String, nullable=False),
    # The principal whose operation began it; None where it was only observed.
    Column("began_actor", String),
    Column("ended_actor", String),
    Index("span_of_version", "version_id"),
    Index("span_of_stage", "registry_id", "kind", "value"),
    sqlite_autoincrement=True,
)
"""A stretch of time in which a version held a stage or an alias.

A sync sees an interval, not a moment: it began after `began_after` and not later than `began_by`, and
ended likewise.
"""

sync = Table(
    "sync",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    # queued, running, ok, partial or failed.
    Column("state", String, nullable=False),
    Column("full", Boolean, nullable=False),
    Column("asked_full", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("since", Text),
    # The mark behind which a run that was cut off goes on; none: it begins its scan again.
    Column("page", Text),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("queued_at", UTCTime, nullable=False),
    Column("started_at", UTCTime),
    Column("finished_at", UTCTime),
    # The change position that the run ended with.
    Column("position", BigInteger),
    Index("sync_of_registry", "registry_id", "id"),
    sqlite_autoincrement=True,
)
"""One run of the synchronisation of a registry."""

sync_page = Table(
    "sync_page",
    METADATA,
    surrogate_id(),
    Column("sync_id", BigInteger, nullable=False),
    # Surrogate ids by kind.
    Column("met", JSON, nullable=False),
    # What the page ended: kind and, where only its versions were listed, the model's native id.
    Column("listed", JSON, nullable=False),
    Index("sync_page_of_run", "sync_id"),
    sqlite_autoincrement=True,
)
"""What one page of a run under way has met: a run that goes on in another worker proves absence by all of them."""

candidate = Table(
    "candidate",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    Column("since", UTCTime, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    UniqueConstraint("registry_id", "kind", "target_id"),
    sqlite_autoincrement=True,
)
"""Something a listing lacked and that waits for proof or, held, for a person's confirmation."""

quarantine = Table(
    "quarantine",
    METADATA,
    surrogate_id(),
    Column("registry_id", BigInteger, nullable=False),
    Column("native", String, nullable=False),
    Column("error", Text, nullable=False),
    Column("first_seen_at", UTCTime, nullable=False),
    Column("last_seen_at", UTCTime, nullable=False),
    UniqueConstraint("registry_id", "native"),
    sqlite_autoincrement=True,
)
"""A record that could not be understood; it leaves when a later run reads it well."""

journal = Table(
    "journal",
    METADATA,
    Column("seq", BigInteger, primary_key=True),
    Column("time", UTCTime, nullable=False),
    Column("action", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("registry_id", BigInteger),
    Column("ref", String),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Index("journal_by_registry", "registry_id", "seq"),
    Index("journal_by_action", "action", "seq"),
    Index("journal_by_actor", "actor", "seq"),
    Index("journal_by_ref", "ref", "seq", info={"beginnings": "ref"}),
)
"""One entry of the journal. `entry` are the exact bytes that are hashed; other columns find it."""

tile = Table(
    "journal_tile",
    METADATA,
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)
"""Interior hashes of the journal's Merkle tree."""

value = Table(
    "journal_value",
    METADATA,
    Column("commitment", LargeBinary(32), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("value", Text, nullable=False),
    # The person the value names, where it names one.
    Column("subject", String),
    Index("journal_value_of_subject", "subject"),
)
"""A personal or free-text value that an entry only commits to. Deleting it erases it."""

head = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
    # The newest entry's time; it never goes back.
    Column("time", UTCTime, nullable=False),
)
"""The single row whose lock orders every writer: sizes of journal and feed, and the tree's frontier."""

change = Table(
    "change",
    METADATA,
    Column("position", BigInteger, primary_key=True),
    # model, version, endpoint, registry or edge.
    Column("kind", String, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    Column("registry_id", BigInteger, nullable=False),
    Column("time", UTCTime, nullable=False),
)
"""One row of the feed that followers read. Positions are dense and in the order of commits."""

RECORDS = {"model": model, "version": version, "endpoint": endpoint}
"""Where records stand, by their kind."""
