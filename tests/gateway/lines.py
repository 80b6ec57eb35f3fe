"""Lines between a gateway and a real MLflow server that can be broken, each in its own way."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

TOKEN = "token-that-nobody-may-see"
SEARCHES = ("registered_models", "model_versions")
Answer = dict[str, Any]


@dataclass
class Line:
    """Passes everything on to `target` until it is `broken`. Gives back the credentials it is sent in every refusal."""

    target: str
    fault: str
    broken: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    heard: dict[tuple[str, str, bytes], tuple[int, bytes]] = field(default_factory=dict)
    """What the target answered to whom: it is asked once by all lines of a test, for each state that it has."""
    port: int = 0
    server: ThreadingHTTPServer | None = None
    handler: "type[LineHandler] | None" = None

    def open(self) -> None:
        """Listen, at the same address as before."""
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", self.port), type("Handler", (self.handler or LineHandler,), {"line": self})
        )
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def cut(self) -> None:
        """Begin to misbehave. From now on the target may have changed."""
        self.broken = True
        self.heard.clear()
        if self.fault == "refuses":
            self.close()

    def mend(self) -> None:
        """Be good again."""
        self.broken = False
        self.heard.clear()
        self.over.set()
        if self.server is None:
            self.open()


@contextlib.contextmanager
def lines(
    target: str, faults: list[str], handler: "type[LineHandler] | None" = None
) -> Iterator[dict[str, Line]]:
    """A line for each fault, for as long as the context lasts; `handler` is what passes on."""
    heard: dict[tuple[str, str, bytes], tuple[int, bytes]] = {}
    made = {fault: Line(target, fault, heard=heard, handler=handler) for fault in faults}
    for line in made.values():
        line.open()
    try:
        yield made
    finally:
        for line in made.values():
            line.over.set()
            line.close()


class LineHandler(BaseHTTPRequestHandler):
    line: ClassVar[Line]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.line.broken:
            self.answer(*self.ask(self.path, body))
        elif self.line.fault in LISTINGS:
            self.twist(LISTINGS[self.line.fault], body)
        elif self.line.fault in STATUS:
            status, extra = STATUS[self.line.fault]
            said = {"error_code": "NO", "message": f"not with {self.headers['Authorization']}"}
            self.answer(status, json.dumps(said).encode(), extra=extra)
        else:
            self.close_connection = True
            getattr(self, self.line.fault.replace(" ", "_"))()

    do_POST = do_GET  # noqa: N815

    def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """What the real server answers."""
        asked = (self.command, path, body)
        answer = self.line.heard.get(asked) or self.ask_now(path, body)
        self.line.heard[asked] = answer
        return answer

    def ask_now(self, path: str, body: bytes) -> tuple[int, bytes]:
        to = urlsplit(self.line.target)
        connection = http.client.HTTPConnection(to.hostname or "", to.port or 80, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def answer(self, status: int, body: bytes, kind: str = "application/json", extra: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if extra:
            self.send_header("Retry-After", extra)
        self.end_headers()
        self.wfile.write(body)

    def twist(self, twist: Callable[[Answer], None], body: bytes) -> None:
        """The real answer, changed where it is a listing; a page token is not passed on."""
        path, _, query = self.path.partition("?")
        if "/search" not in path:
            self.answer(*self.ask(self.path, body))
            return
        kept = [(key, value) for key, value in parse_qsl(query) if (key, value) != ("page_token", "again")]
        status, content = self.ask(f"{path}?{urlencode(kept)}", body)
        found = json.loads(content)
        twist(found)
        self.answer(status, json.dumps(found).encode())

    def refuses(self) -> None:
        """Whoever was connected before is let go; nobody is let in."""

    def hangs(self) -> None:
        self.line.over.wait(60)

    def resets(self) -> None:
        self.wfile.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"a'
        )
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01" + b"\x00" * 7)

    def web_page(self) -> None:
        self.answer(200, b"<!doctype html><title>Please sign in</title>", "text/html")

    def endless(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
        with contextlib.suppress(OSError):
            while not self.line.over.is_set():
                self.wfile.write(b'"and so on", ' * 5000)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()


def leave_out_a_name(found: Answer) -> None:
    for row in found.get("model_versions", [])[:1]:
        del row["name"]


def leave_out_half(found: Answer) -> None:
    for search in SEARCHES:
        if search in found:
            found[search] = found[search][::2]


def leave_out_all(found: Answer) -> None:
    found.clear()


def lead_in_a_circle(found: Answer) -> None:
    found["next_page_token"] = "again"


LISTINGS = {
    "no name": leave_out_a_name,
    "half": leave_out_half,
    "empty": leave_out_all,
    "circle": lead_in_a_circle,
}
STATUS = {"throttled": (429, "3600"), "breaks": (500, ""), "expired": (401, "")}
