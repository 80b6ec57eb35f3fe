"""Streams that stay open: how many one person may have, on all processes of this machine together, and for how long.

A place is a lock on one byte of a file, so that a process that dies gives its places back.
"""

import asyncio
import fcntl
import os
import threading
import weakref
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import ending
from gateway.problems import ProblemError

if TYPE_CHECKING:
    from litestar import Request
    from litestar.response import ServerSentEvent, ServerSentEventMessage

MOST = 20
"""Streams of one person at once."""
STILL_EVERY = 2.0
"""Seconds after which a stream, of which nothing may be sent for long, asks again who it is for."""


class Streams:
    """The places for streams of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._mine: set[int] = set()
        self._lock = threading.Lock()

    def take(self, principal_id: str) -> int:
        """A place of a principal, to be given back. Errors: `ProblemError` 429 when all are taken."""
        first = int.from_bytes(sha256(principal_id.encode()).digest()[:6]) * MOST
        with self._lock:
            for place in range(first, first + MOST):
                if place not in self._mine and self._locked(place):
                    self._mine.add(place)
                    return place
        raise ProblemError(
            429,
            "too-many-streams",
            f"you have {MOST} streams open: close one first",
            headers={"Retry-After": "5"},
        )

    def free(self, place: int) -> None:
        """Give a place back; twice is once."""
        with self._lock:
            if place in self._mine and self._file is not None:
                self._mine.discard(place)
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def _locked(self, place: int) -> bool:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True


def kept_open(
    streams: Streams, principal_id: str, messages: "AsyncIterator[ServerSentEventMessage]"
) -> "ServerSentEvent":
    """Server-sent events that hold a place of a principal until they end. Errors: `ProblemError` 429."""
    from litestar.response import ServerSentEvent

    place = streams.take(principal_id)

    async def told() -> "AsyncIterator[ServerSentEventMessage]":
        try:
            async for message in messages:
                yield message
        finally:
            streams.free(place)

    stream = told()
    weakref.finalize(stream, streams.free, place)  # where the client is gone before it is begun
    return ServerSentEvent(stream)


async def rounds(request: "Request[Any, Any, Any]", every: float, longest: float) -> AsyncIterator[None]:
    """Come round every so many seconds, for the longest, while whoever asked may still see what they could see and the
    gateway goes on. Who reads on after that asks again, where they left off.
    """
    clock = asyncio.get_running_loop().time
    end, look = clock() + longest, clock() + STILL_EVERY
    while clock() < end and not ending.has_begun():
        if clock() >= look:
            if not await request.scope["state"]["still"]():
                return
            look = clock() + STILL_EVERY
        yield
        await asyncio.sleep(every)
