"""The spine's speed: taking records in, synchronising a real MLflow server, reading one version."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, registry

from adapters import Key, ModelRecord, VersionRecord, discover
from federation import schema, tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, open_engine, reading, writing
from federation.leases import Leases
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.stages import parse_rules
from federation.sync import schedule
from federation.sync.context import SyncContext
from federation.sync.run import is_full_due, run
from gateway.demo.servers import mlflow_server
from gateway.start import settle, share_the_interpreter
from tests.benchmarks import Figure, benchmark
from tests.gateway.served import served
from tests.servers.postgres import postgres_server

CHUNK = 1000
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def records(size: int) -> Iterator[Any]:
    """Models of ten versions each, as MLflow describes them; `size` versions."""
    for number in range(size // 10):
        model = Key("model", f"model-{number}@{number}")
        yield ModelRecord(
            key=model,
            name=f"team-{number % 50}-model-{number}",
            aliases={"champion": "7"},
            created_at=DAY,
            updated_at=DAY,
        )
        for version in range(1, 11):
            yield VersionRecord(
                key=Key("version", f"{model.native_id}:{version}"),
                model=model,
                version=str(version),
                stage="None",
                description="Scores transactions as they come in.",
                tags={"env": "prod", "depends_on": f"encoder-{number % 7}:3"},
                metrics={"auc": 0.91 + version / 1000, "latency_ms": 12.5},
                params={"depth": "6", "eta": "0.1"},
                artifact_uri=f"s3://models/{number}/{version}",
                created_at=DAY,
                updated_at=DAY,
                native={"run_id": f"{number:032x}", "status": "READY", "user_id": "7"},
            )


def chunks(size: int) -> Iterator[list[Any]]:
    """The records in pages, each model before its versions."""
    page: list[Any] = []
    for record in records(size):
        page.append(record)
        if len(page) == CHUNK:
            yield page
            page = []
    if page:
        yield page


def resident() -> float:
    """Memory of this process now, in MB."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def ingest(engine: Engine, size: int) -> tuple[float, float]:
    """Take `size` versions in as a first import does. Returns versions per second and MB above the start."""
    with writing(engine) as connection:
        configured.apply(connection, [RegistrySpec(name="r", kind="memory", team="t")])
        registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
    rules = parse_rules({}, {"production": ("alias:champion",)})
    settle()  # as the worker does when it is wired
    before, peak, spent = resident(), 0.0, 0.0
    for number, page in enumerate(chunks(size)):
        begin = time.perf_counter()
        encoded = [codec.encode(record) for record in page]
        with writing(engine) as connection:
            writer = CatalogueWriter(connection, Origin(registry_id, "r", rules, now(), importing=True))
            writer.write(encoded)
            writer.batch.append(connection)
        spent += time.perf_counter() - begin
        if number % 20 == 0:
            peak = max(peak, resident() - before)
    return size / spent, peak


def raw_upserts(engine: Engine, size: int) -> float:
    """The same rows, upserted with SQLAlchemy Core and nothing else. Versions per second."""
    upsert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    numbers, spent = count(10_000_000), 0.0
    for page in chunks(size):
        rows = [
            {
                "id": next(numbers), "registry_id": 1, "model_id": 1, "native_id": record.key.native_id + "'",
                "version": record.version, "stage": "none", "stage_reason": "", "deployed": False,
                "body": codec.to_json(record), "digest": b"0" * 32, "details_read": False, "first_seen_at": DAY,
            }
            for record in page
            if isinstance(record, VersionRecord)
        ]  # fmt: skip
        begin = time.perf_counter()
        with writing(engine) as connection:
            statement = upsert(tables.version)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["registry_id", "native_id"], set_={"body": statement.excluded.body}
                ),
                rows,
            )
        spent += time.perf_counter() - begin
    return size / spent


class _VersionRow:
    """A version as an ORM would have it."""

    def __init__(self, **columns: Any) -> None:
        for name, value in columns.items():
            setattr(self, name, value)


registry().map_imperatively(_VersionRow, tables.version)


def orm_merge(engine: Engine, size: int) -> float:
    """The same rows, merged one by one by the ORM. Versions per second."""
    numbers, spent = count(20_000_000), 0.0
    for page in chunks(size):
        begin = time.perf_counter()
        with Session(engine) as session:
            for record in page:
                if isinstance(record, VersionRecord):
                    row = _VersionRow(
                        id=next(numbers), registry_id=1, model_id=1, native_id=record.key.native_id + '"',
                        version=record.version, stage="none", stage_reason="", deployed=False, body="{}",
                        digest=b"0" * 32, details_read=False, first_seen_at=DAY,
                    )  # fmt: skip
                    session.merge(row)
            session.commit()
        spent += time.perf_counter() - begin
    return size / spent


@contextmanager
def migrated(url: str) -> Iterator[Engine]:
    """An engine on a migrated database."""
    engine = open_engine(url)
    schema.migrate(engine)
    yield engine
    engine.dispose()


@benchmark(sample=2_000, full=1_000_000)
def ingest_sqlite(size: int, folder: Path) -> Iterator[Figure]:
    """Taking records in on SQLite."""
    with migrated(f"sqlite:///{folder / 'ingest.db'}") as engine:
        rate, memory = ingest(engine, size)
        raw = raw_upserts(engine, min(size, 50_000))
        merged = orm_merge(engine, max(100, min(size // 20, 2_000)))
    yield Figure("ORM merge of the same rows, SQLite", merged, "/s")
    yield Figure(
        "versions taken in, SQLite", rate, "/s", 20_000, ("raw Core upserts", raw), higher_is_better=True
    )
    yield Figure("memory above the start while they pass", memory, "MB", 200)


@benchmark(sample=2_000, full=1_000_000, servers=True)
def ingest_postgresql(size: int, folder: Path) -> Iterator[Figure]:
    """Taking records in on PostgreSQL."""
    with postgres_server(durable=True) as server, migrated(server.url(server.create())) as engine:
        rate, memory = ingest(engine, size)
        raw = raw_upserts(engine, min(size, 50_000))
        merged = orm_merge(engine, max(100, min(size // 20, 2_000)))
    yield Figure("ORM merge of the same rows, PostgreSQL", merged, "/s")
    yield Figure(
        "versions taken in, PostgreSQL", rate, "/s", 10_000, ("raw Core upserts", raw), higher_is_better=True
    )
    yield Figure("memory above the start while they pass", memory, "MB", 200)


ROUNDS = 5


@benchmark(sample=40, full=10_000, servers=True)
def mlflow_full_sync(size: int, folder: Path) -> Iterator[Figure]:
    """A full listing of a real MLflow server, beside a bare crawl of the same pages; a cycle without changes.
    Medians of rounds, each with a new catalogue.
    """
    (folder / "mlflow").mkdir()
    bare, full, again, requests = [], [], [], 0
    with mlflow_server(folder / "mlflow") as server:
        fill(server.url, size)
        settle()  # as the worker does when it is wired; the bare crawl is faster for it too
        share_the_interpreter()
        crawl(server.url)
        for number in range(ROUNDS if size > 1_000 else 1):
            with migrated(f"sqlite:///{folder / f'sync-{number}.db'}") as engine:
                context, registry_id = _syncing(engine, server.url)
                bare.append(crawl(server.url))
                full.append(sync(context, registry_id, full=True))
                again.append(sync(context, registry_id, full=True))
                requests = requests_of(context, registry_id)
                context.connections.close()
    crawled = median(bare)
    yield Figure("first full sync", median(full), "s", 1.2 * crawled, ("bare crawl", crawled))
    yield Figure("full sync without changes", median(again), "s", 1.2 * crawled, ("bare crawl", crawled))
    yield Figure("requests of a cycle without changes", requests, "requests", 3)


def _syncing(engine: Engine, url: str) -> tuple[SyncContext, int]:
    """What syncs one MLflow server into an empty catalogue, and the number of its registry."""
    with writing(engine) as connection:
        spec = RegistrySpec(name="r", kind="mlflow", team="t", config={"url": url}, sync_every=3600)
        configured.apply(connection, [spec])
        registry_id = int(connection.execute(select(tables.registry.c.id)).scalar_one())
    return SyncContext(engine, Connections(discover()), Leases("bench")), registry_id


def fill(url: str, size: int) -> None:
    """Models of twenty versions each, through MLflow's own API."""
    with httpx.Client(base_url=f"{url}/api/2.0/mlflow", timeout=60, trust_env=False) as client:
        for number in range(max(1, size // 20)):
            client.post("/registered-models/create", json={"name": f"model-{number}"}).raise_for_status()
            for _ in range(20):
                body = {"name": f"model-{number}", "source": f"s3://models/{number}"}
                client.post("/model-versions/create", json=body).raise_for_status()


def crawl(url: str) -> float:
    """Fetch and parse every page and throw it away. Seconds."""
    begin = time.perf_counter()
    with httpx.Client(base_url=f"{url}/api/2.0/mlflow", timeout=60, trust_env=False) as client:
        for path, most in (("registered-models", 1000), ("model-versions", 1000)):
            token: str | None = None
            while True:
                query = {"max_results": str(most), **({"page_token": token} if token else {})}
                answer = client.get(f"/{path}/search", params=query)
                token = answer.raise_for_status().json().get("next_page_token")
                if not token:
                    break
    return time.perf_counter() - begin


def sync(context: SyncContext, registry_id: int, *, full: bool) -> float:
    """One run; seconds."""
    with writing(context.engine) as connection:
        sync_id = schedule.request(connection, registry_id, full=full)
    begin = time.perf_counter()
    assert run(context, sync_id) == "ok"
    return time.perf_counter() - begin


def requests_of(context: SyncContext, registry_id: int) -> int:
    """How many requests an incremental run makes when nothing changed."""
    with writing(context.engine) as connection:
        connection.execute(tables.registry.update().values(full_seconds=10_000.0))
        assert not is_full_due(connection.execute(select(tables.registry)).one(), now())
    sync(context, registry_id, full=False)
    with reading(context.engine) as connection:
        newest = select(tables.sync.c.counts).order_by(tables.sync.c.id.desc()).limit(1)
        return int(connection.execute(newest).scalar_one()["calls"])


@benchmark(sample=200, full=20_000, servers=True)
def read_version(size: int, folder: Path) -> Iterator[Figure]:
    """`GET /versions/{ref}` of two API processes under 32 clients, beside `GET /health/live` of the same server."""
    config = '[[registries]]\nname = "r"\nkind = "memory"\nteam = "t"\nsync_every = 0\n'
    with served(folder, config=config, workers=2) as gateway:
        with writing(gateway.engine) as connection:
            registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
            writer = CatalogueWriter(
                connection, Origin(registry_id, "r", parse_rules({}, {}), now(), importing=True)
            )
            writer.write([codec.encode(record) for record in records(1000)])
            writer.batch.append(connection)
        paths = [f"/api/v1/versions/r/team-{n % 50}-model-{n}:{v}" for n in range(100) for v in range(1, 11)]
        rate = load(gateway.url, paths, size)
        trivial = load(gateway.url, ["/health/live"], size)
    yield Figure(
        "GET /versions/{ref}", rate, "requests/s", 3_000, ("GET /health/live", trivial), higher_is_better=True
    )


def load(url: str, paths: list[str], requests: int) -> float:
    """Requests per second over 32 keep-alive connections of plain sockets, so that the client costs little. They ask
    for the paths in turn."""
    host, port = url.removeprefix("http://").split(":")
    left = iter(range(requests))
    lock = threading.Lock()

    def client() -> None:
        with socket.create_connection((host, int(port)), timeout=30) as line:
            while True:
                with lock:
                    turn = next(left, None)
                if turn is None:
                    return
                path = paths[turn % len(paths)]
                line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
                data = b""
                while b"\r\n\r\n" not in data:
                    data += line.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                marker = b"content-length:"
                length = int(head.lower().split(marker)[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += line.recv(65536)

    threads = [threading.Thread(target=client) for _ in range(32)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests / (time.perf_counter() - begin)
