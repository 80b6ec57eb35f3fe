"""How many audited operations a gateway carries out: asked for over HTTP, journalled, sent, read back, journalled."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import func, select

from federation.database import reading
from federation.operations.tables import operation
from tests.benchmarks import Figure, benchmark, spread
from tests.gateway.served import Served, migrated, served
from tests.servers.postgres import installed, postgres_server

CLIENTS = 32
MODELS = 400
GOAL = 250
TAKEN, BUSY = 202, 503
CONFIG = """
[[registries]]
name = "memory"
kind = "memory"
team = "bench"
sync_every = 0
writable = true
[log]
level = "warning"
"""


@benchmark(sample=30, full=5_000)
def operations_per_second(size: int, folder: Path) -> Iterator[Figure]:
    """`size` operations from 32 clients against the memory adapter, until the last has its outcome."""
    with served(_made(folder / "sqlite"), config=CONFIG) as gateway:
        yield from _figures("SQLite", [gateway], size)
    if size < MODELS or not installed():
        return  # three gateways take half a minute to start beside a test suite
    with postgres_server(durable=True) as server, ExitStack() as running:
        url = server.url(server.create())
        migrated(url).dispose()
        folders = [_made(folder / f"gateway-{number}") for number in range(3)]
        gateways = [running.enter_context(served(one, config=CONFIG, database=url)) for one in folders]
        yield from _figures("PostgreSQL, three gateways", gateways, size)


def _figures(name: str, gateways: Sequence[Served], size: int) -> Iterator[Figure]:
    models = min(size, MODELS)
    made = [
        ("POST", "/registries/memory/versions", {"model": f"m{n}", "source": "s3://b/1"})
        for n in range(models)
    ]
    _run(gateways, made)
    tags = [("PATCH", f"/versions/memory/m{n % models}:1/tags", {"tags": {"n": str(n)}}) for n in range(size)]
    taken, whole = _run(gateways, tags)
    yield Figure(f"operations, {name}", size / whole, "per second", goal=GOAL, higher_is_better=True)
    yield Figure(f"intent committed, {name}, p99", spread(taken).p99 * 1e3, "ms")


def _run(
    gateways: Sequence[Served], requests: Sequence[tuple[str, str, object]]
) -> tuple[list[float], float]:
    """Seconds that each request took, and seconds until everything had its outcome, all of it ok."""
    before = _counted(gateways[0], "ok")
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = [(gateways[n % len(gateways)].url, requests[n::CLIENTS]) for n in range(CLIENTS)]
        taken = [one for part in pool.map(lambda part: _send(*part), parts) for one in part]
    while _counted(gateways[0], "ok") - before < len(requests):
        if failed := _counted(gateways[0], "failed"):
            raise RuntimeError(f"{failed} operations failed")
        time.sleep(0.02)
    return taken, time.perf_counter() - began


def _send(url: str, requests: Sequence[tuple[str, str, object]]) -> list[float]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    taken = []
    for method, path, body in requests:
        began = time.perf_counter()
        status, text = BUSY, b""
        while status == BUSY:  # the gateway said that nothing was written, and to try again
            connection.request(
                method, f"/api/v1{path}", json.dumps(body), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            text, status = answer.read(), answer.status
        if status != TAKEN:
            raise RuntimeError(f"{status}: {text.decode()[:300]}")
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


def _counted(gateway: Served, state: str) -> int:
    with reading(gateway.engine) as connection:
        query = select(func.count()).select_from(operation).where(operation.c.state == state)
        return int(connection.execute(query).scalar_one())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
