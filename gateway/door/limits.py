"""What a request may cost: headers, nesting and compression of what is sent, and how many requests a minute."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from federation.logs import Log
from gateway.problems import ProblemError

log = Log(__name__)
MOST_HEADERS = 100
LARGEST_HEADERS = 32 * 1024
"""Bytes of all headers together."""
DEEPEST = 32
"""Levels of arrays and objects in a body."""
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 in JSON, where a backslash before it may stand for itself."""
WINDOW = 60
MOST_CALLERS = 50_000
REDIS_WITHIN = 0.25
"""Seconds after which a request does not wait for Redis any longer."""
PAUSE = 5.0
"""Seconds in which a Redis that failed is not asked."""


def check_headers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse headers that are too many or too large, a second Host, and compressed bodies.

    Errors: `ProblemError` 431, 400 or 415.
    """
    count = size = hosts = 0
    compressed = False
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name == b"host":
            hosts += 1
        elif name == b"content-encoding":
            compressed |= value.strip().lower() not in (b"", b"identity")
    if count > MOST_HEADERS or size > LARGEST_HEADERS:
        raise ProblemError(
            431,
            "headers-too-large",
            f"at most {MOST_HEADERS} headers with {LARGEST_HEADERS // 1024} KiB together are read",
        )
    if hosts > 1:
        raise ProblemError(400, "invalid-request", "a request names one Host")
    if compressed:
        raise ProblemError(
            415, "compressed-body", "compressed bodies are not read: send it without Content-Encoding"
        )


def check_body(body: bytes) -> None:
    """Refuse what is no text that can be kept, or JSON nested too deeply, whatever its label says, before it is parsed.

    Errors: `ProblemError` 400, and 422 for U+0000.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError(400, "invalid-request", "the body is not UTF-8") from None
    is_json = body.lstrip()[:1] in (b"[", b"{", b'"')
    if b"\0" in body or (NUL.search(body) if is_json else b"%00" in body):
        raise ProblemError(
            422, "invalid-request", "a text holds U+0000, which no database keeps: leave it out"
        )
    if is_json:
        check_nesting(body)


def check_nesting(body: bytes) -> None:
    """Refuse JSON nested deeper than `DEEPEST`, before it is parsed. Errors: `ProblemError` 400."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for found in TOKENS.finditer(body):
        mark = found[0]
        depth += (mark in (b"[", b"{")) - (mark in (b"]", b"}"))
        if depth > DEEPEST:
            raise ProblemError(400, "nested-too-deep", f"a body has at most {DEEPEST} levels of nesting")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller of a window of 60 seconds. `wait`: seconds until there is more."""

    limit: int
    left: int
    wait: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As response headers (IETF draft-ietf-httpapi-ratelimit-headers-10)."""
        standing = b'"minute";r=%d;t=%d' % (max(0, self.left), self.wait)
        found = [
            (b"ratelimit-policy", b'"minute";q=%d;w=%d' % (self.limit, WINDOW)),
            (b"ratelimit", standing),
        ]
        return found if self.left >= 0 else [*found, (b"retry-after", str(self.wait).encode())]


class RateLimit:
    """Requests a minute for each caller, counted in this process, or in Redis for all of them where it is configured.

    A Redis that does not answer costs nobody a request: this process counts by itself meanwhile.
    """

    def __init__(self, limit: int, redis_url: str = "") -> None:
        self.limit = limit
        self._url = redis_url
        self._redis: Any = None
        self._silent_until = 0.0
        self._window = 0
        self._counted: dict[str, int] = {}

    async def take(self, caller: str) -> Allowance | None:
        """Count a request. None where there is no limit; `left` is negative when it is one too many."""
        if not self.limit:
            return None
        now = time.time()
        window = int(now // WINDOW)
        used = await self._shared(caller, window) if self._url else None
        if used is None:
            used = self._alone(caller, window)
        return Allowance(self.limit, self.limit - used, WINDOW - int(now % WINDOW))

    async def close(self) -> None:
        """Give the connection to Redis back."""
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None

    def _alone(self, caller: str, window: int) -> int:
        if window != self._window or len(self._counted) >= MOST_CALLERS:
            self._window, self._counted = window, {}
        used = self._counted[caller] = self._counted.get(caller, 0) + 1
        return used

    async def _shared(self, caller: str, window: int) -> int | None:
        if time.monotonic() < self._silent_until:
            return None
        import redis.asyncio  # deferred: only where it is configured

        try:
            if self._redis is None:
                self._redis = redis.asyncio.Redis.from_url(
                    self._url, socket_timeout=REDIS_WITHIN, socket_connect_timeout=REDIS_WITHIN
                )
            key = f"waypost:rate:{window}:{caller}"
            async with self._redis.pipeline(transaction=False) as pipeline:
                used, _ = await pipeline.incr(key).expire(key, 2 * WINDOW).execute()
            return int(used)
        except (redis.RedisError, OSError) as error:
            self._redis = None
            self._silent_until = time.monotonic() + PAUSE
            log.warning("redis cannot be reached, this process limits by itself", error=str(error))
            return None
