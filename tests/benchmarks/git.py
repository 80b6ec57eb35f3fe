"""A first full read of a git repository beside the bare requests it cannot do without, at 50 ms injected latency."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx

from adapters.emulators.git import GitRepository, GitServer
from adapters.git import GitAdapter, GitConfig
from tests.benchmarks import Figure, benchmark

LATENCY = 0.05
"""Seconds, added to every answer."""
PER_MODEL = 20
TIMES = 3
DESCRIBED = (
    "artifacts: {{{name}: {{path: model.bin, type: model, desc: Number {number}, labels: [nightly]}}}}"
)


@benchmark(sample=5, full=2_000)
def git(size: int, folder: Path) -> Iterator[Figure]:
    """A repository with `size` versions, each described by a file of its own, and as many stages."""
    repository = GitRepository(folder / "models.git")
    for number in range(size):
        name = f"model{number // PER_MODEL}"
        files = {"dvc.yaml": DESCRIBED.format(name=name, number=number)}
        tags = {f"{name}@v{number}.0.0": "made", f"{name}#prod#{number + 1}": "used"}
        repository.commit(files, tags=tags)
    repository.git("pack-refs", "--all")
    with closing(GitServer(folder, delay=LATENCY)) as server:
        url = f"{server.url}/models.git"
        bare, ours = best(lambda: asked(url)), best(lambda: read(url, size))
        named = "the list of refs, and git's own shallow fetch of all tags"
        yield Figure("first full read", ours, "s", goal=1.25 * bare, comparison=(named, bare))
        with closing(GitAdapter(GitConfig(url=url))) as adapter:
            mark = [page.watermark for page in adapter.scan(since=None, limit=1000)][-1]
            server.requests.clear()
            quiet = best(lambda: list(adapter.scan(since=mark, limit=1000)))
            yield Figure("scan when nothing changed", quiet, "s")
            yield Figure("requests when nothing changed", len(server.requests) / TIMES, "requests", goal=1)


def best(call: Callable[[], object]) -> float:
    """Seconds of the quickest of a few calls."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def asked(url: str) -> None:
    """The list of refs, then everything that the tags lead to."""
    httpx.get(f"{url}/info/refs", params={"service": "git-upload-pack"}, trust_env=False).raise_for_status()
    given = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    with tempfile.TemporaryDirectory() as into:
        subprocess.run(["git", "init", "--quiet", "--bare", into], check=True, env=given)
        fetch = [
            "git",
            "-C",
            into,
            "fetch",
            "--quiet",
            "--depth=1",
            "--filter=blob:limit=64k",
            "--no-auto-gc",
        ]
        subprocess.run(
            [*fetch, url, "refs/tags/*:refs/tags/*", "HEAD:refs/heads/head"], check=True, env=given
        )


def read(url: str, versions: int) -> None:
    """A first scan by a new adapter."""
    with closing(GitAdapter(GitConfig(url=url))) as adapter:
        records = [record for page in adapter.scan(since=None, limit=1000) for record in page.records]
    assert len(records) == versions + -(-versions // PER_MODEL)
