"""What emulators of HTTP services have in common: a server in a thread, a clock of their own, and every way to fail."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One request. `path` is as it came, `query` decoded; names of `headers` are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def one(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return self.query.get(name, [default])[-1]

    def json(self) -> Row:
        """The body, where it is an object."""
        found = json.loads(self.body or b"{}")
        return found if isinstance(found, dict) else {}


class ServiceAnswer(NamedTuple):
    """One answer: JSON, or bytes as they are."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})


class ServiceRefusalError(Exception):
    """An answer that is not 2xx. `code` is the service's own word for it."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class EmulatedService:
    """What answers. Kinds add what they keep, `answer`, and what an error of theirs looks like."""

    clock: Callable[[], float] = time.time
    fault: str = ""
    """How every request fails: see `adapters.conformance.Fault`."""
    listed: Callable[[], None] = lambda: None
    """Called when a page of a listing is put together, before it is sent."""
    largest: int = 1_000_000
    """Rows of a page, whatever is asked for."""
    latency: float = 0.0
    """Seconds before each answer."""
    asked: list[ServiceRequest] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        """What a request is answered; one at a time. Errors: `ServiceRefusalError`."""
        raise NotImplementedError

    def error(self, refused: ServiceRefusalError) -> Any:
        """The body of a refusal."""
        return {"code": refused.code or str(refused.status), "message": str(refused)}

    def epoch_ms(self) -> int:
        """Now, in milliseconds since 1970."""
        return int(self.clock() * 1000)


def serve(
    service: EmulatedService, port: int = 0, certificate: tuple[Path, Path] | None = None
) -> ThreadingHTTPServer:
    """A server on 127.0.0.1, running in a thread; `server_port` is its port. With a certificate and its key it speaks
    TLS.
    """
    return listen(type("EmulatedHandler", (_ServiceHandler,), {"service": service}), port, certificate)


def listen(
    handler: type[BaseHTTPRequestHandler], port: int, certificate: tuple[Path, Path] | None = None
) -> ThreadingHTTPServer:
    """The same of any handler."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def run(service: EmulatedService, port: int) -> None:
    """Serve until interrupted; the address stands on the first line."""
    server = serve(service, port)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - a program of its own
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()


class FailingHandler(BaseHTTPRequestHandler):
    """Answers requests, or fails as it is told to. Kinds say by whom, and what a refusal looks like."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def fault(self) -> str:
        """How every request fails: see `adapters.conformance.Fault`."""
        raise NotImplementedError

    def refuse(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        """Send an error."""
        raise NotImplementedError

    def respond(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        """Send an answer. Its head may tell another length than it has."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self) -> bytes:
        """What was sent, in one piece or in several."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        read = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(read)

    def fails(self) -> bool:
        """Fail as it is told to. True: the answer was sent, or there is none."""
        match self.fault():
            case "":
                return False
            case "unreachable" | "silent" as fault:
                while fault == "silent" and self.fault() == fault:
                    time.sleep(0.02)
                self.close_connection = True
            case "truncated":
                kind = {"Content-Type": "application/json", "Content-Length": "1000"}
                self.respond(200, b'{"items": [', kind)
                self.close_connection = True
            case "garbage":
                self.respond(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})
            case fault:
                status = {"broken": 500, "throttled": 429, "throttled_until": 429, "unauthorised": 401}
                later = {"Retry-After": "7"} if fault == "throttled_until" else {}
                self.refuse(status.get(fault, 403), f"the service is {fault}", later)
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


class _ServiceHandler(FailingHandler):
    service: EmulatedService

    def _handle(self) -> None:
        service, url = self.service, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(url.query, keep_blank_values=True)
        asked = ServiceRequest(self.command, url.path, query, headers, self.body())
        service.asked.append(asked)
        if service.latency:
            time.sleep(service.latency)
        if self.fails():
            return
        try:
            with service.lock:
                found = service.answer(asked)
        except ServiceRefusalError as refused:
            found = ServiceAnswer(service.error(refused), refused.status)
        self._send(found)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815 - the standard library's names

    def fault(self) -> str:
        return self.service.fault

    def refuse(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        self._send(ServiceAnswer(self.service.error(ServiceRefusalError(status, message)), status, headers))

    def _send(self, found: ServiceAnswer) -> None:
        is_raw = isinstance(found.content, bytes)
        data = found.content if is_raw else json.dumps(found.content).encode()
        kind = "application/octet-stream" if is_raw else "application/json"
        self.respond(found.status, data, {"Content-Type": kind, **found.headers})

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the service's clock."""
        return formatdate(self.service.clock() if timestamp is None else timestamp, usegmt=True)
