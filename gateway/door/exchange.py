"""One exchange with a client, bounded: its body comes within a time whatever trickles, its answer is taken or cut off,
and HEAD is answered as GET is, without the body.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.enums import HttpMethod
from litestar.types import HTTPScope, Message, Receive, Send

from gateway.door.authentication import SAFE
from gateway.problems import ProblemError

BODY_WITHIN = 30.0
"""Seconds in which a whole request body must have come."""
TAKEN_WITHIN = 60.0
"""Seconds in which a client must have taken each piece of an answer."""
STILL_EVERY = 4.0
"""Seconds after which, while an answer is sent piece by piece, it is asked again who it is for."""
DISCONNECT: Any = {"type": "http.disconnect"}


class BrokenOffError(Exception):
    """An answer that has begun is not sent to its end, and does not look whole. One line that says why."""


class Exchange:
    """`receive` and `send` of one request, as the application is given them. `still` tells, while an answer of many
    pieces is sent, whether whoever asked may still have it.
    """

    def __init__(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        still: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._still, self._asked_at = still, time.monotonic()
        self._receive, self._send, self._method = receive, send, scope["method"]
        self._until = time.monotonic() + BODY_WITHIN
        self._has_come = False
        self.has_begun = False
        """Whether the answer has begun."""
        self.broken_off: BrokenOffError | None = None
        """Why it is not sent to its end, whatever the application makes of that."""
        self._is_head = scope["method"] == "HEAD"
        self._is_answered = False
        if self._is_head:
            scope["method"] = HttpMethod.GET

    async def receive(self) -> Any:
        """The next message of the client. Errors: `ProblemError` 408 and 400, where the body does not come whole."""
        if self._is_answered:
            return DISCONNECT
        if self._has_come:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._has_come = True
            detail = f"the whole body must have come within {BODY_WITHIN:g} s"
            raise ProblemError(408, "request-timeout", detail, headers={"Connection": "close"}) from None
        self._has_come = not message.get("more_body", False)
        if message["type"] == "http.disconnect" and self._method not in SAFE:
            detail = "the body broke off, or is not sent as its headers say"
            raise ProblemError(400, "invalid-request", detail, headers={"Connection": "close"})
        return message

    async def send(self, message: Message) -> None:
        """Send to the client. Errors: `BrokenOffError`."""
        if message["type"] == "http.response.start":
            self.has_begun = True
        elif self._is_head:
            if self._is_answered:
                return
            self._is_answered = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        if not message.get(
            "more_body", False
        ):  # the server keeps a whole answer, and nobody waits for the client
            await self._send(message)
            return
        if time.monotonic() - self._asked_at >= STILL_EVERY and not await self.still():
            raise self._break_off("whoever asked for it may no longer see it")
        try:
            async with asyncio.timeout(TAKEN_WITHIN):
                await self._send(message)
        except TimeoutError:
            raise self._break_off("the client does not take it") from None

    async def still(self) -> bool:
        """Whether whoever asked may still have the answer, asked now."""
        self._asked_at = time.monotonic()
        return self._still is None or await self._still()

    def _break_off(self, why: str) -> BrokenOffError:
        self.broken_off = BrokenOffError(f"an answer was broken off: {why}")
        return self.broken_off
