"""The tables `[database]` and `[redis]` of the configuration: what all gateways share."""

from typing import TYPE_CHECKING

from pydantic import Field

from gateway.sections import Section

if TYPE_CHECKING:
    from federation.database import Limits


class DatabaseSettings(Section):
    """Where the catalogue and the journal are kept."""

    url: str = Field(
        default="sqlite:///waypost.db",
        description="sqlite:///FILE, or postgresql+psycopg://…, or a reference env:NAME; of several servers, as in "
        "//USER@HOST:PORT,HOST:PORT/NAME, the one that takes writes is used",
    )
    standby: str = Field(
        default="",
        description="address of a server that follows the one in url, or of several, or a reference env:NAME: what "
        "requests read of the catalogue is read there while it has all that they have seen; empty: not used",
    )
    named_schema: str = Field(
        default="",
        alias="schema",
        pattern="^([A-Za-z_][A-Za-z0-9_]{0,62})?$",
        description="schema of PostgreSQL that holds the tables, which this role may create in; empty: the role's own",
    )
    connections: int = Field(
        default=16,
        ge=4,
        le=500,
        description="connections to PostgreSQL of one process at most; a gateway has server.workers + 1 processes, and "
        "one more while it hands out files",
    )
    lock_timeout: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="seconds that PostgreSQL lets a statement wait for another writer",
    )
    statement_timeout: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="seconds after which PostgreSQL ends a statement; in processes that answer requests 4 at most, and "
        "15 minutes where everything is read",
    )

    def limits(self) -> "Limits":
        """What one process takes of PostgreSQL, for the federation."""
        from federation.database import Limits  # the database comes along

        return Limits(self.connections, self.named_schema, self.lock_timeout)


class RedisSettings(Section):
    """Wakes followers across machines and shares rate limits; losing it costs speed only."""

    url: str = Field(default="", description="redis://…, or env:NAME; empty: not used")
