"""A proxy before a real MLflow server that counts requests and, when told so, misbehaves."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from adapters.conformance import RETRY_AFTER, Fault

STATUS = {
    Fault.BROKEN: 500,
    Fault.THROTTLED: 429,
    Fault.THROTTLED_UNTIL: 429,
    Fault.UNAUTHORISED: 401,
    Fault.FORBIDDEN: 403,
}


class FaultyProxy:
    """Listens on 127.0.0.1 for as long as the context lasts."""

    passed_on: tuple[str, ...] = ("Content-Type", "X-MLFLOW-WORKSPACE")

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.requests: list[str] = []
        self.authorizations: set[str | None] = set()
        self.fault: Fault | None = None
        self.over = threading.Event()
        self.spoiled: set[tuple[str, str]] = set()
        self.is_torn = False
        """Listings come without what MLflow reads by later statements."""
        self.listed: Callable[[], None] = lambda: None
        """Called when MLflow has answered with a page of a listing, before the answer is passed on."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.over = fault, threading.Event()
        try:
            yield
        finally:
            self.fault = None
            self.over.set()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)

    def spoil(self, body: bytes) -> bytes:
        """The answer with the number of every spoiled version taken out."""
        if not self.spoiled or b"version" not in body:
            return body
        answer = json.loads(body)
        for row in [*answer.get("model_versions", []), answer.get("model_version", {})]:
            if (row.get("name"), row.get("version")) in self.spoiled:
                del row["version"]
        return json.dumps(answer).encode()

    def list(self, path: str, body: bytes) -> bytes:
        """The answer; whoever waits for a page of a listing is told. Torn, its rows have neither tags nor aliases."""
        if not path.partition("?")[0].endswith("/search"):
            return body
        self.listed()
        if not self.is_torn:
            return body
        answer = json.loads(body)
        for row in [*answer.get("registered_models", []), *answer.get("model_versions", [])]:
            row.pop("tags", None), row.pop("aliases", None)
        return json.dumps(answer).encode()


def handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class ProxyHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            proxy.requests.append(f"{self.command} {self.path.partition('?')[0]}")
            proxy.authorizations.add(self.headers.get("Authorization"))
            if proxy.fault is None:
                self.pass_on(body)
            else:
                self.misbehave(proxy.fault, proxy.over)

        do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

        def pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(
                proxy.target.hostname or "", proxy.target.port or 80, timeout=30
            )
            with contextlib.closing(connection):
                headers = {name: self.headers[name] for name in proxy.passed_on if name in self.headers}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            content = proxy.spoil(proxy.list(self.path, content))
            self.answer(answer.status, content, answer.getheader("Content-Type", ""))

        def misbehave(self, fault: Fault, over: threading.Event) -> None:
            self.close_connection = True
            if fault is Fault.SILENT:
                over.wait(60)
            elif fault is Fault.UNREACHABLE:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + b"\x00" * 7)
            elif fault is Fault.GARBAGE:
                self.answer(200, b"<!doctype html><html><body>Please sign in</body></html>", "text/html")
            elif fault is Fault.TRUNCATED:
                self.wfile.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
                )
            else:
                extra = {"Retry-After": str(RETRY_AFTER)} if fault is Fault.THROTTLED_UNTIL else {}
                self.answer(STATUS[fault], b"no", "text/plain", extra)

        def answer(self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                **(extra or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    return ProxyHandler
