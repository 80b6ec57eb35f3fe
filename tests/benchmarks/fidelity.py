"""What following an MLflow server costs, and how soon a change is seen, beside the former build in one run."""

import itertools
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.servers import Server, mlflow_server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.builds import FORMER, builds
from tests.servers.mlflow import database

PER_MODEL = 20
ROUNDS = 10
CONFIG = """
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
sync_every = {every}
full_every = 3600
config = {{ url = "{url}" }}
"""
LONGEST = 120.0
POLL = 0.02


class ServedBuild:
    """One served build, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=60.0, trust_env=False)

    def close(self) -> None:
        """Give its connections back."""
        self.http.close()

    def run(self, *, full: bool) -> None:
        """Make one run."""
        asked = self.http.post("/registries/ml/sync", json={"full": full}).json()
        end = time.monotonic() + LONGEST
        while not (run := self.http.get(f"/syncs/{asked['id']}").json()).get("finished_at"):
            assert time.monotonic() < end, run
            time.sleep(POLL)
        assert run["state"] == "ok", run

    def get(self, path: str) -> dict[str, Any]:
        """What it says now; nothing where it has nothing."""
        answer = self.http.get(path)
        found: dict[str, Any] = answer.json() if answer.is_success else {}
        return found


def _gateways(stack: ExitStack, folder: Path, config: str) -> list[ServedBuild]:
    """Both builds, served for as long as the stack stands."""
    urls = [
        stack.enter_context(build.serving(folder / f"gateway-{build.name}", config))
        for build in builds(folder)
    ]
    return [stack.enter_context(closing(ServedBuild(url))) for url in urls]


def fill(server: Server, versions: int) -> list[str]:
    """So many versions of models with tags and an alias each, put into the server's database; the models' names."""
    names = [f"model {number:05}" for number in range(max(1, versions // PER_MODEL))]
    numbers = range(1, PER_MODEL + 1)
    at = 1_760_000_000_000

    def rows(*columns: Callable[[str, int], object], each: range = numbers) -> list[tuple[object, ...]]:
        return [
            ("default", name, *(column(name, number) for column in columns))
            for name in names
            for number in each
        ]

    def moment(name: str, number: int) -> int:
        return at + int(name[-5:]) * 1000 + number

    once = range(PER_MODEL, PER_MODEL + 1)
    tables: dict[str, tuple[str, list[tuple[object, ...]]]] = {
        "registered_models": ("creation_time, last_updated_time", rows(lambda n, v: at, moment, each=once)),
        "model_versions": (
            "version, creation_time, last_updated_time, current_stage, source, status",
            rows(
                lambda n, v: v,
                moment,
                moment,
                lambda n, v: "None",
                lambda n, v: "mlflow-artifacts:/0/none",
                lambda n, v: "READY",
            ),
        ),
        "model_version_tags": (
            "version, key, value",
            rows(lambda n, v: v, lambda n, v: "k", lambda n, v: str(v)),
        ),
        "registered_model_tags": ("key, value", rows(lambda n, v: "owner", lambda n, v: n, each=once)),
        "registered_model_aliases": (
            "alias, version",
            rows(lambda n, v: "champion", lambda n, v: 1, each=once),
        ),
    }
    with closing(sqlite3.connect(database(server), timeout=30)) as connection, connection:
        for table, (columns, found) in tables.items():
            marks = ", ".join("?" * len(found[0]))
            connection.executemany(
                f"INSERT INTO {table} (workspace, name, {columns}) VALUES ({marks})", found
            )
    return names


RUNS = """
import json
import random
import sys
import time

from sqlalchemy import select

from adapters import discover
from federation import schema, tables
from federation.database import open_engine, reading, writing
from federation.sync import schedule
from federation.sync.run import run

try:
    from federation.registries import configured
    from federation.sync.context import SyncContext
except ImportError:
    from federation import registries as configured
    from federation.sync.run import SyncContext
try:
    from federation.leases import Leases
    from federation.registries.connections import Connections
except ImportError:
    Leases, Connections = str, lambda adapters: adapters

database, url, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = open_engine(database)
schema.migrate(engine)
spec = configured.RegistrySpec(name="ml", kind="mlflow", team="t", sync_every=0, config={"url": url})
with writing(engine) as connection:
    configured.apply(connection, [spec])
context = SyncContext(engine, Connections(discover()), Leases("worker"))
order = [True, False] * rounds
random.Random(7).shuffle(order)
for full in [True, *order]:
    with writing(engine) as connection:
        sync_id = schedule.request(connection, 1, full=full)
    began = time.perf_counter()
    assert run(context, sync_id) == "ok"
    taken = time.perf_counter() - began
    with reading(engine) as connection:
        query = select(tables.sync.c.counts).where(tables.sync.c.id == sync_id)
        calls = connection.execute(query).scalar_one()["calls"]
    print(json.dumps([full, taken, calls]), flush=True)
"""
"""Runs one after the other, and nothing beside them: the files of versions are read by others."""


@benchmark(sample=40, full=10_000, servers=True)
def mlflow_runs_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """Full and incremental runs of a quiet server of `size` versions, in no order, by each build in turn: requests, and
    the times that half and a quarter of twenty take at most. Some answers of MLflow take 0.15 s longer, whoever asked:
    the median of incremental runs tells most of all into which runs those fell.
    """
    program, databases, both = folder / "runs.py", itertools.count(), builds(folder)
    program.write_text(RUNS)
    found: dict[tuple[int, bool], list[tuple[float, int]]] = {}
    with mlflow_server(folder / "mlflow") as server:
        fill(server, size)
        for place in (0, 1, 1, 0):
            address = f"sqlite:///{folder / f'runs-{next(databases)}.db'}"
            command = [sys.executable, str(program), address, server.url, str(ROUNDS)]
            environment = both[place].environment()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            for full, seconds, calls in list(map(json.loads, done.stdout.splitlines()))[1:]:
                found.setdefault((place, full), []).append((seconds, calls))
    for full in (True, False):
        kind = "a full run" if full else "an incremental run"
        taken = [sorted(seconds for seconds, _ in found[place, full]) for place in (0, 1)]
        asked, before = (max(calls for _, calls in found[place, full]) for place in (0, 1))
        yield Figure(f"{kind}, requests", asked, "requests", 1.03 * before, (FORMER, before))
        for name, part in (("p50", 2), ("p25", 4)):
            ours, theirs = (each[len(each) // part] for each in taken)
            yield Figure(f"{kind}, {name}", ours, "s", 1.05 * theirs, (FORMER, theirs))


@benchmark(sample=1, full=40, servers=True)
def mlflow_changes_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """Seconds from a change on the server until the API shows it, `sync_every = 1`, two clients at work: p95 of `size`
    changes each of tags, aliases, stages and deletes.
    """
    seen: list[list[float]] = [[], []]
    stopped = threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(mlflow_server(folder / "mlflow"))
        names = fill(server, 2_000 if size > 1 else 40)
        config = CONFIG.format(every=1, url=server.url)
        gateways = _gateways(stack, folder, config)
        for gateway in gateways:
            gateway.run(full=True)
        clients = [
            threading.Thread(target=busy, args=(server.url, names[1:], seed, stopped)) for seed in (1, 2)
        ]
        for client in clients:
            client.start()
        for client in clients:
            stack.callback(client.join)
        stack.callback(stopped.set)
        for change, is_seen in changes(server.url, names[0], size):
            change()
            for place, seconds in enumerate(until_seen(gateways, is_seen)):
                seen[place].append(seconds)
    ours, theirs = (spread(found).p95 for found in seen)
    yield Figure("a change is seen, p95", ours, "s", 0.7 * theirs, (FORMER, theirs))


def busy(url: str, names: list[str], seed: int, stopped: threading.Event) -> None:
    """A client that describes, tags and registers, a few times a second."""
    client, rng = mlflow_client(url), random.Random(seed)
    run = client.create_run("0").info
    source = f"{run.artifact_uri}/none"
    while not stopped.wait(rng.uniform(0.05, 0.3)):
        name = rng.choice(names)
        doings: list[Callable[[], object]] = [
            partial(client.update_registered_model, name, str(rng.random())),
            partial(client.set_registered_model_tag, name, "k", str(rng.random())),
            partial(client.update_model_version, name, "1", str(rng.random())),
            partial(client.create_model_version, name, source, run.run_id, await_creation_for=0),
        ]
        with suppress(Exception):
            rng.choice(doings)()


Change = tuple[Callable[[], object], Callable[[ServedBuild], bool]]


def changes(url: str, name: str, size: int) -> Iterator[Change]:
    """Changes of one model, each with how to see it."""
    client = mlflow_client(url)
    model, run = f"ml/{name}", client.create_run("0").info

    def staged(version: str, stage: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            client.transition_model_version_stage(name, version, stage)

    for number in range(size):
        value, version = str(number), str(2 + number % 2)
        stage = "Staging" if number % 2 else "Production"
        source = f"{run.artifact_uri}/none"
        made = str(client.create_model_version(name, source, run.run_id, await_creation_for=0).version)
        yield (lambda: None), partial(_is_there, f"{model}:{made}")
        yield partial(client.set_registered_model_tag, name, "seen", value), partial(_is_tagged, model, value)
        yield (
            partial(client.set_registered_model_alias, name, "shadow", version),
            partial(_is_named, f"{model}:{version}"),
        )
        yield partial(staged, "4", stage), partial(_is_staged, f"{model}:4", stage)
        yield partial(client.delete_model_version, name, made), partial(_is_gone, f"{model}:{made}")


def _is_there(ref: str, gateway: ServedBuild) -> bool:
    return bool(gateway.get(f"/versions/{ref}"))


def _is_gone(ref: str, gateway: ServedBuild) -> bool:
    return not gateway.get(f"/versions/{ref}")


def _is_tagged(model: str, value: str, gateway: ServedBuild) -> bool:
    return bool(gateway.get(f"/models/{model}").get("tags", {}).get("seen") == value)


def _is_named(ref: str, gateway: ServedBuild) -> bool:
    return "shadow" in gateway.get(f"/versions/{ref}").get("aliases", ())


def _is_staged(ref: str, stage: str, gateway: ServedBuild) -> bool:
    return gateway.get(f"/versions/{ref}").get("native_stage") == stage


def until_seen(gateways: list[ServedBuild], is_seen: Callable[[ServedBuild], bool]) -> list[float]:
    """Seconds until each gateway shows it."""
    began = time.monotonic()
    found: dict[int, float] = {}
    while len(found) < len(gateways):
        assert time.monotonic() < began + LONGEST, found
        for place, gateway in enumerate(gateways):
            if place not in found and is_seen(gateway):
                found[place] = time.monotonic() - began
        time.sleep(POLL)
    return [found[place] for place in range(len(gateways))]
