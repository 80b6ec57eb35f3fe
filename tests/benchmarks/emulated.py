"""How much longer a first read of an emulated service takes than the same requests and nothing else, kind by kind."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
from tests.adapters.waypost.gateways import Door, gateway, registry
from tests.benchmarks import Figure, benchmark, seconds

LATENCY = 0.05
CONCURRENCY = 8
VERSIONS = 3
KEY = "bench-key"
SENT = ("authorization", "content-type")
"""Headers that the bare requests have of ours."""


@benchmark(sample=2, full=200, servers=True)
def kubeflow_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then again when nothing changed."""
    registry = KubeflowRegistry()
    for number in range(size * VERSIONS):
        registry.put(f"m{number // VERSIONS}")
    registry.clock = lambda now=registry.clock: now() + 3600  # type: ignore[misc]
    yield from _figures(registry, lambda url: KubeflowAdapter(KubeflowConfig(url=url)), goal=5)


@benchmark(sample=2, full=300, servers=True)
def unity_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then what a scan reads in turn."""
    metastore = Metastore()
    for number in range(size * VERSIONS):
        metastore.put(f"main.risk.m{number // VERSIONS}")
    yield from _figures(metastore, lambda url: UnityAdapter(UnityConfig(url=url)), goal=1 + 2 * 200 + 10)


@benchmark(sample=2, full=200, servers=True)
def azureml_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions, each request 50 ms away, by 8 at once; then what a scan reads in turn."""
    workspace = AzureWorkspace(token=KEY)
    for number in range(size * VERSIONS):
        workspace.put(f"m{number // VERSIONS}")
    place = {"subscription": "sub-1", "resource_group": "ml", "workspace": "risk", "token": KEY}
    yield from _figures(
        workspace, lambda url: AzuremlAdapter(AzuremlConfig(**place, url=url)), goal=1 + 200 + 10
    )


@benchmark(sample=2, full=1_000, servers=True)
def wandb_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` collections of three versions, each request 50 ms away, one behind the other as its cursors ask for; then
    the same, which is all that a scan can do.
    """
    organization = Organization(key=KEY)
    organization.registry("model")
    for number in range(size * VERSIONS):
        organization.put(f"model/m{number // VERSIONS}")
    config = {"organization": "acme", "api_key": KEY}
    yield from _figures(
        organization,
        lambda url: WandbAdapter(WandbConfig(**config, url=url)),
        goal=size * VERSIONS // 100 + size // 100 + 2,
        at_once=1,
    )


@benchmark(sample=2, full=5_000, servers=True)
def waypost_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of three versions in one registry of a real gateway, each request 50 ms away, one behind the other
    as its cursors ask for; then what a scan asks for when nothing changed.
    """
    backend = BACKENDS.setdefault("bench", MemoryBackend(identity="memory:bench"))
    for number in range(size):
        model = backend.model(f"m{number}")
        for version in range(VERSIONS):
            backend.add_version(model, str(version + 1), metrics={"auc": 0.9}, tags={"env": "prod"})
    with gateway(folder / "peer", registry("own", "memory", backend="bench")) as peer:
        assert peer.sync("own") == "ok"
        door = Door(behind=peer.url)
        yield from _figures(door, lambda url: WaypostAdapter(WaypostConfig(url=url)), goal=2, at_once=1)
        door.client.close()
    del BACKENDS["bench"]


def _figures(
    service: EmulatedService, opened: Callable[[str], Adapter], goal: int, at_once: int = CONCURRENCY
) -> Iterator[Figure]:
    server = serve(service)
    url = f"http://127.0.0.1:{server.server_port}"
    watermark = _scan(opened(url))
    asked = service.asked[:]
    service.latency = LATENCY
    times = 5 if len(asked) > 20 else 1
    bare = seconds(lambda: _bare(url, asked, at_once), times=times, warm_up=0)
    ours = seconds(lambda: _scan(opened(url)), times=times, warm_up=0)
    yield Figure("requests of a first read", len(asked), "requests")
    yield Figure(
        "first read, over the bare requests", ours.p50 / bare.p50, "times", 1.25, ("bare, s", bare.p50)
    )
    service.asked.clear()
    _scan(opened(url), watermark)
    yield Figure("requests when nothing changed", len(service.asked), "requests", goal)
    server.shutdown()
    server.server_close()


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
