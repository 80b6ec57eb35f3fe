"""How much longer a first read of an emulated service takes than the same requests and nothing else, kind by kind."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import httpx

from adapters import Adapter
from adapters.emulators.kubeflow import KubeflowRegistry
from adapters.emulators.services import EmulatedService, ServiceRequest, serve
from adapters.emulators.unity import Metastore
from adapters.kubeflow import KubeflowAdapter, KubeflowConfig
from adapters.unity import UnityAdapter, UnityConfig
from tests.benchmarks import Figure, benchmark, seconds

LATENCY = 0.05
CONCURRENCY = 8
VERSIONS = 3


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


def _figures(service: EmulatedService, opened: Callable[[str], Adapter], goal: int) -> Iterator[Figure]:
    server = serve(service)
    url = f"http://127.0.0.1:{server.server_port}"
    watermark = _scan(opened(url))
    asked = service.asked[:]
    service.latency = LATENCY
    times = 5 if len(asked) > 20 else 1
    bare = seconds(lambda: _bare(url, asked), times=times, warm_up=0)
    ours = seconds(lambda: _scan(opened(url)), times=times, warm_up=0)
    yield Figure("requests of a first read", len(asked), "requests")
    yield Figure(
        "first read, over the bare requests", ours.p50 / bare.p50, "times", 1.25, ("bare, s", bare.p50)
    )
    service.asked.clear()
    _scan(opened(url), watermark)
    yield Figure("requests when nothing changed", len(service.asked), "requests", goal)
    server.shutdown()


def _bare(url: str, asked: list[ServiceRequest]) -> None:
    """All of them, in no order that one of them would have to wait for."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60.0) as client:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            paths = [f"{one.path}?{urlencode(one.query, doseq=True)}" for one in asked]
            assert all(one.status_code == 200 for one in pool.map(client.get, paths))


def _scan(adapter: Adapter, since: str | None = None) -> str | None:
    """The watermark of a scan."""
    watermark = None
    for page in adapter.scan(since=since, limit=1000):
        assert not page.bad
        watermark = page.watermark
    adapter.close()
    return watermark
