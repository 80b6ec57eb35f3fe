"""What every request passes first: its id, the Host it asked for, who asks, and what is noted of it.

It stands around the whole application, also around addresses that do not exist: nothing behind it runs for a
request that it refuses.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram

from federation.access import ANONYMOUS, Principal
from gateway.denials import Denials
from gateway.problems import MEDIA_TYPE, Problem, ProblemError, explain

log = structlog.get_logger("waypost.access")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
Authenticate = Callable[[Scope], Awaitable[Principal]]
"""Finds out who asks. Errors: `ProblemError` 401."""

HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Front:
    """The application with its front. `hosts` are the Host headers that are answered; empty answers any."""

    def __init__(
        self,
        app: Litestar,
        *,
        authenticate: Authenticate,
        hosts: frozenset[str],
        denials: Denials,
        registry: CollectorRegistry,
    ) -> None:
        self.app = app
        self._authenticate = authenticate
        self._denials = denials
        self._hosts = hosts
        self._requests = Counter(
            "waypost_requests", "Requests answered", ["method", "status"], registry=registry
        )
        self._seconds = Histogram("waypost_request_seconds", "Time to answer", ["method"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        begun, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status in (401, 403):
                    await self._note_denial(scope, status)
                took = f"app;dur={(time.perf_counter() - begun) * 1000:.1f}".encode()
                extra = [*HEADERS, (b"x-request-id", request_id), (b"server-timing", took)]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            self._check_host(headers)
            scope["user"] = await self._authenticate(scope)
        except ProblemError as error:
            await refuse(error, note)
        else:
            await self.app(scope, receive, note)
        took = time.perf_counter() - begun
        method = str(scope["method"])
        self._requests.labels(method, str(status)).inc()
        self._seconds.labels(method).observe(took)
        log.debug(
            "request",
            method=method,
            path=scope["path"][:500],
            status=status,
            ms=round(took * 1000, 1),
            request=request_id.decode(),
        )

    async def _note_denial(self, scope: Scope, status: int) -> None:
        if status == 401:
            client = scope.get("client")
            self._denials.refused(client[0] if client else "unknown")
        denied = scope["state"].get("denied")
        if denied is not None and scope.get("user", ANONYMOUS) is not ANONYMOUS:
            await asyncio.to_thread(self._denials.denied, scope["user"], denied, scope["state"]["request_id"])

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._hosts and name not in self._hosts:
            raise ProblemError(
                421, "unknown-host", "this gateway does not answer for that Host: see server.allowed_hosts"
            )


async def refuse(error: Exception, send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer with a problem, outside of any handler."""
    problem = explain(error)
    body = msgspec.json.encode(
        Problem(
            type=f"/problems/{problem.name}",
            title=problem.name.replace("-", " ").capitalize(),
            status=problem.status,
            detail=str(problem),
        )
    )
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
