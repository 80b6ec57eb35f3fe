"""Policies as the gateway asks them: what the configuration says is applied, listed and explained.

The file is applied to the database when the gateway starts, and by `waypost registries apply`; every process reads
what stands there. A policy that is gone from the file no longer holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select

from federation import tables as spine
from federation.access import EVERYTHING, View
from federation.database import now, reading, writing
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.policies import tables
from federation.policies.guard import PromotionRequiredError
from federation.policies.policy import (
    PROMETHEUS,
    LicenseTerms,
    Policy,
    PolicyError,
    Quorum,
    RollbackTerms,
    RolloutTerms,
    check,
)
from federation.policies.words import asks

__all__ = [
    "PROMETHEUS",
    "LicenseTerms",
    "Policies",
    "Policy",
    "PolicyError",
    "PromotionRequiredError",
    "Quorum",
    "RollbackTerms",
    "RolloutTerms",
    "Standing",
    "asks",
    "check",
]


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy that holds, since when it does as it is."""

    policy: Policy
    since: datetime


class Policies:
    """What a version needs for a stage: the policies that hold. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def apply(self, policies: Sequence[Policy], people: Mapping[str, str]) -> list[str]:
        """Bring what holds in line with the file; a line for each that changed. `people` maps a name that backends
        report to how grants call the principal. Errors: `PolicyError`.
        """
        for one in policies:
            check(one)
        with writing(self._engine, alone=True) as connection:
            batch = Batch()
            lines = _apply(connection, batch, policies)
            _know(connection, people)
            if lines:
                batch.append(connection)
        return lines

    def unapplied(self, policies: Sequence[Policy]) -> list[str]:
        """The names of those of the file that do not hold as they are written there."""
        known = {one.policy.name: one.policy.digest for one in self.standing()}
        names = {one.name for one in policies}
        changed = [one.name for one in policies if known.get(one.name) != one.digest]
        return sorted([*changed, *(known.keys() - names)])

    def standing(self, view: View = EVERYTHING) -> list[Standing]:
        """Every policy that may be about something in a view, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(tables.policy).order_by(tables.policy.c.name)).all()
            known = spine.registry.c
            seen = connection.execute(select(known.name, known.team).where(view.clause(known.id))).all()
        found = [Standing(msgspec.json.decode(row.body, type=Policy), row.since) for row in rows]
        return [
            one for one in found if view == EVERYTHING or any(one.policy.may_be_on(*each) for each in seen)
        ]


def _know(connection: Connection, people: Mapping[str, str]) -> None:
    """Keep who is who; nothing is written where that is known: a gateway starts over a database it can only read."""
    table = tables.known_name
    if {row.name: row.who for row in connection.execute(select(table.c.name, table.c.who))} == dict(people):
        return
    connection.execute(delete(table))
    if people:
        connection.execute(insert(table), [{"name": name, "who": who} for name, who in people.items()])


def _apply(connection: Connection, batch: Batch, policies: Sequence[Policy]) -> list[str]:
    known = {
        row.name: row.digest
        for row in connection.execute(select(tables.policy.c.name, tables.policy.c.digest))
    }
    lines = []
    for one in policies:
        before = known.pop(one.name, None)
        if before == one.digest:
            continue
        connection.execute(delete(tables.policy).where(tables.policy.c.name == one.name))
        row = {"name": one.name, "digest": one.digest, "body": one.to_json(), "since": now()}
        connection.execute(insert(tables.policy).values(row))
        action = Action.POLICY_APPLIED if before is None else Action.POLICY_CHANGED
        _tell(batch, action, one.name, one.digest)
        lines.append(f"policy {one.name}: {'added' if before is None else 'changed'}")
    for name, digest in known.items():
        connection.execute(delete(tables.policy).where(tables.policy.c.name == name))
        _tell(batch, Action.POLICY_REMOVED, name, digest)
        lines.append(f"policy {name}: removed")
    return lines


def _tell(batch: Batch, action: Action, name: str, digest: str) -> None:
    batch.record(Entry(action=action, details={"policy": name, "digest": digest}))
