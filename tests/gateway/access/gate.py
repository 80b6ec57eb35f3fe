"""A gateway's application in this process, asked over ASGI, with tokens for whoever is to ask."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from federation.access import LOCAL
from federation.database import writing
from federation.followers import Followers
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from gateway.app import create_app
from gateway.door.front import Front
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.servers import blank

REGISTRIES = """
[[registries]]
name = "{name}"
kind = "memory"
team = "{team}"
sync_every = 0
"""


@dataclass(eq=False)
class Gate:
    """The application, the gateway behind it, and a way to ask."""

    waypost: Waypost
    app: Front
    runner: asyncio.Runner
    client: httpx.AsyncClient

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """One request."""
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        return self.runner.run(self.client.request(method, path, headers=sent, **more))

    def token(self, name: str, *roles: tuple[str, str], scopes: Sequence[str] | None = None) -> str:
        """A new token with these roles."""
        with writing(self.waypost.engine) as connection:
            return tokens.create(connection, TokenSpec(name, scopes, timedelta(days=1), roles), LOCAL)[1]

    def follow(self) -> None:
        """Let index and graph take in what the catalogue has, and events be derived."""
        events = {"events": self.waypost.events.recorder()}
        Followers({**self.waypost.followers(), **events}).catch_up()
        self.waypost.search.reload()


@contextmanager
def gate(
    folder: Path, *, config: str = '[auth]\nmode = "token"\n', teams: Sequence[tuple[str, str]] = ()
) -> Iterator[Gate]:
    """A gateway over registries (name and team) in memory, until the block ends."""
    file = folder / "waypost.toml"
    file.write_text(config + "".join(REGISTRIES.format(name=name, team=team) for name, team in teams))
    if not (folder / "waypost.db").exists():
        blank.sqlite(folder / "waypost.db")
    waypost = Waypost(load_settings(file))
    waypost.prepare()
    app = create_app(waypost)
    with asyncio.Runner() as runner:
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 1))  # type: ignore[arg-type]
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        found = Gate(waypost, app, runner, client)
        found.follow()
        try:
            yield found
        finally:
            runner.run(client.aclose())
            runner.run(app.close())
            waypost.close()
