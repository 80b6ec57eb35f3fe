"""How much longer a first read of an OCI registry takes than the same requests and nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from adapters.emulators.oci import OciRegistry, serve
from adapters.emulators.oci.pushing import Pusher
from adapters.oci import OciAdapter, OciConfig
from adapters.oci.client import ACCEPT
from tests.benchmarks import Figure, benchmark, seconds

TAGS = 10
LATENCY = 0.05
CONCURRENCY = 8


@benchmark(sample=2, full=60)
def oci_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` repositories of ten tags, each request 50 ms away, by 8 at once: the first read, and one more."""
    times = 5 if size > 10 else 1
    registry = OciRegistry()
    server = serve(registry)
    url = f"http://127.0.0.1:{server.server_port}"
    with Pusher(url) as pusher:
        for number in range(size * TAGS):
            pusher.modelpack(f"models/m{number // TAGS:03}", f"1.0.{number % TAGS}", seed=str(number))
    registry.asked.clear()
    adapter = scan(url)
    asked = registry.asked[:]
    registry.asked.clear()
    scan(url, adapter)
    again = registry.asked[:]
    registry.delay = LATENCY
    for what, requests, call in (
        ("first read", asked, lambda: scan(url)),
        ("read when nothing changed", again, lambda: scan(url, adapter)),
    ):
        bare = seconds(lambda each=requests: bare_requests(url, each), times=times, warm_up=0)  # type: ignore[misc]
        ours = seconds(call, times=times, warm_up=0)
        yield Figure(f"requests of a {what}", len(requests), "requests")
        yield Figure(
            f"{what}, over the bare requests", ours.p50 / bare.p50, "times", 1.25, ("bare, s", bare.p50)
        )
    server.shutdown()
    server.server_close()


def bare_requests(url: str, asked: list[str]) -> None:
    """All of them, in no order that one of them would have to wait for."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60.0, headers=ACCEPT) as client:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            answers = pool.map(lambda one: client.request(*one.split(" ")), asked)
            assert all(one.status_code == 200 or "/referrers/" in str(one.url) for one in answers)


def scan(url: str, adapter: OciAdapter | None = None) -> OciAdapter:
    """A full scan by an adapter, which has never read anything where none is given."""
    adapter = adapter or OciAdapter(OciConfig(url=url, concurrency=CONCURRENCY))
    for page in adapter.scan(since=None, limit=1000):
        assert not page.bad
    adapter.close()
    return adapter
