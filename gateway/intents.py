"""Asking for a change from a handler, which waits no longer than its caller; a repetition, for the first one's end."""

import asyncio
import time

import anyio

from federation.access import Principal
from federation.database import DatabaseBusyError
from federation.errors import StateError
from federation.operations.operations import LATE, Answer, Operations, RequestedChange

PATIENCE = 1.9
"""Seconds in which an intent is committed, or refused with 503."""
FLIGHT = 1.5
"""Seconds a repeated request waits for the operation to end before it is told that this is under way."""
LOOK_EVERY = 0.02


async def ask(
    operations: Operations, principal: Principal, change: RequestedChange, key: str | None
) -> Answer:
    """The answer once the intent is committed. Errors: those of `Operations.request`, `DatabaseBusyError`."""
    end = time.monotonic() + FLIGHT
    while True:
        try:
            with anyio.fail_after(PATIENCE):
                return await asyncio.wrap_future(operations.request(principal, change, key))
        except TimeoutError:
            raise DatabaseBusyError(LATE) from None
        except StateError as error:
            if error.code != "idempotency-key-in-flight" or time.monotonic() > end:
                raise
            await anyio.sleep(LOOK_EVERY)
