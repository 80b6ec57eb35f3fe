"""A real gateway in processes of its own, over a database that tests can also write."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
from sqlalchemy import Engine

from federation.database import open_engine, writing
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from gateway.demo.servers import Server, reserved_port, server
from tests.patience import listens
from tests.servers import blank

SERVE = """
import sys
from pathlib import Path
from gateway.start import starting
with starting():
    from gateway.logs import configure_logs
    from gateway.processes import serve
    from gateway.settings import load_settings

if __name__ == "__main__":
    path = Path(sys.argv[1])
    settings = load_settings(path)
    configure_logs(settings.log)
    sys.exit(serve(settings, path, lambda address: None, lambda line: None))
"""


IMPORTED = "    from gateway.processes import serve"
IN_FOLDER = "sqlite:///waypost.db"
SHORT = "    import gateway.processes; gateway.processes.HEAD_WITHIN = "


@dataclass(frozen=True)
class Served:
    """A running gateway: its process, its database, and a client."""

    process: Server
    url: str
    engine: Engine
    client: httpx.Client


@contextmanager
def served(
    folder: Path,
    *,
    config: str = "",
    workers: int = 1,
    database: str = IN_FOLDER,
    plugins: Path | None = None,
    head_within: float | None = None,
    drain: float = 0.0,
    environment: Mapping[str, str] = MappingProxyType({}),
    patience: float = 180.0,
) -> Iterator[Served]:
    """Serve the configuration `config` (TOML) from a folder until the block ends.

    `head_within` is `HEAD_WITHIN`, `drain` is `server.drain_seconds`, `environment` has further variables; it may
    take `patience` seconds to be ready.
    """
    folder.mkdir(exist_ok=True)
    program, file = folder / "serve.py", folder / "waypost.toml"
    program.write_text(
        SERVE if head_within is None else SERVE.replace(IMPORTED, f"{IMPORTED}\n{SHORT}{head_within}")
    )
    if database == IN_FOLDER and not (folder / "waypost.db").exists():
        blank.sqlite(folder / "waypost.db")
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        file.write_text(
            ("" if plugins is None else f'plugins = "{plugins}"\n')
            + f"[server]\nport = {port}\nworkers = {workers}\ndrain_seconds = {drain}\nrate_limit = 0\n"
            + f'[database]\nurl = "{database}"\n{config}'
        )
        client = httpx.Client(base_url=f"{url}/api/v1", timeout=60.0, trust_env=False, verify=False)

        def ready() -> bool:
            try:
                return client.get(f"{url}/health/ready", timeout=10.0).is_success
            except httpx.HTTPError:
                return False

        command = [sys.executable, str(program), str(file)]
        variables = {
            **environment,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PATH": "/usr/bin:/bin",
            "TMPDIR": tempfile.gettempdir(),  # where commands of this process look for it
        }
        with (
            client,
            server(
                "gateway",
                command,
                port=port,
                log=folder / "gateway.log",
                ready=ready,
                patience=patience,
                environment=variables,
            ) as it,
        ):
            engine = open_engine(database.replace(IN_FOLDER, f"sqlite:///{folder / 'waypost.db'}"))
            yield Served(it, url, engine, client)
            engine.dispose()
        assert not listens(port), "nothing is left running"


def migrated(url: str, *specs: RegistrySpec) -> Engine:
    """A migrated database with these registries."""
    engine = blank.opened(url)
    with writing(engine) as connection:
        configured.apply(connection, specs)
    return engine
