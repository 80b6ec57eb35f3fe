"""How many audited operations a gateway carries out: asked for over HTTP, journalled, sent, read back, journalled.

The processor time beside it is that of gateways, workers and database together: it says on a busy machine, too, what an
operation costs.
"""

import http.client
import json
import os
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


@benchmark(sample=30, full=5_000, servers=True)
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
    before = _processor_seconds()
    taken, whole = _run(gateways, tags)
    spent = _processor_seconds() - before
    yield Figure(f"operations, {name}", size / whole, "per second", goal=GOAL, higher_is_better=True)
    if spent:
        yield Figure(f"processor time of an operation, {name}", spent / size * 1e3, "ms")
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


def _processor_seconds() -> float:
    """What every process that this one started has used so far, 0 where the system does not tell."""
    parents, used = dict[int, int](), dict[int, float]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        pid = int(path.parent.name)
        parents[pid], used[pid] = (
            int(fields[1]),
            (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        )
    ours = {pid for pid, parent in parents.items() if parent == os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used[pid] for pid in ours)


def _counted(gateway: Served, state: str) -> int:
    with reading(gateway.engine) as connection:
        query = select(func.count()).select_from(operation).where(operation.c.state == state)
        return int(connection.execute(query).scalar_one())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
