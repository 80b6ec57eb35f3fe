"""Databases that a former build filled, and what it answered from them.

169aa24 (schema 0001) filled them with its own commands over the servers of its own demo: all registries read;
tokens made, rotated and revoked; a grant; a declared edge; tags, an alias and a stage set; versions registered,
deleted through it and behind its back, and made again; the signing key rotated. `169aa24.db.xz` is its SQLite file,
`169aa24.sql.xz` the dump (`pg_dump --inserts`) of its PostgreSQL database. `169aa24.json.xz` holds, for each, what
some paths of its API answered.
"""

import json
import lzma
from pathlib import Path
from typing import Any

import psycopg

from gateway.demo.clouds import CLOUDS
from gateway.demo.models import REGISTRIES
from gateway.demo.run import configuration
from tests.servers.postgres import Postgres

FOLDER = Path(__file__).parent
BUILD = "169aa24"
NOBODY = 9
"""A port of this machine at which no server answers: the backends are gone, what was known of them is not."""


def answers(database: str) -> dict[str, Any]:
    """What the former build answered from its `sqlite` or `postgresql` database, by path of its API."""
    known: dict[str, dict[str, Any]] = json.loads(_read("json"))
    return known[database]


def restore_sqlite(folder: Path) -> str:
    """Put the SQLite database into a folder; its URL."""
    (folder / "waypost.db").write_bytes(_read("db"))
    return f"sqlite:///{folder / 'waypost.db'}"


def restore_postgresql(server: Postgres) -> str:
    """Fill a new database of a server from the dump; its URL."""
    name = server.create()
    with psycopg.connect(server.address(name)) as connection:
        connection.execute(_read("sql"))
    return server.url(name)


def configured(folder: Path, url: str) -> Path:
    """A configuration file for the former build's registries and this database."""
    urls = {one.name: f"http://127.0.0.1:{NOBODY}" for one in REGISTRIES}
    text = configuration(8080, urls, {one.name: NOBODY for one in CLOUDS})
    file = folder / "waypost.toml"
    file.write_text(text.replace("sqlite:///waypost.db", url))
    return file


def _read(suffix: str) -> bytes:
    return lzma.decompress((FOLDER / f"{BUILD}.{suffix}.xz").read_bytes())
