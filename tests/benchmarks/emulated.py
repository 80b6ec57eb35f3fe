"""How much longer a first read of an emulated service takes than the same requests and nothing else, kind by kind.

Both in a process whose garbage is looked for as in a worker, which is where services are read.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from adapters import Adapter
from adapters.azureml import AzuremlAdapter, AzuremlConfig
from adapters.emulators.azureml import AzureWorkspace
from adapters.emulators.kubeflow import KubeflowRegistry
from adapters.emulators.services import EmulatedService, ServiceRequest, serve
from adapters.emulators.unity import Metastore
from adapters.emulators.wandb import Organization
from adapters.kubeflow import KubeflowAdapter, KubeflowConfig
from adapters.memory import BACKENDS, MemoryBackend
from adapters.unity import UnityAdapter, UnityConfig
from adapters.wandb import WandbAdapter, WandbConfig
from adapters.waypost import WaypostAdapter, WaypostConfig
from gateway.start import settle
from tests.adapters.waypost.gateways import Door, gateway, registry
from tests.benchmarks import Figure, benchmark, seconds, spread

LATENCY = 0.05
CONCURRENCY = 8
VERSIONS = 3
KEY = "bench-key"
SENT = ("authorization", "content-type")
"""Headers that the bare requests have of ours."""


@benchmark(sample=2, full=200, servers=True)
def kubeflow_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then again when nothing changed."""
    yield from _figures(_kubeflow, size, folder, lambda url: KubeflowAdapter(KubeflowConfig(url=url)), goal=5)


@benchmark(sample=2, full=300, servers=True)
def unity_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then what a scan reads in turn."""
    goal = 1 + 2 * 200 + 10
    yield from _figures(_unity, size, folder, lambda url: UnityAdapter(UnityConfig(url=url)), goal)


@benchmark(sample=2, full=200, servers=True)
def azureml_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then what a scan reads in turn."""
    place = {"subscription": "sub-1", "resource_group": "ml", "workspace": "risk", "token": KEY}
    goal = 1 + 200 + 10
    yield from _figures(
        _azureml, size, folder, lambda url: AzuremlAdapter(AzuremlConfig(**place, url=url)), goal
    )


@benchmark(sample=2, full=1_000, servers=True)
def wandb_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` collections of three versions, each request 50 ms away, one behind the other as its cursors ask for; then
    the same, which is all that a scan can do.
    """
    config = {"organization": "acme", "api_key": KEY}
    goal = size * VERSIONS // 100 + size // 100 + 2
    yield from _figures(
        _wandb, size, folder, lambda url: WandbAdapter(WandbConfig(**config, url=url)), goal, at_once=1
    )


@benchmark(sample=2, full=5_000, servers=True)
def waypost_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions in one registry of a real gateway, each request 50 ms away, one behind the other
    as its cursors ask for; then what a scan asks for when nothing changed.
    """
    yield from _figures(
        _waypost, size, folder, lambda url: WaypostAdapter(WaypostConfig(url=url)), goal=2, at_once=1
    )


Build = Callable[[int, Path], Iterator[EmulatedService]]
"""Makes a service of so many models, which keeps its files in a folder, and gives it once."""


def _kubeflow(size: int, folder: Path) -> Iterator[EmulatedService]:
    registry = KubeflowRegistry()
    for number in range(size * VERSIONS):
        registry.put(f"m{number // VERSIONS}")
    registry.clock = lambda now=registry.clock: now() + 3600  # type: ignore[misc]
    yield registry


def _unity(size: int, folder: Path) -> Iterator[EmulatedService]:
    metastore = Metastore()
    for number in range(size * VERSIONS):
        metastore.put(f"main.risk.m{number // VERSIONS}")
    yield metastore


def _azureml(size: int, folder: Path) -> Iterator[EmulatedService]:
    workspace = AzureWorkspace(token=KEY)
    for number in range(size * VERSIONS):
        workspace.put(f"m{number // VERSIONS}")
    yield workspace


def _wandb(size: int, folder: Path) -> Iterator[EmulatedService]:
    organization = Organization(key=KEY)
    organization.registry("model")
    for number in range(size * VERSIONS):
        organization.put(f"model/m{number // VERSIONS}")
    yield organization


def _waypost(size: int, folder: Path) -> Iterator[EmulatedService]:
    backend = BACKENDS.setdefault("bench", MemoryBackend(identity="memory:bench"))
    for number in range(size):
        model = backend.model(f"m{number}")
        for version in range(VERSIONS):
            backend.add_version(model, str(version + 1), metrics={"auc": 0.9}, tags={"env": "prod"})
    with gateway(folder / "peer", registry("own", "memory", backend="bench")) as peer:
        assert peer.sync("own") == "ok"
        yield Door(behind=peer.url)


@dataclass(frozen=True)
class Apart:
    """A service in a process of its own, as a real one is: what it takes to answer is not taken from who asks."""

    url: str
    _told: "Connection[float, list[ServiceRequest]]"

    def asked(self, latency: float) -> list[ServiceRequest]:
        """What was asked so far and not told yet; each later request is so many seconds away."""
        self._told.send(latency)
        return self._told.recv()


@contextmanager
def _apart(build: Build, size: int, folder: Path) -> Iterator[Apart]:
    processes = get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_served, args=(build, size, folder, theirs))
    process.start()
    theirs.close()
    try:
        yield Apart(ours.recv(), ours)
    finally:
        ours.close()  # which ends it
        process.join()


def _served(build: Build, size: int, folder: Path, told: "Connection[Any, float]") -> None:
    with contextmanager(build)(size, folder) as service, suppress(EOFError):
        server = serve(service)
        told.send(f"http://127.0.0.1:{server.server_port}")
        while True:
            service.latency = told.recv()
            told.send(service.asked[:])
            service.asked.clear()


@contextmanager
def _settled() -> Iterator[None]:
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _figures(
    build: Build,
    size: int,
    folder: Path,
    opened: Callable[[str], Adapter],
    goal: int,
    at_once: int = CONCURRENCY,
) -> Iterator[Figure]:
    with _apart(build, size, folder) as service, _settled():
        watermark = _scan(opened(service.url))
        asked = service.asked(LATENCY)
        bare, ours = list[float](), list[float]()
        for _ in range(5 if len(asked) > 20 else 1):
            bare.append(seconds(lambda: _bare(service.url, asked, at_once), times=1, warm_up=0).p50)
            ours.append(seconds(lambda: _scan(opened(service.url)), times=1, warm_up=0).p50)
        known, took = spread(bare).p50, spread(ours).p50
        yield Figure("requests of a first read", len(asked), "requests")
        yield Figure("first read, over the bare requests", took / known, "times", 1.25, ("bare, s", known))
        service.asked(LATENCY)
        _scan(opened(service.url), watermark)
        yield Figure("requests when nothing changed", len(service.asked(LATENCY)), "requests", goal)


def _bare(url: str, asked: list[ServiceRequest], at_once: int) -> None:
    """All of them, so many at once, in no order that one of them would have to wait for."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60.0) as client:

        def send(one: ServiceRequest) -> int:
            path = f"{one.path}?{urlencode(one.query, doseq=True)}" if one.query else one.path
            headers = {name: value for name, value in one.headers.items() if name in SENT}
            return client.request(one.method, path, headers=headers, content=one.body or None).status_code

        with ThreadPoolExecutor(at_once) as pool:
            assert set(pool.map(send, asked)) == {200}


def _scan(adapter: Adapter, since: str | None = None) -> str | None:
    """The watermark of a scan."""
    watermark = None
    for page in adapter.scan(since=since, limit=1000):
        assert not page.bad
        watermark = page.watermark
    adapter.close()
    return watermark
