"""The one door: what changes who holds a guarded stage is a promotion, and nothing else is.

A write is judged by its plan: whatever it writes (a stage, an alias, a tag that a rule reads, a new version, a delete),
the plan says which versions come to a stage and which leave it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, select

from federation.errors import StateError
from federation.policies.policy import Policy
from federation.policies.tables import policy


class PromotionRequiredError(StateError):
    """A policy guards the stage: the change is made by a promotion, whose plan is at an address."""

    code = "promotion-required"

    def __init__(self, ref: str, stage: str, names: Sequence[str]) -> None:
        plan = f"/promote/{quote(ref, safe='/:@')}?to={stage}"
        super().__init__(
            f"who holds {stage} is guarded by policy {', '.join(names)}, and this changes it for {ref}: propose it "
            f"(waypost promote, or {plan})"
        )
        self.plan = plan

    @property
    def fields(self) -> Mapping[str, object]:
        return {"plan": self.plan}


class Moved(NamedTuple):
    """A version that comes to a stage, or leaves one; `tags` are those of before and after, its model's too."""

    ref: str
    before: str | None
    after: str | None
    tags: Sequence[Mapping[str, str]]


def read_policies(connection: Connection) -> list[Policy]:
    """Every policy that holds, by name."""
    rows = connection.execute(select(policy.c.body).order_by(policy.c.name))
    return [msgspec.json.decode(row.body, type=Policy) for row in rows]


def guards(policies: Sequence[Policy], registry: str, team: str, model: str) -> list[Policy]:
    """Those that may guard a version of a model."""
    return [one for one in policies if one.may_cover(registry, team, model)]


def touched(policies: Sequence[Policy], registry: str, team: str, model: str, moved: Moved) -> list[Policy]:
    """Those whose stage a version comes to or leaves."""
    return [
        one
        for one in policies
        if moved.before != moved.after
        and one.stage in (moved.before, moved.after)
        and any(one.covers(registry, team, model, tags) for tags in moved.tags)
    ]
