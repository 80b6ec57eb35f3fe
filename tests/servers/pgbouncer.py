"""A real PgBouncer, from Debian's package, in front of a PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from gateway.demo.servers import Server, reserved_port, server
from tests.servers.postgres import Postgres

PACKAGE = "pgbouncer is not installed: apt-get install pgbouncer"


def program() -> str | None:
    """Where it is installed; None where it is not."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(postgres: Postgres, *, connections: int, ignored: str = "") -> Iterator[Server]:
    """It pools transactions over so many connections. `ignored`: startup parameters that it takes and forgets."""
    found = program()
    assert found is not None, PACKAGE
    user = postgres.place.user
    with reserved_port() as port, tempfile.TemporaryDirectory(prefix="waypost-pgbouncer-") as name:
        folder = Path(name)  # not below a test's own, which only its user may enter
        (folder / "users").write_text('"waypost" ""\n"plain" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder / 'users'}\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
            f"ignore_startup_parameters = {ignored}\n"
        )
        for each in (folder, folder / "users", folder / "pgbouncer.ini"):
            each.chmod(0o755)

        def ready() -> bool:
            try:
                psycopg.connect(f"postgresql://waypost@127.0.0.1:{port}/postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        command = [found, "-q", str(folder / "pgbouncer.ini")]
        with server(
            "PgBouncer", command, port=port, log=folder / "pgbouncer.log", ready=ready, user=user
        ) as running:
            yield running
