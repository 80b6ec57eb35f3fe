"""What a gateway does with connections that say nothing, and how many it holds."""

import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from gateway.processes import most_connections
from tests.gateway.served import served
from tests.patience import readable

HEAD = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
KINDS = {"silent": b"", "half a head": HEAD, "kept alive": HEAD + b"\r\n"}


@pytest.mark.parametrize(
    ("soft", "most"), [(1024, 512), (20_000, 2048), (100, 64), (resource.RLIM_INFINITY, 2048)]
)
def test_connections_leave_descriptors_for_other_things(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, soft))
    assert most_connections() == most


def test_a_connection_that_says_nothing_is_closed_and_others_are_answered(tmp_path: Path) -> None:
    """With the real server, whose bound is made short for this."""
    with served(tmp_path / "gateway", head_within=1.0) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        held = {}
        for kind, said in KINDS.items():
            held[socket.create_connection(("127.0.0.1", port))] = kind
            list(held)[-1].sendall(said)
        assert gateway.client.get("/registries").is_success
        end = time.monotonic() + 60
        while held and time.monotonic() < end:
            for one in readable(held, 1.0):
                if not one.recv(4096):
                    one.close()
                    del held[one]
        assert held == {}


MANY = 300


def test_many_kept_connections_cost_little_and_others_are_answered(tmp_path: Path) -> None:
    with served(tmp_path / "gateway") as gateway:
        port = int(gateway.url.rpartition(":")[2])

        def memory() -> int:
            mine = psutil.Process().children(recursive=True)
            return sum(one.memory_info().rss for one in mine if one.is_running())

        assert gateway.client.get("/registries").is_success
        before = memory()
        with ExitStack() as held:
            for _ in range(MANY):
                one = held.enter_context(socket.create_connection(("127.0.0.1", port)))
                one.sendall(KINDS["kept alive"])
                assert one.recv(4096)
            assert gateway.client.get("/registries").is_success
            # Whatever else the processes take meanwhile; a connection's share is 13 KiB.
            assert memory() - before < MANY * 64 * 1024 + (16 << 20)
