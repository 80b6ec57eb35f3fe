"""Moto's AWS server: SageMaker, IAM, S3 and the rest, over real HTTP."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.demo.servers import Server, answers, reserved_port, server


@contextmanager
def moto_server(folder: Path) -> Iterator[Server]:
    """About 2 s until it answers. Any access key will do, region and account are what the client says."""
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as number:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(number)]
        with server(
            "moto",
            command,
            port=number,
            log=folder / "server.log",
            ready=lambda: answers(f"http://127.0.0.1:{number}/moto-api/data.json"),
        ) as running:
            yield running


def reset(running: Server) -> None:
    """Forget everything in every account."""
    httpx.post(f"{running.url}/moto-api/reset", timeout=60, trust_env=False).raise_for_status()
