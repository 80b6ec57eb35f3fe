"""What every request passes first: its id, the Host it asked for, who asks, and what is noted of it.

It stands around the whole application, also around addresses that do not exist: nothing behind it runs for a
request that it refuses.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from federation.access import ANONYMOUS, Principal
from federation.logs import Log
from gateway.door.exchange import Exchange
from gateway.door.limits import RateLimit, check_headers
from gateway.door.origin import ANY, Proxies, check_host, hosts_of
from gateway.problems import ProblemError, explain, written
from gateway.settings import ServerSettings
from gateway.waypost import Waypost

ACCESS = logging.getLogger("waypost.access")
log = Log(ACCESS.name)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
Authenticate = Callable[[Scope], Awaitable[Principal]]
"""Finds out who asks. Errors: `ProblemError` 401."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Counted by name; whatever else a client invents is counted as one, so that it can fill no memory."""

HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


POLICY = (
    b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What pages may load and run: only files of this gateway, and nothing that stands in the page itself."""
UNLIMITED = ("/health/", "/static/")
SIGN_IN_PATHS = ("/sign-in", "/auth/")
"""Who is refused there tells the journal by an entry of its own."""


@dataclass(frozen=True, slots=True)
class Door:
    """What is checked of a request before anything else. `addresses`: any IP address is answered as Host."""

    hosts: frozenset[str]
    addresses: bool
    proxies: Proxies
    rate: RateLimit

    @classmethod
    def of(cls, settings: ServerSettings, redis_url: str = "") -> "Door":
        """As configured."""
        return cls(
            hosts_of(settings),
            settings.host in ANY and not settings.allowed_hosts,
            Proxies(settings.trusted_proxies),
            RateLimit(settings.rate_limit, redis_url),
        )


class Front:
    """The application with its front."""

    def __init__(
        self,
        app: Litestar,
        *,
        waypost: Waypost,
        authenticate: Authenticate,
        door: Door,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self._waypost = waypost
        self._authenticate = authenticate
        self._door = door
        self._on_start = on_start
        self._denials = waypost.denials
        registry = waypost.metrics
        self._requests = Counter(
            "waypost_requests", "Requests answered", ["method", "status"], registry=registry
        )
        self._seconds = Histogram("waypost_request_seconds", "Time to answer", ["method"], registry=registry)
        # Looking a metric up by its labels takes longer than counting.
        self._counted = cache(lambda method, status: self._requests.labels(method, str(status)).inc)
        self._timed = cache(lambda method: self._seconds.labels(method).observe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            if self._waypost.tracing is None:
                await self._respond(scope, receive, send)
            else:
                method = scope["method"] if scope["method"] in METHODS else "_OTHER"
                respond = partial(self._respond, scope, receive)
                await self._waypost.tracing.answering(scope, method, send, respond)
        elif str(scope["type"]) == "lifespan":
            await self._live(receive, send)
        else:
            await self.app(scope, receive, send)

    async def _respond(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        method, exchange = str(scope["method"]), Exchange(scope, receive, send, partial(self._still, scope))
        given = headers.get(b"x-request-id", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else b"%016x" % random.getrandbits(64)
        state = {"waypost": self._waypost, "request_id": request_id.decode(), "still": exchange.still}
        scope.setdefault("state", {}).update(state)
        begun, status = time.perf_counter(), 0
        allowance: list[tuple[bytes, bytes]] = []

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status in (401, 403):
                    await self._note_denial(scope, status)
                took = f"app;dur={(time.perf_counter() - begun) * 1000:.1f}".encode()
                extra = [*HEADERS, (b"x-request-id", request_id), (b"server-timing", took), *allowance]
                there = {name for name, _ in message["headers"]}
                if b"content-security-policy" not in there:
                    extra.append((b"content-security-policy", POLICY))
                if b"cookie" in headers and b"cache-control" not in there:
                    extra.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *extra]
            await exchange.send(message)

        try:
            check_headers(scope["headers"])
            check_host(headers, self._door.hosts, addresses=self._door.addresses)
            self._door.proxies.believe(scope, headers)
            await self._admit(scope, allowance)
        except ProblemError as error:
            await refuse(error, note, scope["path"])
        else:
            await self._answer(scope, exchange, note)
        self._note_request(scope, method, status, time.perf_counter() - begun)

    def _note_request(self, scope: Scope, method: str, status: int, took: float) -> None:
        """Count a request that was answered."""
        counted = method if method in METHODS else "other"
        self._counted(counted, status)()
        self._timed(counted)(took)
        if ACCESS.isEnabledFor(logging.DEBUG):  # a line for each request, mostly unwanted
            log.debug(
                "request",
                method=method,
                path=scope["path"][:500],
                status=status,
                ms=round(took * 1000, 1),
                request=scope["state"]["request_id"],
            )

    async def _answer(self, scope: Scope, exchange: Exchange, note: Send) -> None:
        """Let the application answer; whatever it lets fall through is still a problem with every header."""
        try:
            await self.app(scope, exchange.receive, note)
        except Exception as error:
            if exchange.broken_off is not None:
                log.info(str(exchange.broken_off), path=scope["path"][:500], client=client_of(scope))
                raise exchange.broken_off from None
            log.exception("the application broke", path=scope["path"][:500])
            if exchange.has_begun:
                raise
            await refuse(error, note, scope["path"])

    async def _live(
        self, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Begin and end with the server."""
        await receive()
        try:
            self._on_start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        self._waypost.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def close(self) -> None:
        """Give connections back."""
        await self._door.rate.close()

    async def _admit(self, scope: Scope, allowance: list[tuple[bytes, bytes]]) -> None:
        """Find out who asks, and count it: for each principal, or for each address of those who are not known."""
        refused: ProblemError | None = None
        try:
            user = await self._authenticate(scope)
        except ProblemError as error:
            user, refused = ANONYMOUS, error
        scope["user"] = user
        if not scope["path"].startswith(UNLIMITED):
            caller = user.id if user is not ANONYMOUS else f"address {client_of(scope)}"
            allowed = await self._door.rate.take(caller)
            if allowed is not None:
                allowance += allowed.headers()
                if allowed.left < 0:
                    detail = f"more than {allowed.limit} requests in a minute: wait {allowed.wait} s"
                    raise ProblemError(429, "too-many-requests", detail)
        if refused is not None:
            raise refused

    async def _still(self, scope: Scope) -> bool:
        """Whether whoever asked may still do what they might when they asked: for answers that stay open."""
        try:
            return bool(await self._authenticate(scope) == scope["user"])
        except ProblemError:
            return False

    async def _note_denial(self, scope: Scope, status: int) -> None:
        if status == 401 and not scope["path"].startswith(SIGN_IN_PATHS):
            self._denials.refused(client_of(scope))
        denied = scope["state"].get("denied")
        if denied is not None and scope.get("user", ANONYMOUS) is not ANONYMOUS:
            await asyncio.to_thread(self._denials.denied, scope["user"], denied, scope["state"]["request_id"])


def client_of(scope: Scope) -> str:
    """The address that a request comes from, as far as trusted proxies say."""
    client = scope.get("client")
    return client[0] if client else "unknown"


async def refuse(error: Exception, send: Callable[[Any], Awaitable[None]], path: str) -> None:
    """Answer a request for a path with a problem, outside of any handler."""
    status, media_type, body, more = written(explain(error), path)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in more.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
