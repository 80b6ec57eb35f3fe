"""The HTTP client against a server that misbehaves on purpose, over real sockets."""

import gzip
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.http import Endpoint, HttpClient, Reply, RetryBudget, TooLargeError
from adapters.outgoing import is_allowed
from adapters.parsing import holds_more_values
from tests.servers.certificates import certificate

PASSWORD = "hunter2-of-the-registry"
Script = Callable[[socket.socket, bytes], None]


class Server:
    """Answers each connection's request with the next script, the last one for ever."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        self.tls = tls
        self.scripts: list[Script] = []
        self.requests: list[bytes] = []
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self._start(self._accept)

    def then(self, *scripts: Script) -> None:
        self.scripts.extend(scripts)

    def stop(self) -> None:
        self.stopping.set()
        with socket.create_connection(self.listener.getsockname()):
            pass
        for thread in self.threads:
            thread.join(60)
        self.listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            if self.stopping.is_set():
                connection.close()
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with (
            suppress(OSError),
            self.tls.wrap_socket(connection, True) if self.tls else connection as connection,
        ):
            request = connection.recv(65536)
            if request.startswith(b"POST") and not request.partition(b"\r\n\r\n")[2]:
                request += connection.recv(65536)
            if request:
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                self.requests.append(request)
                script(connection, request)


def answer(status: int, body: bytes, *headers: str, content_type: str = "application/json") -> Script:
    head = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        f"Content-Type: {content_type}",
        "Connection: close",
    ]
    payload = "\r\n".join([*head, *headers, "", ""]).encode() + body
    return lambda connection, request: connection.sendall(payload)


def hang(connection: socket.socket, request: bytes) -> None:
    connection.settimeout(60)
    connection.recv(1)


def reset_mid_body(connection: socket.socket, request: bytes) -> None:
    connection.sendall(
        b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n{"half":'
    )
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def endless(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        connection.sendall(b"1," * 8192)


def drip(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        connection.sendall(b"1,")
        time.sleep(0.02)


def drip_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.02)


def interim_for_ever(connection: socket.socket, request: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\nX-Pad: " + b"a" * 4000 + b"\r\n\r\n")


def packed(codings: str, body: bytes) -> Script:
    return answer(200, body, f"Content-Encoding: {codings}")


def chunked(*chunks: bytes, trailer: bytes = b"", framing: str = "chunked") -> Script:
    head = (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {framing}\r\nContent-Type: application/json\r\n\r\n".encode()
    )
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return lambda connection, request: connection.sendall(head + body + b"0\r\n" + trailer + b"\r\n")


LARGER = b"[" + b" " * (1 << 20) + b"]"
HEADERS = [f"X-{number}: {'a' * 900}" for number in range(80)]


@contextmanager
def running_server(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(tls)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., HttpClient]]:
    clients = []

    def build(**fields: Any) -> HttpClient:
        options = {"sleep": fields.pop("sleep", lambda seconds: None)}
        if "observer" in fields:
            options["observer"] = fields.pop("observer")
        settings = {"url": server.url, "timeout": 2.0, "max_bytes": 1 << 20, **fields}
        client = HttpClient(Endpoint(auth=("reader", SecretStr(PASSWORD)), **settings), **options)
        clients.append(client)
        return client

    yield build
    for client in clients:
        client.close()


def test_reads_json_with_the_credentials_of_its_own_registry(
    server: Server, make: Callable[..., HttpClient]
) -> None:
    server.then(answer(200, b'{"a": 1}'))
    assert make().get("/x", {"q": "ü &", "skip": None}) == {"a": 1}
    line = server.requests[0].split(b"\r\n")[0]
    assert line == b"GET /x?q=%C3%BC+%26 HTTP/1.1"
    assert b"Authorization: Basic" in server.requests[0]


@pytest.mark.parametrize(
    ("script", "error", "line"),
    [
        (answer(401, b""), AuthError, "renew the registry's credentials"),
        (answer(403, b'{"message": "no read on model"}'), AuthError, "no read on model"),
        (answer(404, b'{"message": "gone"}'), NotFoundError, "gone"),
        (answer(404, b"<html>", content_type="text/html"), InvalidError, "check the registry's `url`"),
        (answer(409, b"{}"), ConflictError, "read it again"),
        (answer(400, b'{"detail": "bad name"}'), InvalidError, "bad name"),
        (answer(302, b"", "Location: http://169.254.169.254/"), InvalidError, "not followed"),
        (answer(500, b"boom"), TransientError, "500"),
        (
            answer(200, b"<!doctype html>", content_type="text/html"),
            TransientError,
            "a web page instead of JSON",
        ),
        (answer(200, b"[" * 100_000), TransientError, "something instead of JSON"),
        (answer(200, b""), TransientError, "an empty body instead of JSON"),
        (answer(200, b"\x1f\x8bnot gzip", "Content-Encoding: gzip"), TransientError, "cannot be unpacked"),
        (reset_mid_body, TransientError, "broke the connection off"),
        (endless, InvalidError, "more than 1 MiB: raise `max_response_mb`"),
        (packed("gzip", gzip.compress(b"[]")[:-4]), TransientError, "cannot be unpacked"),
        (packed("gzip, gzip", gzip.compress(gzip.compress(b"[]"))), TransientError, "nothing but gzip, once"),
        (packed("br", b"[]"), TransientError, "compressed as 'br'"),
        (packed("gzip", gzip.compress(LARGER)), TooLargeError, "more than 1 MiB"),
        (answer(200, LARGER), TooLargeError, "more than 1 MiB"),
        (chunked(LARGER), TooLargeError, "more than 1 MiB"),
        (chunked(b"[]", framing="gzip, chunked"), TransientError, "nothing but gzip, once"),
        (chunked(b"[]", trailer=b"X: y\r\n" * 12_000), TooLargeError, "of headers or sizes of chunks"),
        (chunked(*[b" "] * 30_000, b"[]"), TooLargeError, "of headers or sizes of chunks"),
        (answer(200, b"[]", *HEADERS), TooLargeError, "more than 64 KiB of headers"),
        (answer(200, b"[]", *["X: y"] * 150), TooLargeError, "of headers"),
        (interim_for_ever, TooLargeError, "of headers"),
        (answer(200, b"[" + b"0," * 500_001), TooLargeError, "more than 500,000 values"),
        (
            lambda connection, request: connection.sendall(b"SSH-2.0-x\r\n"),
            TransientError,
            "broke the connection off",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_failure_is_one_line_of_host_cause_and_remedy(
    server: Server, make: Callable[..., HttpClient], script: Script, error: type[AdapterError], line: str
) -> None:
    server.then(script)
    with pytest.raises(error) as raised:
        make().get("/x")
    message = str(raised.value)
    assert line in message
    assert make().host in message
    assert "\n" not in message
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "script",
    [
        packed("gzip", gzip.compress(b'{"a": ["%b"]}' % (b"1" * 300_000))),
        packed("identity", b'{"a": ["%b"]}' % (b"1" * 300_000)),
        chunked(b'{"a": ["', b"1" * 300_000, b'"]}', trailer=b"X: y\r\n"),
    ],
)
def test_one_coding_is_unpacked(server: Server, make: Callable[..., HttpClient], script: Script) -> None:
    server.then(script)
    assert make().get("/x") == {"a": ["1" * 300_000]}


@pytest.mark.parametrize("commas", [b",", b'"', b"\\"])
def test_commas_in_texts_are_no_values(commas: bytes) -> None:
    text = json.dumps((commas * 1000).decode()).encode()
    assert not holds_more_values(b"[" + text + b"]", 100)
    assert holds_more_values(b"[" + b"0," * 100 + b"0]", 100)
    assert not holds_more_values(b"[" + b"0," * 98 + b"0]", 100)


def test_a_connection_is_kept_and_one_that_was_closed_is_not_used(
    server: Server, make: Callable[..., HttpClient]
) -> None:
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"

    def twice(connection: socket.socket, request: bytes) -> None:
        connection.sendall(kept)
        server.requests.append(connection.recv(65536))
        connection.sendall(kept)

    client = make()
    server.then(twice, answer(200, b"[1]"))
    assert (client.get("/1"), client.get("/2"), client.get("/3")) == ([], [], [1])
    assert [request.split(b" ")[1] for request in server.requests] == [b"/1", b"/2", b"/3"]


def test_a_certificate_is_checked_against_the_given_authority(
    make: Callable[..., HttpClient], tmp_path: Path
) -> None:
    private, public = certificate("localhost")
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "ca").write_bytes(public)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "ca", tmp_path / "key")
    with running_server(context) as server:
        server.then(answer(200, b"[]"))
        with pytest.raises(TransientError, match="certificate that is not trusted"):
            make(url=server.url).get("/x")
        assert make(url=server.url, ca_file=tmp_path / "ca").get("/x") == []
        assert make(url=server.url, verify=False).get("/x") == []


def test_a_body_in_many_small_chunks_is_read(server: Server, make: Callable[..., HttpClient]) -> None:
    server.then(chunked(*[b" " * 16] * 30_000, b"[]"))
    assert make().get("/x") == []


def test_a_refused_connection_says_so(make: Callable[..., HttpClient]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(TransientError, match="cannot be connected to: check `url`, and that it is running"):
        make(url=f"http://127.0.0.1:{port}").get("/x")


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (hang, "did not answer within 0.3 s"),
        (drip_head, "did not answer within 0.3 s"),
        (drip, "still sending after 0.3 s"),
    ],
)
def test_a_slow_backend_costs_its_timeout_and_no_more(
    server: Server, make: Callable[..., HttpClient], script: Script, line: str
) -> None:
    server.then(script)  # none ends by itself
    with pytest.raises(TransientError, match=line):
        make(timeout=0.3).get("/x")


def test_what_may_be_repeated_is_tried_again_after_the_pause_asked_for(
    server: Server, make: Callable[..., HttpClient]
) -> None:
    pauses: list[float] = []
    server.then(answer(429, b"", "Retry-After: 1"), reset_mid_body, answer(200, b"[]"))
    assert make(sleep=pauses.append).get("/x") == []
    assert pauses[0] == 1.0
    assert len(pauses) == 2


def test_a_long_pause_is_left_to_the_caller(server: Server, make: Callable[..., HttpClient]) -> None:
    server.then(answer(429, b"", "Retry-After: 120"))
    with pytest.raises(TransientError) as raised:
        make().get("/x")
    assert raised.value.retry_after == 120
    assert len(server.requests) == 1


def test_a_pause_may_be_a_date() -> None:
    def wait(value: str) -> float | None:
        return Reply(503, {"retry-after": value}, b"", "host").retry_after

    later = wait(format_datetime(datetime.now(UTC) + timedelta(seconds=60)))
    assert later is not None
    assert 50 < later <= 60
    assert wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert wait("soon") is None


def test_a_write_is_sent_once(server: Server, make: Callable[..., HttpClient]) -> None:
    server.then(answer(503, b""))
    with pytest.raises(TransientError):
        make().call("POST", "/x", body={"a": 1})
    assert len(server.requests) == 1
    assert server.requests[0].endswith(b'{"a":1}')


def test_retries_stop_when_the_budget_is_spent(server: Server, make: Callable[..., HttpClient]) -> None:
    server.then(answer(500, b""))
    client = make()
    for _ in range(12):
        with pytest.raises(TransientError):
            client.get("/x")
    assert len(server.requests) == 12 + 10


def test_a_peer_outside_the_allowed_networks_gets_not_one_byte(
    server: Server, make: Callable[..., HttpClient]
) -> None:
    server.then(answer(200, b"[]"))
    with pytest.raises(InvalidError, match="outside `allowed_networks`: nothing was sent"):
        make(allowed_networks=(ipaddress.ip_network("10.0.0.0/8"),)).get("/x")
    assert server.requests == []
    assert make(allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),)).get("/x") == []


def test_no_credential_leaves_in_messages_logs_or_reprs(
    server: Server, make: Callable[..., HttpClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.then(answer(400, b'{"message": "bad password"}'))
    client = make()
    with pytest.raises(InvalidError, match="bad password") as raised:
        client.get("/x")
    shown = f"{raised.value} {raised.value!r} {client!r} {client.endpoint!r}"
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore"))
    assert PASSWORD not in shown + ours


def test_the_observer_is_told_of_every_attempt(server: Server, make: Callable[..., HttpClient]) -> None:
    seen: list[tuple[str, str, int | None]] = []
    server.then(reset_mid_body, answer(503, b""), answer(200, b"{}"))
    client = make(observer=lambda method, path, status, seconds: seen.append((method, path, status)))
    client.get("/x")
    assert seen == [("GET", "/x", 200), ("GET", "/x", 503), ("GET", "/x", 200)]


def test_an_environment_proxy_is_ignored(
    server: Server, make: Callable[..., HttpClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.then(answer(200, b"[]"))
    assert make().get("/x") == []


def test_an_address_without_end_is_asked_of_nobody(server: Server, make: Callable[..., HttpClient]) -> None:
    for path, params in (("/x", {"page_token": "%" * 70_000}), ("/" + "%" * 70_000, {})):
        with pytest.raises(InvalidError, match="the address is not a valid one"):
            make().get(path, params)
    assert not server.requests


def test_a_missing_ca_file_is_named(make: Callable[..., HttpClient]) -> None:
    with pytest.raises(InvalidError, match="check `ca_file`"):
        make(ca_file="/nowhere/ca.pem").get("/x")


@given(st.lists(st.booleans()))
def test_a_budget_never_gives_more_retries_than_it_earned(steps: list[bool]) -> None:
    budget = RetryBudget()
    given_out = 0
    for step in steps:
        if step:
            given_out += budget.spend()
        else:
            budget.earn()
    assert given_out <= 10 + 0.1 * steps.count(False) + 1e-9
    assert 0 <= budget.tokens <= 10


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_the_same_peer(address: ipaddress.IPv4Address) -> None:
    network = (ipaddress.ip_network(f"{address}/8", strict=False),)
    assert is_allowed(str(address), network)
    assert is_allowed(f"::ffff:{address}", network)
    assert not is_allowed("::1", network)
