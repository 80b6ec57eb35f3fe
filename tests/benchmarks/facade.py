"""MLflow's dialect beside a real MLflow server: calls of the real client, replayed, and a large file."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from gateway.demo.servers import mlflow_server
from tests.adapters.sagemaker.aws import REGION
from tests.adapters.sagemaker.aws import client as aws
from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.search_http import memory, rate
from tests.gateway.paper import ask, finished
from tests.gateway.served import Served, served
from tests.servers import mlflow as mlflow_database
from tests.servers.moto import moto_server

CONNECTIONS = 8
SMALL = 1_000
CONFIG = """
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
sync_every = 0
config = {{ url = "{url}", artifacts = ["{artifacts}"] }}
"""
CALLS = """
import sys
import time
from mlflow import MlflowClient

client, lasting = MlflowClient(sys.argv[1], sys.argv[1]), float(sys.argv[2])
for call in (
    lambda: client.search_registered_models("name LIKE '%ranker-0001%'"),
    lambda: client.search_model_versions("tags.batch = 'b7'"),
    lambda: client.get_model_version_by_alias("ranker-00017", "champion"),
):
    try:
        call()
    except Exception:
        if lasting:
            raise
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < lasting:
        call()
        count += 1
    print(count / (time.perf_counter() - began))
"""
"""What the real client does, each for so many seconds: how often it did in one; of a recorder it asks once."""
FETCHER = """
import sys
from urllib.request import urlopen

while True:
    with urlopen(sys.argv[1]) as answer:
        print("begun", flush=True)
        while answer.read(1 << 20):
            pass
"""
"""Downloads a file again and again, and says each time when it begins to come."""
TIMES = 400
"""Of searches, at most."""
QUESTIONS = ("search_registered_models by a part of the name", "search_model_versions by a tag", "by alias")
BATCHES = 1_000
"""Of so many models one has the tag that is asked for."""
TO_STORE = {"_MLFLOW_SERVER_ARTIFACT_DESTINATION": "s3://models"}
PATH = "/api/2.0/mlflow-artifacts/artifacts"


@benchmark(sample=20, full=20_000, servers=True)
def mlflow_facade(size: int, folder: Path) -> Iterator[Figure]:
    """What the client asks, as it was recorded, from 8 connections: of the façade and of the server itself, in turn."""
    lasting = 4.0 if size > SMALL else 0.3
    paths = recorded(folder)
    with mlflow_server(folder / "mlflow") as server:
        fill(mlflow_database.database(server), size)
        with served(
            folder / "gateway", config=CONFIG.format(url=server.url, artifacts="s3://none")
        ) as gateway:
            finished(gateway.engine, ask(gateway.engine, "ml"))
            for question, path in zip(QUESTIONS, paths, strict=True):
                ours = f"/mlflow/ml{path}"
                answers = [httpx.get(f"{gateway.url}{ours}").json(), httpx.get(f"{server.url}{path}").json()]
                assert len(set(map(counted, answers))) == 1, answers
                both = [
                    (
                        rate(gateway.url, ours, lasting, clients=CONNECTIONS),
                        rate(server.url, path, lasting, clients=CONNECTIONS),
                    )
                    for _ in range(2)
                ]
                mine, theirs = (sum(each) / 2 for each in zip(*both, strict=True))
                yield Figure(
                    f"{CONNECTIONS} connections, {question}", mine, "req/s", goal=3 * theirs,
                    comparison=("the MLflow server itself", theirs), higher_is_better=True,
                )  # fmt: skip
            clients = (
                asked_by_client(url, lasting, folder) for url in (f"{gateway.url}/mlflow/ml", server.url)
            )
            for question, mine, theirs in zip(QUESTIONS, *clients, strict=True):
                yield Figure(
                    f"one Python client, {question}", mine, "req/s",
                    comparison=("of the MLflow server itself", theirs), higher_is_better=True,
                )  # fmt: skip


@benchmark(sample=1, full=500, servers=True)
def mlflow_artifacts(size: int, folder: Path) -> Iterator[Figure]:
    """A file of `size` MB through the proxy from an object store, through the one of MLflow, and through both; what
    searches take meanwhile, and memory.
    """
    with (
        moto_server(folder / "moto") as moto,
        mlflow_server(folder / "mlflow", settings=TO_STORE | store(moto.url)) as server,
    ):
        bucket = aws(moto.url, "s3")
        bucket.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
        bucket.put_object(Bucket="models", Key="big/file.bin", Body=os.urandom(1 << 20) * size)
        sources = {"stored": "s3://models/big", "chained": "mlflow-artifacts:/big"}
        with closing(sqlite3.connect(mlflow_database.database(server), timeout=30)) as connection, connection:
            for name, source in sources.items():
                add(connection, name, source)
        config = CONFIG.format(url=server.url, artifacts="s3://models")
        with served(folder / "gateway", config=config, environment=store(moto.url)) as gateway:
            finished(gateway.engine, ask(gateway.engine, "ml"))
            ours = {name: f"{gateway.url}/mlflow/ml{PATH}/{name}/1/file.bin" for name in sources}
            download(ours["stored"], 0)  # the process that hands files out is there
            held = memory(gateway.process.process.pid)
            most = most_memory(gateway, ours["stored"], size)
            quiet, busy = beside(gateway, ours["stored"], 20 * size if size < TIMES else TIMES)
            both = [
                (
                    size / download(ours["stored"], size),
                    size / download(f"{server.url}{PATH}/big/file.bin", size),
                )
                for _ in range(3)
            ]
            rates, theirs = map(max, zip(*both, strict=True))
            chained = size / download(ours["chained"], size)
    yield Figure(
        f"a file of {size} MB from S3 (moto)", rates, "MB/s", goal=0.7 * theirs,
        comparison=("MLflow's own proxy", theirs), higher_is_better=True,
    )  # fmt: skip
    yield Figure("the same through MLflow's proxy as well", chained, "MB/s", higher_is_better=True)
    yield Figure("memory above idle meanwhile", (most - held) / 2**20, "MiB", goal=64)
    yield Figure(
        "a search meanwhile, p95",
        busy * 1e3,
        "ms",
        goal=1.5 * quiet * 1e3,
        comparison=("before", quiet * 1e3),
    )


def store(url: str) -> dict[str, str]:
    """The variables by which MLflow's server and ours find the object store."""
    return {
        "MLFLOW_S3_ENDPOINT_URL": url, "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
    }  # fmt: skip


def most_memory(gateway: Served, url: str, size: int) -> int:
    """The most that all processes hold while a file is on its way."""
    most = 0

    def look(_: int) -> None:
        nonlocal most
        most = max(most, memory(gateway.process.process.pid))

    download(url, size, look)
    return most


def beside(gateway: Served, url: str, times: int) -> tuple[float, float]:
    """The p95 of so many searches, in seconds: alone, and while another process downloads a file again and again."""
    quiet = searches(gateway, times)
    with subprocess.Popen([sys.executable, "-c", FETCHER, url], stdout=subprocess.PIPE) as fetching:
        try:
            assert fetching.stdout is not None
            assert fetching.stdout.readline() == b"begun\n"
            return quiet, searches(gateway, times)
        finally:
            fetching.kill()


def searches(gateway: Served, times: int) -> float:
    """The p95 of searches, one after the other, in seconds."""
    taken: list[float] = []
    for number in range(times):
        began = time.perf_counter()
        gateway.client.get("/search", params={"q": f"stored {number}"}).raise_for_status()
        taken.append(time.perf_counter() - began)
    return spread(taken).p95


def download(url: str, size: int, look: Callable[[int], None] | None = None) -> float:
    """Seconds that a file of so many MB takes; none of it is kept."""
    came, every, began = 0, 32 << 20, time.perf_counter()
    with httpx.stream("GET", url, timeout=120) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw(1 << 20):
            came += len(piece)
            if look is not None and came > every:
                every += 32 << 20
                look(came)
    assert not size or came == size << 20, f"{came} bytes of {size} MB"
    return time.perf_counter() - began


def asked_by_client(url: str, lasting: float, folder: Path) -> list[float]:
    """How often in a second one process with the real client does each of its calls, for so long each."""
    command = [sys.executable, "-c", CALLS, url, str(lasting)]
    done = subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def recorded(folder: Path) -> list[str]:
    """The addresses that the real client asks for."""
    asked: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{recorder.server_address[1]}"
        asked_by_client(url, 0.0, folder)
        recorder.shutdown()
    found = [path for path in asked if "/mlflow/" in path and "server-info" not in path]
    assert len(found) == len(QUESTIONS), asked
    return found


def fill(path: Path, size: int) -> None:
    """Models with a version, an alias and tags each, written into MLflow's own database."""
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        for number in range(size):
            add(connection, f"ranker-{number:05}", f"s3://models/{number}", batch=f"b{number % BATCHES}")
            if number % 500 == 0:
                connection.commit()


def add(connection: sqlite3.Connection, name: str, source: str, batch: str = "b") -> None:
    """One model with one version."""
    at = 1_700_000_000_000
    connection.execute(
        "INSERT INTO registered_models (workspace, name, creation_time, last_updated_time) VALUES ('default', ?, ?, ?)",
        (name, at, at),
    )
    connection.execute(
        "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, current_stage, "
        "source, storage_location, status) VALUES ('default', ?, 1, ?, ?, 'None', ?, ?, 'READY')",
        (name, at, at, source, source),
    )
    connection.execute(
        "INSERT INTO model_version_tags (workspace, name, version, key, value) VALUES ('default', ?, 1, 'batch', ?)",
        (name, batch),
    )
    connection.execute(
        "INSERT INTO registered_model_aliases (workspace, name, alias, version) VALUES ('default', ?, 'champion', 1)",
        (name,),
    )


def counted(answer: dict[str, object]) -> int:
    """How many models or versions an answer has."""
    return sum(len(rows) for rows in answer.values() if isinstance(rows, list)) or len(answer)
