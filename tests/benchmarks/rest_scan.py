"""A full scan of a REST registry beside the bare requests for its pages, each answered 50 ms later."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from adapters.emulators.rest.harness import PAGE, SHELF
from adapters.rest import RestAdapter, RestConfig
from tests.benchmarks import Figure, benchmark, seconds

LATENCY = 0.05
TOKEN = "bench-token"
PAGED = {**PAGE, "size_value": 50}


@benchmark(sample=4, full=400)
def rest_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of four versions in pages of 50, one request after the other, as its cursors ask for."""
    times = 5 if size > 10 else 1
    with shelf(size) as url:
        bare = seconds(lambda: bare_pages(url), times=times, warm_up=1)
        ours = seconds(lambda: scan(url, size), times=times, warm_up=1)
    yield Figure("full scan", ours.p50, "s", 1.25 * bare.p50, ("the bare requests", bare.p50))
    yield Figure("full scan, over the bare requests", ours.p50 / bare.p50, "times", goal=1.25)


@contextmanager
def shelf(models: int) -> Iterator[str]:
    """The emulator as a process of its own, and what it keeps; its address."""
    command = [sys.executable, "-m", "adapters.emulators.rest", "--port", "0", "--token", TOKEN]
    command += ["--latency", str(LATENCY), "--models", str(models), "--versions", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def bare_pages(url: str) -> None:
    """Every page of both listings, and nothing else."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        for path in ("/models", "/versions"):
            query: dict[str, Any] = {"limit": str(PAGED["size_value"])}
            while True:
                found = http.get(path, params=query).raise_for_status().json()
                if not found["next"]:
                    break
                query["cursor"] = found["next"]


def scan(url: str, models: int) -> None:
    """A full scan by an adapter that has never read anything."""
    lists = {name: {**SHELF[name], "page": PAGED} for name in ("models", "versions")}
    adapter = RestAdapter(RestConfig.model_validate({**SHELF, **lists, "url": url, "token": TOKEN}))
    records = sum(len(page.records) for page in adapter.scan(since=None, limit=1000))
    adapter.close()
    assert records == models * 5, f"{records} records are not all"
