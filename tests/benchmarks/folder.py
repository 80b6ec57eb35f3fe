"""How much longer the first scan of a share takes than reading and digesting the same files, and one without change."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.emulators.folder import Shelves, safetensors
from adapters.folder import FolderAdapter, FolderConfig
from tests.benchmarks import Figure, benchmark, seconds

VERSIONS, CONCURRENCY = 4, 8
WEIGHTS = 16 << 20
"""Bytes of each version's weights."""


@benchmark(sample=1, full=10)
def folder_scan(size: int, folder: Path) -> Iterator[Figure]:
    """`size` models of four versions of 16 MiB with a sidecar each: the first scan, and one of what it left known."""
    shelves, times = Shelves(folder / "share"), 5 if size > 1 else 1
    for number in range(size * VERSIONS):
        body = safetensors({"format": "pt"}, (WEIGHTS // 4,))
        shelves.put(f"model {number // VERSIONS}", files={"model.safetensors": body}, stage="production")
    config = FolderConfig(path=shelves.path, settle=0, concurrency=CONCURRENCY)
    bare = seconds(lambda: read_all(shelves.path), times=times, warm_up=1)
    ours = seconds(lambda: scan(FolderAdapter(config), size), times=times, warm_up=1)
    yield Figure("first scan", ours.p50, "s", 1.25 * bare.p50, ("the files read and digested", bare.p50))
    yield Figure("first scan, over bare reading", ours.p50 / bare.p50, "times", goal=1.25)
    adapter = FolderAdapter(config)
    scan(adapter, size)
    quiet = seconds(lambda: scan(adapter, size), times=times)
    yield Figure("a scan without change, each version", 1e6 * quiet.p50 / (size * VERSIONS), "us")


def scan(adapter: FolderAdapter, size: int) -> None:
    """Everything, once."""
    records = sum(len(page.records) for page in adapter.scan(since=None, limit=1000))
    assert records == size * (1 + VERSIONS), f"{records} records are not all"


def read_all(path: Path) -> None:
    """Each file read and digested, by as many threads."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(digest, [file for file in path.rglob("*") if file.is_file()]))


def digest(file: Path) -> str:
    """As `hashlib` does it."""
    with file.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()
