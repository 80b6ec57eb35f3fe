"""How signing, witnesses and the clock stand, as the database says: the same for every process that asks it."""

import time
from datetime import datetime

from sqlalchemy import Connection, select

from federation import tables
from federation.database import now
from federation.health import PartReport, failure, success
from federation.journal.checkpoints import AHEAD, KEPT, UNREACHABLE, WitnessState, read_witnesses
from federation.journal.tables import checkpoint

SIGNED_WITHIN = 5.0
"""Seconds within which what was written into the audit log is signed."""
CLOCKS_APART = 5.0
"""Seconds by which the clocks of two machines may differ."""


def standing(connection: Connection, *, signs: bool) -> list[PartReport]:
    """How these parts stand now. `signs`: there is a gateway that is to sign what is written."""
    states = read_witnesses(connection)
    return [_signing(connection, states, signs), _witnesses(states), _clock(connection)]


def _signing(connection: Connection, states: list[WitnessState], signs: bool) -> PartReport:
    """It is well while the newest entries are signed; its last success is the newest checkpoint."""
    size = connection.execute(select(tables.head.c.size)).scalar_one()
    newest = connection.execute(
        select(checkpoint.c.size, checkpoint.c.time).order_by(checkpoint.c.size.desc()).limit(1)
    ).first()
    signed, at = (0, None) if newest is None else (newest.size, _monotonic(newest.time))
    for state in states:
        if state.state == AHEAD:
            return failure("signing", state.message, succeeded=at)
        if state.name == KEPT and state.state == UNREACHABLE:
            return failure("signing", f"the last checkpoint is not {KEPT}: {state.message}", succeeded=at)
    if signs and signed < size:
        first = select(tables.journal.c.time).where(tables.journal.c.seq >= signed)
        oldest = connection.execute(first.order_by(tables.journal.c.seq).limit(1)).scalar()
        age = 0.0 if oldest is None else (now() - oldest).total_seconds()
        if age > SIGNED_WITHIN:
            reason = f"{size - signed:,} entries are not signed, the first of them for {age:.0f} s"
            return failure("signing", reason, succeeded=at)
    return PartReport("signing", "ok", at=time.monotonic(), succeeded=at)


def _witnesses(states: list[WitnessState]) -> PartReport:
    for state in states:
        if state.name not in ("", KEPT) and state.state != "ok":
            return failure("witnesses", f"{state.name}: {state.message}")
    return success("witnesses")


def _clock(connection: Connection) -> PartReport:
    written = connection.execute(select(tables.head.c.time)).scalar_one()
    behind = (written - now()).total_seconds()
    if behind > CLOCKS_APART:
        return failure("clock", f"it is {behind:,.0f} s behind the newest entry of the audit log")
    return success("clock")


def _monotonic(moment: datetime) -> float:
    return time.monotonic() - max(0.0, (now() - moment).total_seconds())
