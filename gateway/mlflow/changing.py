"""Asking for a change and waiting for its outcome: a client of MLflow knows of no operations."""

import time

import anyio

from federation.errors import StateError
from federation.operations.operations import Become, Operation, RequestedChange
from federation.operations.wanted import Wanted
from federation.references import Reference
from gateway.intents import ask
from gateway.mlflow.facade import ASKED_WITHIN, Facade
from gateway.problems import ProblemError

FIRST_LOOK, LOOKS = 0.02, 0.2
"""Seconds before the first look at an operation, and between later ones at most."""


async def change(facade: Facade, reference: Reference, wanted: Become | Wanted) -> Operation:
    """The operation once it was made. Errors: those of `Operations.request`; 400 where it failed, 409 where it is under
    way or was made in part.
    """
    asked = RequestedChange(reference, wanted, joins=True)
    answer = await ask(facade.waypost.operations, facade.principal, asked, None)
    found = await _ended(facade, answer.operation.id)
    if found.finished_at is None:
        raise _told(
            facade,
            found,
            f"has not ended after {ASKED_WITHIN:g} s and goes on by itself: look at it before you ask again",
        )
    if found.state == "failed":
        if "already exist" in (found.error or ""):
            raise StateError(str(_told(facade, found, f"failed: {found.error}")), code="exists")
        raise _told(facade, found, f"failed: {found.error}", status=400)
    if found.state != "ok":
        raise _told(facade, found, f"ended as {found.state}: {found.error}")
    return found


async def _ended(facade: Facade, operation_id: int) -> Operation:
    """An operation with the steps after it, once they have ended or time is over. Threads are held for looks only."""
    end, pause = time.monotonic() + ASKED_WITHIN, FIRST_LOOK
    while True:
        found = await anyio.to_thread.run_sync(facade.waypost.operations.show, facade.view, operation_id)
        if found.finished_at is not None and found.state == "ok" and found.then is not None:
            operation_id = found.then
            continue
        if found.finished_at is not None or time.monotonic() > end:
            return found
        await anyio.sleep(pause)
        pause = min(LOOKS, pause * 1.5)


def _told(facade: Facade, found: Operation, what: str, status: int = 409) -> ProblemError:
    address = f"{facade.origin}/operations/{found.id}"
    return ProblemError(status, "operation", f"operation {found.id} {what} ({address})")
