"""Gateways that another one reads: each a real one on a socket of its own, synchronised when told, and a door before it
at which answers are counted, fail and are forged.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import select

from adapters import discover
from adapters.emulators.services import EmulatedService, ServiceAnswer, ServiceRequest
from federation import tables
from federation.access import LOCAL
from federation.database import reading, writing
from federation.followers import Followers
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync import schedule
from federation.sync.context import SyncContext
from federation.sync.run import run
from gateway.app import create_app
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.patience import until
from tests.servers import blank

REGISTRY = """
[[registries]]
name = "{}"
kind = "{}"
team = "{}"
sync_every = {}
config = {{ {} }}
"""


def registry(name: str, kind: str, team: str = "risk", sync_every: int = 0, **config: str) -> str:
    """A registry as the configuration file has it."""
    return REGISTRY.format(
        name, kind, team, sync_every, ", ".join(f'{key} = "{value}"' for key, value in config.items())
    )


@dataclass(eq=False)
class SocketGateway:
    """A running gateway."""

    waypost: Waypost
    context: SyncContext
    url: str

    def sync(self, name: str, *, full: bool = False) -> str | None:
        """One run of a registry, and what its followers make of it; its state."""
        with writing(self.waypost.engine) as connection:
            known = tables.registry.c
            row = connection.execute(select(known.id).where(known.name == name)).scalar_one()
            sync_id = schedule.request(connection, row, full=full)
        return run(self.context, sync_id)

    def follow(self) -> None:
        """Let index and graph take in what the catalogue has."""
        Followers(dict(self.waypost.followers())).catch_up()
        self.waypost.search.reload()

    def token(self, name: str, *roles: tuple[str, str]) -> str:
        """A new token with these roles."""
        with writing(self.waypost.engine) as connection:
            return tokens.create(connection, TokenSpec(name, None, timedelta(days=1), roles), LOCAL)[1]

    def ask(self, path: str, token: str | None = None, **params: Any) -> Any:
        """What the API answers to a GET."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.get(
            f"{self.url}/api/v1{path}", params=params, headers=headers, timeout=60, trust_env=False
        )
        answer.raise_for_status()
        return answer.json()

    def errors(self, name: str) -> list[str]:
        """What the last run of a registry said."""
        runs, known = tables.sync.c, tables.registry.c
        query = select(runs.errors).join(tables.registry, known.id == runs.registry_id)
        with reading(self.waypost.engine) as connection:
            return list(
                connection.execute(query.where(known.name == name).order_by(runs.id.desc())).scalars().first()
                or []
            )


@contextmanager
def gateway(folder: Path, *registries: str, auth: str = "local") -> Iterator[SocketGateway]:
    """A gateway over these registries, until the block ends."""
    folder.mkdir(exist_ok=True)
    file = folder / "waypost.toml"
    file.write_text(f'[server]\nrate_limit = 0\n[auth]\nmode = "{auth}"\n' + "".join(registries))
    if not (folder / "waypost.db").exists():
        blank.sqlite(folder / "waypost.db", log=folder.name)
    waypost = Waypost(load_settings(file))
    context: SyncContext | None = None
    try:
        waypost.prepare()
        connections = Connections(discover())
        context = SyncContext(waypost.engine, connections, Leases("tests"))
        context.sleep = lambda seconds: None
        server = uvicorn.Server(
            uvicorn.Config(create_app(waypost), port=0, log_level="critical", ws="none", lifespan="off")
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield SocketGateway(waypost, context, f"http://127.0.0.1:{port}")
        server.should_exit = True
        thread.join()
    finally:
        if context is not None:
            context.connections.close()
        waypost.close()


Forge = Callable[[ServiceRequest, Any], Any]


@dataclass
class Door(EmulatedService):
    """Stands before a gateway: passes each request on, unless it is to fail; `forge` changes what is answered."""

    behind: str = ""
    forge: Forge | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        headers = {
            name: value for name, value in asked.headers.items() if name in ("authorization", "accept")
        }
        said = self.client.request(
            asked.method, self.behind + asked.path, params=_params(asked.query), headers=headers
        )
        if asked.path.endswith("/records"):
            self.listed()
        kind = {"Content-Type": said.headers["content-type"]}
        if self.forge is None or not said.is_success:
            return ServiceAnswer(said.content, said.status_code, kind)
        forged = self.forge(asked, said.json())
        return ServiceAnswer(forged, said.status_code, {} if isinstance(forged, bytes) else kind)


def _params(query: Mapping[str, list[str]]) -> list[tuple[str, str | int | float | bool | None]]:
    return [(name, value) for name, values in query.items() for value in values]
