"""Databases that are migrated already: migrating takes longer than many a test, so it is done once and copied."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, make_url

from federation import schema
from federation.database import open_engine
from tests.servers.postgres import Postgres


def migrate(url: str) -> None:
    """Bring an empty database to today's schema."""
    engine = open_engine(url)
    schema.migrate(engine)
    engine.dispose()


@cache
def _content(log: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()  # all of it: the last connection has emptied the write-ahead log


def sqlite(path: Path, log: str = "") -> str:
    """A new file with today's schema and nothing in it; its URL. Those of one `log` are copies of one gateway."""
    path.write_bytes(_content(log))
    return f"sqlite:///{path}"


def postgresql(server: Postgres) -> str:
    """The name of a new database with today's schema and nothing in it."""
    return server.create(server.template("blank", migrate))


def opened(url: str) -> Engine:
    """A database with today's schema: a copy where there is no file yet, else the one there is, migrated."""
    file = make_url(url).database
    if url.startswith("sqlite:") and file and not Path(file).exists():
        sqlite(Path(file))
    engine = open_engine(url)
    schema.migrate(engine)
    return engine
