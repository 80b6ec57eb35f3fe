"""The Hub over http or https: by `serve(Hub())` in a test, by `python -m adapters.emulators.huggingface` alone."""

import argparse
import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import Mapping
from email.utils import formatdate
from http.server import ThreadingHTTPServer
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
from adapters.emulators.services import FailingHandler, listen


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
    server = listen(Handler, port, certificate)
    Handler.origin = f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{server.server_port}"
    return server


class _Handler(FailingHandler):
    hub: Hub
    origin: str

    def _handle(self) -> None:
        hub = self.hub
        body = self.body()
        with hub.lock:
            hub.requests += 1
        if hub.latency:
            time.sleep(hub.latency)
        if self.fails():
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

    def fault(self) -> str:
        return self.hub.fault

    def refuse(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        self._send(status, {"error": message}, headers)

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

    def _send(self, status: int, content: Any, headers: Mapping[str, str]) -> None:
        is_raw = isinstance(content, bytes)
        data = content if is_raw else json.dumps(content).encode()
        kind = "application/octet-stream" if is_raw else "application/json; charset=utf-8"
        self.respond(status, data, {"Content-Type": kind, **headers})

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the Hub's clock."""
        return formatdate(self.hub.clock() if timestamp is None else timestamp, usegmt=True)


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
