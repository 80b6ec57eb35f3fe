"""The Hub over http or https: by `serve(Hub())` in a test, by `python -m adapters.emulators.huggingface` alone."""

import argparse
import contextlib
import json
import ssl
import threading
import time
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.emulators.huggingface.answers import HubRequest
from adapters.emulators.huggingface.hub import (
    WINDOW,
    Hub,
    HubRefusalError,
    HubToken,
    Row,
)


def post(webhook: Row, payload: Row) -> None:
    """Call a webhook, without waiting for it: the secret stands in a header (doc, webhooks, "Webhook secret")."""
    headers = {"Content-Type": "application/json", "X-Webhook-Secret": str(webhook.get("secret") or "")}
    asked = urllib.request.Request(webhook["url"], json.dumps(payload).encode(), headers)  # noqa: S310 - a test's own

    def send() -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=10):  # noqa: S310
            pass

    threading.Thread(target=send, daemon=True).start()


def serve(hub: Hub, port: int = 0, certificate: tuple[Path, Path] | None = None) -> ThreadingHTTPServer:
    """A server for this Hub on 127.0.0.1, running in a thread; `server_port` is its port. With a certificate and its
    key it speaks TLS.
    """

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    Handler.origin = f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    origin: str
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        hub = self.hub
        body = self._body()
        with hub.lock:
            hub.requests += 1
        if hub.latency:
            time.sleep(hub.latency)
        if self._fails():
            return
        url = urlsplit(self.path)
        try:
            with hub.lock:
                limits = self._spend()
                query = parse_qs(url.query, keep_blank_values=True)
                request = HubRequest(hub, self.command, url.path, query, body, self._who())
                request.origin = self.origin
                content = request.answer()
        except HubRefusalError as refused:
            code = {"X-Error-Code": refused.code} if refused.code else {}
            # Over the window: `"api";r=0;t=…` and no Retry-After (doc, rate-limits; client, parse_ratelimit_headers).
            headers = {"X-Error-Message": str(refused), **code, **refused.headers, **self._limits()}
            self._send(refused.status, {"error": str(refused)}, headers)
            return
        self._send(200, content, {**request.headers, **limits})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the names the standard library looks for

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        read = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(read)

    def _who(self) -> HubToken | None:
        given = self.headers.get("Authorization", "")
        if not given:
            return None
        found = self.hub.tokens.get(given.removeprefix("Bearer "))
        if found is None:
            # The very words by which huggingface_hub tells this 401 from a missing repository (client, utils/_http.py).
            raise HubRefusalError(401, "Invalid credentials in Authorization header")
        return found

    def _spend(self) -> dict[str, str]:
        hub = self.hub
        if hub.clock() >= hub.window:
            hub.window, hub.spent = hub.clock() + WINDOW, 0
        hub.spent += 1
        if hub.spent > hub.quota:
            raise HubRefusalError(429, "We had to rate limit you")
        return self._limits()

    def _limits(self) -> dict[str, str]:
        hub = self.hub
        left, seconds = max(0, hub.quota - hub.spent), max(0, int(hub.window - hub.clock()))
        policy = f'"fixed window";"api";q={hub.quota};w={WINDOW}'
        return {"RateLimit": f'"api";r={left};t={seconds}', "RateLimit-Policy": policy}

    def _fails(self) -> bool:
        """Fail as the Hub is told to. True: the answer was sent, or there is none."""
        match self.hub.fault:
            case "":
                return False
            case "unreachable" | "silent" as fault:
                while fault == "silent" and self.hub.fault == fault:
                    time.sleep(0.02)
                self.close_connection = True
            case "truncated":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'[{"id": ')
                self.close_connection = True
            case "garbage":
                self._send(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})
            case "throttled_until":
                self._send(429, {"error": "slow down"}, {"Retry-After": "7"})
            case fault:
                status = {"broken": 500, "throttled": 429, "unauthorised": 401, "forbidden": 403}[fault]
                self._send(status, {"error": f"the Hub is {fault}"}, {})
        return True

    def _send(self, status: int, content: Any, headers: dict[str, str]) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json; charset=utf-8"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the Hub's clock."""
        return formatdate(self.hub.clock() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def main() -> None:
    """Serve a Hub until interrupted; its address stands on the first line."""
    parser = argparse.ArgumentParser(description="a small Hugging Face Hub")
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--token", default="hf_waypost")
    parser.add_argument("--author", default="acme")
    parser.add_argument("--models", type=int, default=2, help="how many models it begins with")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    hub = Hub(tokens={options.token: HubToken("robot", (options.author,))})
    for number in range(options.models):
        name = f"{options.author}/model-{number}"
        hub.create(name)
        hub.commit(name, {"README.md": b"---\nlicense: mit\nlibrary_name: transformers\n---\n# A model\n"})
        hub.point(name, "tags", "v1", "main")
    hub.latency = options.latency
    server = serve(hub, options.port)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - a program of its own
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()
