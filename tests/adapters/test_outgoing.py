"""What a registry's calls may reach: over real sockets, for every way in which adapters speak to backends."""

import contextlib
import gc
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import suppress
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from adapters import AdapterError, InvalidError, Key, TransientError, pacing
from adapters.emulators.vertex import VertexEmulator
from adapters.http import Endpoint, HttpClient
from adapters.outgoing import Pool
from adapters.sagemaker import SageMakerAdapter
from adapters.vertex import VertexAdapter, VertexConfig
from adapters.vertex.client import pin
from tests.adapters.sagemaker import aws
from tests.servers.certificates import certificate
from tests.servers.peer import Peer, reply

HOST = "backend.test"
HERE = ip_network("127.0.0.1/32")
GROUP = "arn:aws:sagemaker:eu-west-1:111122223333:model-package-group/x#1767225600000"
ELSEWHERE = ip_network("10.0.0.0/8")
two_loopbacks = pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")


def trickle(connection: socket.socket) -> None:
    """Never silent for long, never at an end."""
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nContent-Type: application/json\r\n\r\n"
    )
    while True:
        connection.sendall(b" ")
        time.sleep(0.02)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names mean to this process, beside what the system says."""
    told: dict[str, str] = {}
    asked = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        return asked(told.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return told


@pytest.fixture
def http() -> Iterator[Callable[..., Callable[[], Any]]]:
    made: list[HttpClient] = []

    def make(port: int, **settings: Any) -> Callable[[], Any]:
        known: dict[str, Any] = {"timeout": 5.0, "max_bytes": 2**24, **settings}
        made.append(HttpClient(Endpoint(url=f"http://{HOST}:{port}", **known), sleep=lambda seconds: None))
        return lambda: made[-1].get("/models")

    yield make
    for client in made:
        client.close()


@pytest.fixture
def sagemaker() -> Iterator[Callable[..., Callable[[], Any]]]:
    made: list[SageMakerAdapter] = []

    def make(port: int, **settings: Any) -> Callable[[], Any]:
        made.append(SageMakerAdapter(aws.config(f"http://{HOST}:{port}", **settings)))
        # One call and no other beside it, as a scan would make: so nobody comes after the answer.
        return lambda: made[-1].get(Key("model", GROUP))

    yield make
    for adapter in made:
        adapter.close()


@pytest.fixture(params=["http", "sagemaker"])
def caller(request: pytest.FixtureRequest) -> Callable[..., Callable[[], Any]]:
    """Makes a call to `HOST` at this port: through the client of every REST adapter, and through boto3."""
    made: Callable[..., Callable[[], Any]] = request.getfixturevalue(request.param)
    return made


def test_a_name_that_means_a_forbidden_address_is_told_nothing(
    caller: Callable[..., Callable[[], Any]], names: dict[str, str]
) -> None:
    names[HOST] = "127.0.0.1"
    with Peer(reply("200 OK")) as peer:
        with pytest.raises(AdapterError, match=r"outside `?allowed_networks"):
            caller(peer.port, allowed_networks=(ELSEWHERE,))()
        assert peer.received == []


@two_loopbacks
def test_a_name_that_comes_to_mean_a_forbidden_address_is_told_nothing(
    caller: Callable[..., Callable[[], Any]], names: dict[str, str]
) -> None:
    names[HOST] = "127.0.0.1"
    closing = reply("500 X", b"{}", "Connection: close")
    with Peer(closing) as peer, Peer(closing, "127.0.0.2", peer.port) as inside:
        call = caller(peer.port, allowed_networks=(HERE,))
        with pytest.raises(TransientError):
            call()
        asked = peer.accepted
        assert asked > 0
        names[HOST] = "127.0.0.2"
        with pytest.raises(AdapterError, match=r"outside `?allowed_networks"):
            call()
        assert (peer.accepted, inside.received) == (asked, [])


def test_a_redirect_leads_nowhere(caller: Callable[..., Callable[[], Any]], names: dict[str, str]) -> None:
    names[HOST] = "127.0.0.1"
    with Peer(reply("200 OK")) as inside:
        there = f"Location: http://127.0.0.1:{inside.port}/latest/meta-data/"
        for status in ("301 X", "302 X", "307 X", "308 X"):
            with Peer(reply(status, b"{}", there)) as peer:
                with pytest.raises(AdapterError):
                    caller(peer.port)()
                assert peer.received != []
        assert inside.received == []


def test_a_trickling_answer_ends_at_the_timeout(
    caller: Callable[..., Callable[[], Any]], names: dict[str, str]
) -> None:
    names[HOST] = "127.0.0.1"
    started = time.monotonic()
    with Peer(trickle) as peer, pytest.raises(TransientError, match="still"):
        caller(peer.port, timeout=1)()
    assert time.monotonic() - started < 20


def test_a_proxy_of_the_environment_does_not_dial_for_a_registry_with_allowed_networks(
    caller: Callable[..., Callable[[], Any]], names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names[HOST] = "127.0.0.1"
    with Peer(reply("200 OK")) as proxy, Peer(reply("200 OK", b'{"Results": []}')) as peer:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with suppress(AdapterError):
            caller(peer.port, allowed_networks=(HERE,))()
        assert peer.received != []
        assert proxy.received == []


@two_loopbacks
def test_a_role_is_not_asked_for_outside_of_the_allowed_networks(
    sagemaker: Callable[..., Callable[[], Any]],
) -> None:
    with Peer(reply("200 OK")) as peer, Peer(reply("200 OK"), "127.0.0.2") as sts:
        call = sagemaker(
            peer.port,
            role_arn="arn:aws:iam::123456789012:role/waypost-reader",
            sts_endpoint_url=f"http://127.0.0.2:{sts.port}",
            allowed_networks=(HERE,),
        )
        with pytest.raises(AdapterError, match="outside `allowed_networks`"):
            call()
        assert (peer.received, sts.received) == ([], [])


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was rested, each time."""
    found: list[float] = []
    monkeypatch.setattr(pacing, "sleep", found.append)
    monkeypatch.setattr(pacing, "SHORTEST", 0.0)
    monkeypatch.setattr(pacing, "LOOK", 60.0)
    return found


@pytest.mark.parametrize(
    ("caller", "times"), [("http", 1), ("sagemaker", 2)], indirect=["caller"]
)  # boto3 reads once more what was looked at
def test_a_large_answer_is_paced(
    caller: Callable[..., Callable[[], Any]], times: int, names: dict[str, str], rests: list[float]
) -> None:
    names[HOST] = "127.0.0.1"
    for size, expected in ((pacing.LARGE // 2, 0), (pacing.LARGE, times)):
        body = b'{"ModelPackageGroupDescription": "' + b"x" * size + b'"}'
        with Peer(reply("200 OK", body)) as peer:
            with suppress(AdapterError):
                caller(peer.port)()
            assert len(peer.received) == 1
        assert len(rests) == expected


def test_a_large_answer_of_vertex_is_paced(rests: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    with VertexEmulator() as emulator:
        config = VertexConfig(project=emulator.project, location=emulator.location, endpoint=emulator.address)
        adapter = VertexAdapter(config)
        adapter.probe()
        assert not rests
        monkeypatch.setattr("adapters.vertex.client.LARGE", -1)
        adapter.probe()
        assert rests
        adapter.close()


@two_loopbacks
def test_vertex_is_dialled_where_it_was_checked_and_not_where_the_name_leads_later(
    names: dict[str, str],
) -> None:
    names["localhost"] = "127.0.0.2"  # gRPC asks the system by itself, and is told 127.0.0.1
    with VertexEmulator() as emulator:
        adapter = VertexAdapter(
            VertexConfig(
                project=emulator.project,
                location=emulator.location,
                endpoint=f"localhost:{emulator.address.rpartition(':')[2]}",
                timeout=2.0,
                allowed_networks=(ip_network("127.0.0.2/32"),),
            )
        )
        with pytest.raises(TransientError):
            adapter.probe()
        assert not emulator.faults.calls
        names["localhost"] = "127.0.0.1"
        with pytest.raises(InvalidError, match=r"127\.0\.0\.1, which is outside `allowed_networks`"):
            adapter.probe()
        assert not emulator.faults.calls
        adapter.close()


@pytest.mark.parametrize(("name", "is_right"), [("aiplatform.test", True), ("other.test", False)])
def test_a_pinned_address_still_has_to_show_the_certificate_of_the_name(
    name: str, is_right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = certificate("aiplatform.test")
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(private, public)]))
    server.start()
    with Peer(reply("200 OK")) as proxy:
        for variable in ("https_proxy", "http_proxy", "grpc_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        target, options = pin(name, port, ["127.0.0.1"])
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(public), options) as channel:
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary("/nowhere/Nothing")(b"", timeout=30)
        assert proxy.received == []
    server.stop(None)
    expected = grpc.StatusCode.UNIMPLEMENTED if is_right else grpc.StatusCode.UNAVAILABLE
    assert raised.value.code() is expected


def test_every_allowed_address_of_one_family_is_pinned() -> None:
    assert pin("a.test", 443, ["10.0.0.1", "10.0.0.2", "fd00::1"])[0] == "ipv4:10.0.0.1:443,10.0.0.2:443"
    assert pin("a.test", 443, ["fd00::1"])[0] == "ipv6:[fd00::1]:443"


def test_a_pool_that_is_forgotten_in_a_cycle_leaves_no_connection_open() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        connected = socket.create_connection(server.getsockname())
        pool: Any = Pool()
        pool._idle.append(SimpleNamespace(close=connected.close))
        pool.itself = pool
        del pool
        gc.collect()
        assert connected.fileno() == -1
