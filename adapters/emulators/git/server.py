"""Git's own HTTP server over real repositories, with what can stand in its way."""

import base64
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from adapters.conformance.harness import Fault

RETRY_AFTER = "7"
PAGE = b"<html><body>Please sign in</body></html>"


class GitServer:
    """Serves the bare repositories of a folder. `requests` holds method and path of each request."""

    def __init__(self, folder: Path, token: str = "", delay: float = 0.0) -> None:
        """`token`: what users give as password. `delay`: seconds before each answer."""
        self.folder, self.token, self.delay = folder, token, delay
        self.fault: Fault | None = None
        self.may_push = True
        self.requests: list[str] = []
        self.listed: Callable[[], None] = lambda: None
        """Called when a list of refs is put together, before it is sent."""
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Owned", (Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault = fault
        self.released.clear()
        try:
            yield
        finally:
            self.fault = None
            self.released.set()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """Hands requests on to git, as the server says."""

    protocol_version = "HTTP/1.1"
    owner: GitServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self, body: bytes) -> None:
        server = self.owner
        server.requests.append(f"{self.command} {self.path}")
        time.sleep(server.delay)
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if server.fault is not None:
            self._fail(server.fault)
        elif server.token and server.token not in base64.b64decode(given).decode().split(":"):
            self._send(401, {}, b"")
        elif not server.may_push and "receive-pack" in self.path:
            self._send(403, {}, b"")
        else:
            status, headers, content = self._served(body)
            if "info/refs" in self.path:
                server.listed()
            self._send(status, headers, content)

    def _served(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        given = {
            "GIT_PROJECT_ROOT": str(self.owner.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "robot",
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=given, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        rows = (line.split(": ", 1) for line in head.decode().splitlines())
        headers = {row[0]: row[1] for row in rows if len(row) == 2}
        return int(headers.pop("Status", "200")[:3]), headers, content

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _fail(self, fault: Fault) -> None:
        self.close_connection = True
        status = {
            Fault.BROKEN: 500,
            Fault.THROTTLED: 429,
            Fault.THROTTLED_UNTIL: 429,
            Fault.UNAUTHORISED: 401,
            Fault.FORBIDDEN: 403,
        }
        if fault is Fault.SILENT:
            self.owner.released.wait(60)
        elif fault is Fault.GARBAGE:
            self._send(200, {"Content-Type": "text/html"}, PAGE)
        elif fault is Fault.TRUNCATED:
            self._send(200, {"Content-Length": "4000"}, b"001e# service=git-upload-pack\n")
        elif fault in status:
            wish = {"Retry-After": RETRY_AFTER} if fault is Fault.THROTTLED_UNTIL else {}
            self._send(status[fault], wish, b"")

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
