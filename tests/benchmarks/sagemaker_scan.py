"""A scan of SageMaker beside the bare calls it cannot do without, at 50 ms injected latency."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from adapters.sagemaker import SageMakerAdapter, SageMakerConfig
from tests.benchmarks import Figure, benchmark

LATENCY = 0.05
"""Seconds, added to every answer."""
GROUPS = 20
THREADS = 16
TIMES = 3
IN_ORDER = {"SortBy": "CreationTime", "SortOrder": "Ascending"}


@benchmark(sample=40, full=1_000)
def sagemaker_scan(size: int, folder: Path) -> Iterator[Figure]:
    """A full scan of `size` packages, through Search and where Search is forbidden."""
    with emulator() as url:
        boto = client(url)
        arns = seed(boto, size)
        control(url, latency=LATENCY)
        bare, ours = best(lambda: pages(boto)), best_scan(url, size)
        yield Figure("full scan", ours, "s", goal=1.2 * bare, comparison=("the bare Search pages", bare))
        control(url, deny=["Search"])
        bare, ours = best(lambda: describe(boto, arns)), best_scan(url, size)
        named = f"bare describes in {THREADS} threads"
        yield Figure("full scan without Search", ours, "s", goal=1.2 * bare, comparison=(named, bare))
        adapter = SageMakerAdapter(config(url))
        mark = whole(adapter, None)[1]
        quiet = best(lambda: whole(adapter, mark))
        yield Figure("incremental scan without Search, nothing changed", quiet, "s")
        adapter.close()


@contextmanager
def emulator() -> Iterator[str]:
    """The emulator as a process; its address."""
    command = [sys.executable, "-m", "adapters.emulators.sagemaker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def client(url: str) -> Any:
    """The vendor's own client with as many connections as threads."""
    return boto3.client(
        "sagemaker",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench",
        config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}),
    )


def control(url: str, **faults: Any) -> None:
    """Change what the emulator does."""
    httpx.post(f"{url}/control", json=faults, timeout=10, trust_env=False).raise_for_status()


def seed(boto: Any, size: int) -> list[str]:
    """So many packages in twenty groups, as a team would have them; their ARNs."""
    for number in range(GROUPS):
        boto.create_model_package_group(ModelPackageGroupName=f"model-{number}")

    def create(number: int) -> str:
        container = {
            "Image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1",
            "ModelDataUrl": f"s3://models/{number}/model.tar.gz",
        }
        made = boto.create_model_package(
            ModelPackageGroupName=f"model-{number % GROUPS}",
            ModelPackageDescription="Ranks offers by the likelihood of a click.",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            CustomerMetadataProperties={"owner": "ads", "run": str(number)},
            MetadataProperties={"CommitId": "5ae73ee", "Repository": "git@example.com:ads/ranking"},
            ModelLifeCycle={"Stage": "Development", "StageStatus": "Ready"},
        )
        return str(made["ModelPackageArn"])

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(create, range(size)))


def pages(boto: Any) -> None:
    """Every package through Search, a hundred a page, and nothing else."""
    params: dict[str, Any] = {"Resource": "ModelPackage", "MaxResults": 100, **IN_ORDER}
    while True:
        found = boto.search(**params)
        if "NextToken" not in found:
            return
        params["NextToken"] = found["NextToken"]


def describe(boto: Any, arns: list[str]) -> None:
    """Every package described in a pool of threads, and nothing else."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda arn: boto.describe_model_package(ModelPackageName=arn), arns):
            pass


def config(url: str) -> SageMakerConfig:
    """The registry's configuration."""
    return SageMakerConfig.model_validate(
        {
            "region": "eu-west-1",
            "endpoint_url": url,
            "access_key_id": "AKIDBENCH",
            "secret_access_key": "bench",
        }
    )


def best_scan(url: str, size: int) -> float:
    """The seconds of a full scan by an adapter that is connected, as the bare client is, but has never scanned."""
    taken = []
    for _ in range(TIMES):
        adapter = SageMakerAdapter(config(url))
        adapter.probe()
        began = time.perf_counter()
        count, _watermark = whole(adapter, None)
        taken.append(time.perf_counter() - began)
        assert count == size + GROUPS
        adapter.close()
    return min(taken)


def whole(adapter: SageMakerAdapter, since: str | None) -> tuple[int, str | None]:
    """How many records a scan gives, and its watermark."""
    count, watermark = 0, None
    for page in adapter.scan(since=since, limit=1000):
        count, watermark = count + len(page.records), page.watermark
    return count, watermark


def best(work: Callable[[], object]) -> float:
    """The seconds of the fastest of a few runs: the others were disturbed."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)
