"""Search over HTTP: many clients at a million versions, and one client beside MLflow's own search."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

import httpx

from federation import changes
from federation.database import reading
from federation.search.tantivy.follower import IndexFollower
from gateway.demo.servers import mlflow_server, reserved_port, server
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, Spread, benchmark, seconds
from tests.benchmarks.estate import COMMON, REGISTRIES, Federation, registry_name, team_name
from tests.gateway.served import Served, served
from tests.servers import mlflow as mlflow_database

CLIENTS = 32
MLFLOW = "/api/2.0/mlflow/"
BY_NAME, BY_TAG = quote(f"name LIKE '%{COMMON}%'"), quote("tags.task = 'ranking'")
QUESTIONS = {
    "models by a part of the name": (
        f"registered-models/search?filter={BY_NAME}",
        COMMON,
    ),
    "versions by a part of the name": (
        f"model-versions/search?filter={BY_NAME}",
        f"{COMMON}&group=version",
    ),
    "versions by a tag": (
        f"model-versions/search?filter={BY_TAG}",
        "tag.task:ranking&group=version",
    ),
}
"""How MLflow is asked, and how we are."""
QUERY = f"/api/v1/search?facets=registry,team,stage&q={COMMON}"
BLANKS = "BLANKS"
"""Before a query, it makes one that nobody has asked before, so that no answer is a remembered one: each request has
other blanks in its place. The bare engine remembers nothing."""
NEW_QUERY = f"/api/v1/search?facets=registry,team,stage&q={BLANKS}{COMMON}"
SMALL = 10_000
BARE = [
    "--interface",
    "asgi",
    "--factory",
    "tests.benchmarks.bare:create",
    "--workers",
    "2",
    "--host",
    "127.0.0.1",
]


@benchmark(sample=2_000, full=1_000_000, servers=True)
def search_http(size: int, folder: Path) -> Iterator[Figure]:
    """32 clients search a gateway of two API processes, and the bare engine behind the same server, in turn: a machine
    that is shared is not as fast in every minute."""
    lasting, rounds = (3.0, 4) if size > SMALL else (0.3, 1)
    with gateway(folder, size, workers=2) as running:
        with bare(folder, folder / "waypost-index" / "search") as url:
            both = [
                (
                    rate(running.url, NEW_QUERY, lasting),
                    rate(url, f"/search?q={COMMON}", lasting),
                )
                for _ in range(rounds)
            ]
            ours, theirs = map(fmean, zip(*both, strict=True))
        again = rate(running.url, QUERY, lasting)
        held = memory(running.process.process.pid)
    yield Figure(
        f"{CLIENTS} clients, two API processes, every search a new one", ours, "req/s", goal=0.85 * theirs,
        comparison=("the bare engine behind the same server", theirs), higher_is_better=True,
    )  # fmt: skip
    yield Figure(f"{CLIENTS} clients, the same search again", again, "req/s", higher_is_better=True)
    yield Figure("memory of all processes", held / 1e6, "MB", goal=1_000)


@benchmark(sample=200, full=20_000, servers=True)
def search_beside_mlflow(size: int, folder: Path) -> Iterator[Figure]:
    """One client asks here and in MLflow for some of `size` models with ten versions each."""
    times = 200 if size > SMALL else 3
    federation = Federation(size * 10)
    with mlflow_server(folder / "mlflow") as running:
        fill_mlflow(mlflow_database.database(running), federation)
        theirs = {
            question: one_client(running.url, f"{MLFLOW}{path}&max_results=20", max(times // 10, 3))
            for question, (path, _) in QUESTIONS.items()
        }
    with gateway(folder, size * 10, workers=1) as ours:
        for question, (_, query) in QUESTIONS.items():
            beside = ("MLflow's own search", theirs[question].p50 * 1e3)
            for how, before in (("every search a new one", BLANKS), ("the same search again", "")):
                taken = one_client(ours.url, f"/api/v1/search?q={before}{query}", times).p50 * 1e3
                label = f"one client, {question}, {how}, p50"
                yield Figure(label, taken, "ms", goal=beside[1] / 100, comparison=beside)


@contextmanager
def gateway(folder: Path, size: int, workers: int) -> Iterator[Served]:
    """A gateway whose index holds a made-up federation of `size` versions."""
    with served(folder, config=prepare(folder, size), workers=workers) as running:
        total = running.client.get("/search").raise_for_status().json()["total"]
        assert total == size, f"the gateway finds {total} of {size} versions"
        yield running


def prepare(folder: Path, size: int) -> str:
    """A folder with database and index of such a gateway; returns its registries as configuration."""
    registries = "".join(
        f'[[registries]]\nname = "{registry_name(id_)}"\nteam = "{team_name(id_)}"\nkind = "memory"\nsync_every = 0\n'
        for id_ in range(1, REGISTRIES + 1)
    )
    file = folder / "prepared.toml"
    file.write_text(registries)
    waypost = Waypost(load_settings(file, {}))
    waypost.prepare()
    with reading(waypost.engine) as connection:
        position = changes.newest(connection)
    waypost.close()
    follower = IndexFollower(folder / "waypost-index" / "search", Federation(size, position=position))
    follower.rebuild()
    follower.close()
    return registries


@contextmanager
def bare(folder: Path, index: Path) -> Iterator[str]:
    """The address of the bare engine over an index, in two processes."""
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            try:
                return httpx.get(f"{url}/search?q=x", timeout=1.0, trust_env=False).is_success
            except httpx.HTTPError:
                return False

        command = [
            sys.executable,
            "-m",
            "granian",
            *BARE,
            "--port",
            str(port),
            "--no-ws",
            "--log-level",
            "warning",
        ]
        environment = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "BARE_INDEX": str(index),
            "PATH": "/usr/bin:/bin",
        }
        with server(
            "bare", command, port=port, log=folder / "bare.log", ready=ready, environment=environment
        ):
            yield url


def fill_mlflow(path: Path, federation: Federation) -> None:
    """Write the models with all their versions and tags into MLflow's own database: through its API it would take
    hours."""
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        for id_ in range(1, federation.models_count + 1):
            versions = federation.model(id_)
            first, at = versions[0], 1_700_000_000_000 + id_
            connection.execute(
                "INSERT INTO registered_models (workspace, name, creation_time, last_updated_time, description) "
                "VALUES ('default', ?, ?, ?, ?)",
                (first.model, at, at, first.description),
            )
            connection.executemany(
                "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, "
                "current_stage, source, status) VALUES ('default', ?, ?, ?, ?, 'None', 's3://models', 'READY')",
                [(one.model, int(one.version or 0), at, at) for one in versions],
            )
            connection.executemany(
                "INSERT INTO model_version_tags (workspace, name, version, key, value) "
                "VALUES ('default', ?, ?, ?, ?)",
                [
                    (one.model, int(one.version or 0), *tag)
                    for one in versions
                    for tag in one.entries["tag"].items()
                ],
            )


def one_client(url: str, path: str, times: int) -> Spread:
    """How long requests on one kept connection take, one after the other."""
    connection, paths = HTTPConnection(url.removeprefix("http://"), timeout=60.0), renewed(path)

    def ask() -> None:
        connection.request("GET", next(paths))
        response = connection.getresponse()
        assert response.status == 200, response.read()[:200]
        response.read()

    with closing(connection):
        return seconds(ask, times=times)


def renewed(request: str) -> Iterator[str]:
    """One request after the other, each with blanks of its own: a number, its bits as spaces of two kinds."""
    written = (f"{number:024b}".replace("0", "%20").replace("1", "%C2%A0") for number in count())
    return (request.replace(BLANKS, blanks) for blanks in written)


def rate(url: str, path: str, lasting: float, *, token: str = "", clients: int = CLIENTS) -> float:
    """Requests a second of so many connections that ask again as soon as they are answered; `token`: who asks."""
    with ProcessPoolExecutor(1) as pool:
        pool.submit(partial(_load, url, path, min(lasting, 2.0), token, clients)).result()
        return pool.submit(partial(_load, url, path, lasting, token, clients)).result()


def _load(url: str, path: str, lasting: float, token: str, clients: int) -> float:
    host, port = url.removeprefix("http://").split(":")
    shown = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: application/json\r\n{shown}\r\n"
    return asyncio.run(_all(host, int(port), request, lasting, clients))


@dataclass
class _Answered:
    count: int = 0


async def _all(host: str, port: int, request: str, lasting: float, clients: int) -> float:
    answered, began, requests = _Answered(), time.perf_counter(), renewed(request)
    await asyncio.gather(*(_client(host, port, requests, began + lasting, answered) for _ in range(clients)))
    return answered.count / (time.perf_counter() - began)


async def _client(host: str, port: int, requests: Iterator[str], end: float, answered: _Answered) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    while time.perf_counter() < end:
        writer.write(next(requests).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:200]
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        answered.count += 1
    writer.close()


def memory(supervisor: int) -> int:
    """Bytes that a process and all under it hold; what they share counts once."""
    total = 0
    for pid in family(supervisor):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def family(pid: int) -> Iterator[int]:
    """A process and all under it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))
