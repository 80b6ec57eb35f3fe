"""What it costs to find out who asks and what they may see."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from federation.access import LOCAL
from federation.database import writing
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.search_http import NEW_QUERY, SMALL, prepare, rate
from tests.gateway.served import Served, served

ROUNDS = 3
ALLOWED = 0.15
"""The part of the throughput of searches that authentication and an unrestricted view may cost."""
TOKENS = '[auth]\nmode = "token"\ndefault_role = "viewer"\n'


@benchmark(sample=2_000, full=1_000_000, servers=True)
def search_auth_cost(size: int, folder: Path) -> Iterator[Figure]:
    """32 clients search with a token that sees everything, and without in mode `local`; the same data, in turns."""
    lasting = 5.0 if size > SMALL else 0.3
    plain, guarded = folder / "local", folder / "token"
    plain.mkdir()
    registries = prepare(plain, size)
    shutil.copytree(plain, guarded)
    with ExitStack() as running:
        local = running.enter_context(served(plain, config=registries, workers=2))
        token = running.enter_context(served(guarded, config=TOKENS + registries, workers=2))
        secret = _secret(token)
        rates = [
            (rate(local.url, NEW_QUERY, lasting), rate(token.url, NEW_QUERY, lasting, token=secret))
            for _ in range(ROUNDS)
        ]
    without, with_token = (sum(side) / ROUNDS for side in zip(*rates, strict=True))
    yield Figure(
        "searches with a token", with_token, "req/s", (1 - ALLOWED) * without,
        ("mode local", without), higher_is_better=True,
    )  # fmt: skip


def _secret(gateway: Served) -> str:
    """A new token without roles of its own: everybody who is signed in may read everything."""
    spec = TokenSpec("reader", None, timedelta(days=1), ())
    with writing(gateway.engine) as connection:
        return tokens.create(connection, spec, LOCAL)[1]
