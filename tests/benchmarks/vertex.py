"""How much longer a scan of Vertex AI takes than the same calls made with the vendor's own client."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1

from adapters.emulators.vertex import call_control
from adapters.vertex import VertexAdapter, VertexConfig
from tests.adapters.vertex.vendor import TIMEOUT, Vendor
from tests.benchmarks import Figure, benchmark, seconds

VERSIONS = 4
LATENCY = 0.02
CONCURRENCY = 16
PROJECT, LOCATION = "bench", "us-central1"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"


@benchmark(sample=3, full=250)
def vertex_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of four versions, each call 20 ms away, by 16 at once: with evaluations and without."""
    times = 7 if size > 10 else 1
    with emulator() as address:
        vendor = Vendor(address, PARENT)
        seed(vendor, size)
        call_control(address, latency=LATENCY)
        for evaluations in (False, True):
            bare = seconds(lambda e=evaluations: bare_calls(vendor, e), times=times, warm_up=1)  # type: ignore[misc]
            ours = seconds(lambda e=evaluations: scan(address, size, e), times=times, warm_up=1)  # type: ignore[misc]
            what = "with every version's evaluations" if evaluations else "without evaluations"
            yield Figure(f"scan {what}", ours.p50, "s", bare.p50 * 1.25, ("the bare calls", bare.p50))
            yield Figure(f"scan {what}, over the bare calls", ours.p50 / bare.p50, "times", goal=1.25)
        vendor.close()


@contextmanager
def emulator() -> Iterator[str]:
    """The emulator as a process of its own; its address."""
    command = [sys.executable, "-m", "adapters.emulators.vertex", "--project", PROJECT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def seed(vendor: Vendor, size: int) -> None:
    """Models with what real ones carry; the last version of every tenth is evaluated and serves."""
    fields: dict[str, Any] = {
        "labels": {"team": "risk", "data": "q3"},
        "container_spec": {"image_uri": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-3:latest"},
        "version_description": "trained on the third quarter",
    }
    endpoint = vendor.endpoint("live")
    for number in range(size):
        for _ in range(VERSIONS):
            vendor.upload(f"model-{number}", **fields)
        if number % 10 == 0:
            vendor.evaluate(f"model-{number}@{VERSIONS}", {"auc": 0.9, "loss": 0.1})
            vendor.deploy(endpoint, f"model-{number}@{VERSIONS}", {})


def bare_calls(vendor: Vendor, evaluations: bool) -> None:
    """What a scan has to ask for, and nothing else: no record is made."""
    listing = v1.ListModelsRequest(parent=PARENT, page_size=100, order_by="create_time")
    names = [model.name for model in vendor.models.list_models(listing, timeout=TIMEOUT)]

    def versions(name: str) -> list[str]:
        request = v1.ListModelVersionsRequest(name=name, page_size=100)
        return [version.name for version in vendor.models.list_model_versions(request, timeout=TIMEOUT)]

    def evaluations_of(version: str) -> list[Any]:
        return list(vendor.models.list_model_evaluations(parent=version, timeout=TIMEOUT))

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        found = [name for several in pool.map(versions, names) for name in several]
        if evaluations:
            list(pool.map(evaluations_of, found))
    list(vendor.endpoints.list_endpoints(parent=PARENT, timeout=TIMEOUT))


def scan(address: str, size: int, evaluations: bool) -> None:
    """A full scan by an adapter that has never read anything."""
    config = VertexConfig(
        project=PROJECT,
        location=LOCATION,
        endpoint=address,
        concurrency=CONCURRENCY,
        evaluations=evaluations,
        quota_per_minute=1_000_000,
    )
    adapter = VertexAdapter(config)
    records = sum(len(page.records) for page in adapter.scan(since=None, limit=1000))
    adapter.close()
    assert records == size * (1 + VERSIONS) + 1, f"{records} records are not all"
