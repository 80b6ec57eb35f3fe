"""The schema of the database: which one it has, which one this Waypost needs, and bringing the first to the second.

Alembic costs a third of a second to import, so it is only imported where something is to be migrated.
"""

import secrets
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, MetaData, inspect, text

from federation.database import LONG, DatabaseError, DeadlockError, UTCTime, reading, writing
from federation.tables import METADATA

LATEST = "0025"
"""The newest migration. A test holds it against the migrations and the migrations against the tables."""
ATTEMPTS = 10
"""So often it is tried to migrate while others write."""
FOLDER = Path(__file__).parent / "migrations"
ROOMS = (
    "events",
    "graph",
    "hooks",
    "identity",
    "journal",
    "operations",
    "policies",
    "promotions",
    "searches",
    "statements",
)
"""The rooms that have tables of their own."""


def metadata() -> MetaData:
    """The tables of every room."""
    for room in ROOMS:
        import_module(f"federation.{room}.tables")
    for index in (index for table in METADATA.tables.values() for index in table.indexes):
        if (where := index.info.get("where")) is not None:
            index.dialect_kwargs["sqlite_where"] = index.dialect_kwargs["postgresql_where"] = text(where)
        if (
            column := index.info.get("beginnings")
        ) is not None:  # by which rows are found, whatever the collation
            index.dialect_kwargs["postgresql_ops"] = {column: "text_pattern_ops"}
    return METADATA


def current(connection: Connection) -> str | None:
    """The schema the database has; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def found(engine: Engine) -> str | None:
    """The schema that the database has; None for an empty one. Errors: `DatabaseError`."""
    with reading(engine) as connection:
        return current(connection)


def require(engine: Engine) -> None:
    """See that the database has the schema this Waypost needs; bring an SQLite one to it. Errors: `DatabaseError`."""
    known = found(engine)
    if known == LATEST:
        return
    if engine.dialect.name == "sqlite":
        migrate(engine)
        return
    raise DatabaseError(
        f"the database has schema {known or 'none'}, this Waypost needs {LATEST}: run `waypost migrate` and start again"
    )


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the database to the newest schema, in one transaction. Returns what it had and what it has. Errors:
    `DatabaseError`.

    A gateway of the release before, which works on meanwhile, takes its locks in an order of its own: where the
    database ends this transaction for that, nothing has changed, and it begins again.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(DeadlockError):
            return _migrate(engine)
    return _migrate(engine)


def _migrate(engine: Engine) -> tuple[str | None, str]:
    with writing(engine, bound=LONG) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(8772001)"))
            _require_place(connection)
        before = current(connection)
        if before == LATEST:
            return before, LATEST
        from federation.journal import log
        from federation.journal.entry import FORMAT, Action, Entry

        _require_ours(connection, before)
        if before is not None and before > LATEST:
            raise DatabaseError(
                f"the database has schema {before}, newer than {LATEST}: install a newer Waypost"
            )
        upgrade(connection, "head")
        batch = log.Batch()
        if before is None:
            log.start(connection)
            origin = f"waypost-{secrets.token_hex(8)}"
            batch.record(Entry(action=Action.JOURNAL_STARTED, details={"origin": origin, "format": FORMAT}))
        else:
            batch.record(
                Entry(action=Action.SCHEMA_MIGRATED, before={"schema": before}, after={"schema": LATEST})
            )
        batch.append(connection)
        return before, LATEST


def _require_ours(connection: Connection, before: str | None) -> None:
    """See that the database is not somebody else's: another program's own schema, or its tables. Errors:
    `DatabaseError`.
    """
    tables = (
        inspect(connection).get_table_names() if connection.dialect.name == "sqlite" and not before else []
    )
    if tables or (before is not None and not before.isdigit()):
        what = f"its schema is {before}" if before else f"its tables are {', '.join(sorted(tables)[:3])}"
        raise DatabaseError(
            f"the database is another program's: {what}; name one of Waypost's own in database.url"
        )


def _require_place(connection: Connection) -> None:
    """See that tables can be made where they are to be. Errors: `DatabaseError`."""
    may = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
    if not connection.execute(may).scalar_one():
        raise DatabaseError(
            "this role may not make tables there: CREATE SCHEMA NAME AUTHORIZATION ROLE, and name it in "
            "database.schema"
        )


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to a revision, in the transaction at hand."""
    from alembic import command  # deferred: a third of a second

    command.upgrade(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for our migrations on a connection."""
    from alembic.config import Config  # deferred, see above

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def compare_type(
    context: Any, inspected: Any, metadata: Any, inspected_type: Any, metadata_type: Any
) -> bool | None:
    """Whether a column's type differs; a `UTCTime` is stored as a whole number."""
    return not isinstance(inspected_type, BigInteger) if isinstance(metadata_type, UTCTime) else None


def render_item(kind: str, item: Any, context: Any) -> Any:
    """Migrations name the types of the database, never ours, so that old ones keep working."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, UTCTime) else False
