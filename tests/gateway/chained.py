"""A gateway in this process over the chain encoder:3 → ranker:5 → search-blend:7."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.app import create_app
from gateway.cli.here import Here
from gateway.cli.invocation import Invocation
from gateway.cli.local import opened
from gateway.door.front import Front
from gateway.waypost import Waypost
from tests.federation.graph.chain import TEAMS, Chain, build
from tests.federation.graph.estate import Estate

REGISTRY = '[[registries]]\nname = "{}"\nkind = "memory"\nteam = "{}"\nsync_every = 0\n'


class Chained(Here):
    """The gateway as commands ask it; `send` asks its application, with the options of httpx's `request`."""

    def __init__(self, waypost: Waypost, front: Front, send: Callable[..., httpx.Response]) -> None:
        super().__init__(waypost)
        self.front = front
        self.send = send


def configured(folder: Path) -> tuple[Path, Chain]:
    """The configuration file of a gateway in `folder`, and what its database holds."""
    chain = build(Estate(folder, files="waypost-index/graph"))
    file = folder / "waypost.toml"
    registries = "".join(REGISTRY.format(name, team) for name, team in TEAMS.items())
    file.write_text('[server]\npublic_url = "http://localhost"\n' + registries)
    return file, chain


@contextmanager
def chained(folder: Path) -> Iterator[Chained]:
    """The gateway, ready to be asked."""
    file, _ = configured(folder)
    with opened(Invocation(config=file)) as waypost, asyncio.Runner() as runner:
        front = create_app(waypost)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=front),  # type: ignore[arg-type]
            base_url="http://localhost",
        )
        yield Chained(waypost, front, lambda *asked, **options: runner.run(client.request(*asked, **options)))
