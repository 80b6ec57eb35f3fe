"""The call that is being made of an adapter: until when its answer is waited for, and whether anybody still waits.

Whoever calls an adapter's method opens a `Call` around it; what sends requests looks at it before each one. So a method
of many requests (tags, which some backends take one by one) stops between two of them once it was given up, instead of
writing on after its caller has said how it ended.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from adapters.errors import TransientError


@dataclass(slots=True, eq=False)
class Call:
    """One call. `deadline` is of `time.monotonic`."""

    deadline: float
    is_given_up: bool = False
    """Nobody waits for it any more."""
    is_over: bool = False
    """It came back, in time or not."""


_current: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def making(call: Call) -> Iterator[None]:
    """Everything the block asks of a backend is part of this call."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)
        call.is_over = True


def proceed() -> float:
    """Called before each request: the seconds left for it, infinite outside of a call.

    Errors: `TransientError` where the call was given up or its time is over; nothing may be sent any more.
    """
    call = _current.get()
    if call is None:
        return math.inf
    left = call.deadline - time.monotonic()
    if call.is_given_up or left <= 0:
        raise TransientError("the call took too long and was given up between two requests")
    return left
