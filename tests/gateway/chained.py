"""A gateway in this process over the chain encoder:3 → ranker:5 → search-blend:7."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.client import Gateway, embedded
from gateway.cli.invocation import Invocation
from tests.federation.graph.chain import TEAMS, Chain, build
from tests.federation.graph.estate import Estate

REGISTRY = '[[registries]]\nname = "{}"\nkind = "memory"\nteam = "{}"\nsync_every = 0\n'


def configured(folder: Path) -> tuple[Path, Chain]:
    """The configuration file of a gateway in `folder`, and what its database holds."""
    chain = build(Estate(folder, files="waypost-index/graph"))
    file = folder / "waypost.toml"
    file.write_text("".join(REGISTRY.format(name, team) for name, team in TEAMS.items()))
    return file, chain


@contextmanager
def chained(folder: Path) -> Iterator[Gateway]:
    """The gateway, ready to be asked through its own application."""
    file, _ = configured(folder)
    with embedded(Invocation(config=file)) as gateway:
        yield gateway
