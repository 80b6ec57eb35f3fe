"""How much longer the first full read of a Hub takes than the same requests made bare, and what the next one costs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from adapters.http import NEXT_LINK
from adapters.huggingface import HuggingFaceAdapter, HuggingFaceConfig
from adapters.outgoing import HttpAnswer, Pool
from tests.benchmarks import Figure, benchmark, seconds

LATENCY = 0.05
CONCURRENCY = 8
TOKEN = "hf_bench"


@benchmark(sample=5, full=1000, servers=True)
def huggingface_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` repositories with a tag, each request 50 ms away, by 8 at once; then again when nothing changed."""
    times = 5 if size > 20 else 1
    with emulator(size) as url:
        bare = seconds(lambda: bare_requests(url), times=times, warm_up=1)
        ours = seconds(lambda: scan(url), times=times, warm_up=1)
        yield Figure("first full read", ours.p50, "s", bare.p50 * 1.25, ("the bare requests", bare.p50))
        yield Figure("first full read, over the bare requests", ours.p50 / bare.p50, "times", goal=1.25)
        yield Figure("requests when nothing changed", quiet_requests(url), "requests", goal=3)


@contextmanager
def emulator(size: int) -> Iterator[str]:
    """The Hub as a process of its own; its address."""
    options = ["--models", str(size), "--latency", str(LATENCY), "--token", TOKEN, "--port", "0"]
    command = [sys.executable, "-m", "adapters.emulators.huggingface", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def opened(url: str) -> HuggingFaceAdapter:
    """A new adapter: it remembers nothing."""
    config = HuggingFaceConfig(url=url, token=TOKEN, authors=("acme",), concurrency=CONCURRENCY, settle=0)
    return HuggingFaceAdapter(config)


def scan(url: str, since: str | None = None) -> str:
    """One scan; its watermark."""
    adapter = opened(url)
    *_, last = adapter.scan(since=since, limit=1000)
    adapter.close()
    assert last.watermark is not None
    return last.watermark


def quiet_requests(url: str) -> int:
    """Requests of a scan of a Hub in which nothing changed since the one before."""
    mark, asked = scan(url), []
    adapter = opened(url)
    adapter.observe(lambda method, path, status, took: asked.append(path))
    list(adapter.scan(since=mark, limit=1000))
    adapter.close()
    return len(asked)


def bare_requests(url: str) -> None:
    """The pages one after another, and the refs of every repository, over the same connections that we use."""
    pool = Pool(connections=CONCURRENCY)
    expand = [
        "sha",
        "lastModified",
        "createdAt",
        "cardData",
        "baseModels",
        "tags",
        "private",
        "gated",
        "safetensors",
    ]
    query = urlencode({"author": "acme", "sort": "createdAt", "limit": 500, "expand": expand}, doseq=True)

    def asked(address: str) -> HttpAnswer:
        headers, deadline = {"Authorization": f"Bearer {TOKEN}"}, time.monotonic() + 60
        return pool.request("GET", address, headers=headers, deadline=deadline, most=1 << 26)

    names: list[str] = []
    following: str | None = f"{url}/api/models?{query}"
    while following:
        answer = asked(following)
        names += [row["id"] for row in json.loads(answer.body)]
        link = NEXT_LINK.search(answer.headers.get("link", ""))
        following = link[1] if link else None
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        for answer in threads.map(lambda name: asked(f"{url}/api/models/{name}/refs"), names):
            json.loads(answer.body)
    pool.close()
