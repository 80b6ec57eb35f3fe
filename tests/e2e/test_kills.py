"""Workers killed by SIGKILL at named points, over the real adapters and their backends: one net effect each."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from adapters import Adapter, Capability, Key, ModelRecord, NotFoundError, VersionRecord, discover
from adapters.emulators.rest import Shelf, serve
from adapters.emulators.rest.harness import SECRET, SHELF
from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from federation.access import LOCAL
from federation.database import now, reading
from federation.leases import Leases
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.intent import Asker, digest_of, repeated
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.operations.wanted import Delete, Register, SetAlias, SetTags, from_json, holds
from federation.references import Reference
from federation.registries.connections import Connections
from federation.registries.opening import open_adapter
from gateway.demo.servers import Server
from tests.adapters.vertex.line import ForwardingLine
from tests.federation.operations.victims import POINTS, WRITING, Death, carry_out, intend, killed
from tests.federation.sync.world import World, make_world
from tests.soak import soak

SETTLED_WITHIN = 60.0
PATIENCE = 300.0
"""Seconds after which something hangs, also on a machine that is busy with other things."""
SOURCES = {
    "mlflow": "s3://bucket/model",
    "sagemaker": "s3://bucket/model.tar.gz",
    "vertex": "gs://bucket/model",
}
SECRETS = {
    "WAYPOST_TEST_KEY": "AKIDWAYPOST",
    "WAYPOST_TEST_SECRET": "waypost-secret",
    "WAYPOST_TEST_TOKEN": SECRET,
}


@dataclass
class Bench:
    """One registry of a kind over its backend, and everything that is asked of it. The line to it can be cut."""

    world: World
    url: str
    kind: str
    adapter: Adapter
    line: ForwardingLine

    def asks(self, name: str) -> dict[str, RequestedChange]:
        """What can be asked of a model with versions 1 and 2, where the adapter can do it."""
        model, first = Reference("memory", name), Reference("memory", name, "1")
        able = self.adapter.capabilities
        asks = {
            "tags": RequestedChange(first, SetTags({"colour": "green", "shape": "round"})),
            "register": RequestedChange(Reference("memory", name), Register(name, self.source(name))),
            "delete": RequestedChange(Reference("memory", name, "2"), Delete(), of="version"),
            "stage": RequestedChange(first, Become("production")),
        }
        if Capability.SET_ALIAS in able:
            asks["alias"] = RequestedChange(model, SetAlias("blue", "1"))
        return asks

    def source(self, name: str) -> str:
        """Where the files of a version would be."""
        return f"{SOURCES.get(self.kind, 's3://bucket')}/{name}"

    def death(self, point: str) -> Death:
        """A worker that dies at a point."""
        return Death(point, self.url, self.world.registry_id, self.kind, SECRETS)

    def make(self, name: str) -> None:
        """A model with two versions, known to the catalogue."""
        for _ in range(2):
            self.ask(
                RequestedChange(Reference("memory", name), Register(name, self.source(name))),
                f"make {name} {time.monotonic_ns()}",
            )
        self.settle()

    def ask(self, ask: RequestedChange, key: str, *, point: str = "") -> bool:
        """Write an intent in a process that may die of it; whether it did."""
        with reading(self.world.engine) as connection:
            steps = Asking(connection, LOCAL, WriteTargets(self.world.adapters)).intents(ask)
        if point:
            return killed(intend, self.death(point), steps, key)
        intend(self.death(""), steps, key)
        return False

    def operation(self, key: str) -> Any:
        """The operation asked for with a key, or None."""
        with reading(self.world.engine) as connection:
            return connection.execute(select(operation).where(operation.c.key == key)).one_or_none()

    def settle(self) -> None:
        """Work until everything has an outcome."""
        context = OperationContext(self.world.engine, Connections(self.world.adapters), Leases("worker"))
        end = time.monotonic() + PATIENCE
        while lasting := [row for row in self.world.rows(operation) if row.finished_at is None]:
            assert time.monotonic() < end, lasting
            work(context, self.world.registry_id)
            time.sleep(0.05)
        context.connections.close()

    def versions(self, name: str) -> int:
        """How many versions a model has on the backend."""
        count, models = 0, set()
        for found in self.adapter.scan(since=None, limit=500):
            models |= {one.key for one in found.records if isinstance(one, ModelRecord) and one.name == name}
            count += sum(isinstance(one, VersionRecord) and one.model in models for one in found.records)
        return count

    def is_done(self, row: Any, name: str) -> bool:
        """Whether the backend shows what an operation wanted, once."""
        wanted, key = from_json(row.wanted), Key(row.target_kind, row.native_id)
        if isinstance(wanted, Register):
            return self.versions(name) == 3
        try:
            record = self.adapter.get(key)
        except NotFoundError:
            return isinstance(wanted, Delete)
        return holds(wanted, record)


@contextmanager
def bench(folder: Path, kind: str, target: str, config: Callable[[str], dict[str, Any]]) -> Iterator[Bench]:
    """A registry called `memory`, whatever its kind, in a new database; `config` is made of an address for `target`."""
    url = f"sqlite:///{folder}/waypost.db"
    with ForwardingLine(target) as line:
        settings = config(line.address)
        world = make_world(url, kind=kind, config=settings, writable=True, stages={})
        adapter, _ = open_adapter("memory", kind, settings, discover())
        try:
            yield Bench(world, url, kind, adapter, line)
        finally:
            adapter.close()
            world.context.connections.close()
            world.close()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def mlflow(mlflow_server: Server, tmp_path: Path) -> Iterator[Bench]:
    target = f"127.0.0.1:{mlflow_server.port}"
    with bench(tmp_path, "mlflow", target, lambda address: {"url": f"http://{address}"}) as made:
        yield made


@pytest.fixture
def rest(tmp_path: Path, secrets: None) -> Iterator[Bench]:
    server = serve(Shelf(token=SECRET))

    def config(address: str) -> dict[str, Any]:
        return {**SHELF, "url": f"http://{address}/api", "token": "env:WAYPOST_TEST_TOKEN"}

    try:
        with bench(tmp_path, "rest", f"127.0.0.1:{server.server_port}", config) as made:
            yield made
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sagemaker(tmp_path: Path, secrets: None) -> Iterator[Bench]:
    def config(address: str) -> dict[str, Any]:
        return {
            "region": "eu-west-1", "endpoint_url": f"http://{address}", "attempts": 1, "timeout": 10, "overlap": 0,
            "access_key_id": "env:WAYPOST_TEST_KEY", "secret_access_key": "env:WAYPOST_TEST_SECRET",
        }  # fmt: skip

    with Emulator() as emulator, bench(tmp_path, "sagemaker", urlsplit(emulator.url).netloc, config) as made:
        yield made


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[Bench]:
    with VertexEmulator() as emulator:

        def config(address: str) -> dict[str, Any]:
            return {"project": emulator.project, "location": emulator.location, "endpoint": address}

        with bench(tmp_path, "vertex", emulator.address, config) as made:
            yield made


def kill(on: Bench, cases: int, seed: int) -> list[str]:
    """Ask, die at a named point, settle; one line for each operation that left anything but one net effect."""
    rng = random.Random(seed)
    asked: list[tuple[str, str, str, str]] = []
    for number in range(cases):
        name = f"m-{seed % 100_000}-{number}"
        on.make(name)
        kind, point = rng.choice(sorted(on.asks(name))), rng.choice(POINTS)
        key = f"{name} {kind}"
        if point in WRITING:
            if not on.ask(on.asks(name)[kind], key, point=point):
                return [f"nobody died at {point}"]
            if point == "intending":
                assert on.operation(key) is None, "an intent that was never committed is there"
                on.ask(on.asks(name)[kind], key)
        else:
            on.ask(on.asks(name)[kind], key)
            killed(carry_out, on.death(point))
        asked.append((name, kind, point, key))
    begun = now()
    on.settle()
    took = (now() - begun).total_seconds()
    failures = [f"settled only after {took:.0f} s"] if took > SETTLED_WITHIN else []
    for name, kind, point, key in asked:
        row = on.operation(key)
        if row.state != "ok" or not on.is_done(row, name):
            failures.append(f"{on.kind}: {kind}, killed at {point}: {row.state} {row.error}")
    return failures + journalled(on)


def journalled(on: Bench) -> list[str]:
    """Each operation has one intent and one outcome, and the catalogue holds together."""
    told: Counter[tuple[Any, str]] = Counter()
    for entry in on.world.entries():
        noun, _, verb = str(entry.action).partition(".")
        if noun == "operation":
            told[entry.details["operation"], verb] += 1
    rows = on.world.rows(operation)
    wrong = [
        f"operation {row.id} is told {[key for key in told if key[0] == row.id]}"
        for row in rows
        if told[row.id, "requested"] != 1
        or sum(told[row.id, verb] for verb in ("succeeded", "failed", "settled")) != 1
    ]
    return wrong + on.world.problems()


@soak(sample=1, full=200)
def test_kills_over_mlflow(cases: int, seed: int, mlflow: Bench) -> list[str]:
    return kill(mlflow, cases, seed)


@soak(sample=1, full=200)
def test_kills_over_sagemaker(cases: int, seed: int, sagemaker: Bench) -> list[str]:
    return kill(sagemaker, cases, seed)


@soak(sample=1, full=200)
def test_kills_over_vertex(cases: int, seed: int, vertex: Bench) -> list[str]:
    return kill(vertex, cases, seed)


@soak(sample=1, full=200)
def test_kills_over_rest(cases: int, seed: int, rest: Bench) -> list[str]:
    return kill(rest, cases, seed)


def test_a_repetition_after_a_crash_is_the_same_operation(rest: Bench) -> None:
    rest.make("again")
    ask = rest.asks("again")["register"]
    assert rest.ask(ask, "key", point="intended")
    killed(carry_out, rest.death("applied"))
    rest.settle()
    with reading(rest.world.engine) as connection:
        known = repeated(connection, Asker("local", "key", digest_of("register")))
    assert known is not None
    assert (known.state, rest.versions("again")) == ("ok", 3)
