"""What an operator should know of the PostgreSQL that is used: what a failover may lose, and how many connections there
are for everybody."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

from federation.database import reading

_SETTINGS = text(
    "SELECT current_setting('synchronous_commit') AS commit, "
    "current_setting('synchronous_standby_names') AS names, "
    "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
    "- coalesce(current_setting('reserved_connections', true), '0')::int AS room, "
    "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS allowed"
)
_STANDBYS = text(
    "SELECT application_name AS name, coalesce(sync_state, '') AS state, "
    "pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::bigint AS behind FROM pg_stat_replication ORDER BY pid"
)


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows. `behind` in bytes; None, and no name, where this role may not see it."""

    name: str
    is_synchronous: bool
    behind: int | None


@dataclass(frozen=True, slots=True)
class ServerReport:
    """How the server keeps what was acknowledged, and how many connections this role may have."""

    commit: str
    waits_for: str
    standbys: tuple[Standby, ...]
    connections: int

    @property
    def is_durable(self) -> bool:
        """Whether what was acknowledged is on its own disk."""
        return self.commit != "off"

    @property
    def loses_nothing(self) -> bool:
        """Whether what was acknowledged is on a standby too."""
        return bool(self.waits_for) and self.commit in ("on", "remote_apply", "remote_write")


def look(engine: Engine) -> ServerReport | None:
    """How the server stands; None for SQLite. Errors: `DatabaseError`."""
    if engine.dialect.name != "postgresql":
        return None
    with reading(engine) as connection:
        found = connection.execute(_SETTINGS).one()
        rows = connection.execute(_STANDBYS).all()
    standbys = tuple(Standby(row.name or "", row.state in ("sync", "quorum"), row.behind) for row in rows)
    room = found.room if found.allowed in (None, -1) else min(found.room, found.allowed)
    return ServerReport(found.commit, found.names, standbys, room)
