"""What a write will change, told before it is made: a list of steps, each one operation, with what differs after it.

A plan has a token. Whoever sends it back gets what was shown, or a refusal that says what has changed since.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from federation.errors import PreconditionError
from federation.operations.intent import Intent
from federation.operations.state import PlannedDifference, StageChange
from federation.operations.wanted import Delete, kind_of, to_json

if TYPE_CHECKING:
    from federation.graph.answers import ImpactAnswer

LINE = "\n"
MOST_TOLD = 64
"""Facts of a plan that its token tells apart; of a longer one it only tells that something has changed."""
SHORT = 4
"""Hexadecimal digits by which it tells one of them."""
MOST_NAMED = 3
"""Changes that a refusal names."""


class PlanChangedError(PreconditionError):
    """What was shown no longer holds: the text says what changed."""

    code = "plan-changed"


class Meaning(msgspec.Struct, frozen=True):
    """What an alias, a stage or a whole model stands for, before and after; None: for nothing."""

    ref: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.ref} means {self.before or 'nothing'} and will mean {self.after or 'nothing'}"


class Holder(msgspec.Struct, frozen=True):
    """A version that no step touches and that keeps a stage which others come to or leave."""

    ref: str
    stage: str
    reason: str

    def __str__(self) -> str:
        return f"{self.ref} stays {self.stage} by {self.reason}"


@dataclass(frozen=True, slots=True)
class Step:
    """One write of one target, and what differs after it."""

    intent: Intent
    difference: PlannedDifference
    etag: str | None
    before: Mapping[str, str | None]
    """What stands where it writes, by the names that the write has for it."""

    @property
    def kind(self) -> str:
        """The name of the capability that it takes, such as set_stage."""
        return kind_of(self.intent.wanted)

    @property
    def bound(self) -> Intent:
        """What is written down where this was shown: it is made while what it writes over is still so."""
        etag = self.etag if isinstance(self.intent.wanted, Delete) else self.intent.etag
        return replace(self.intent, etag=etag, before=self.before or None)


@dataclass(frozen=True)
class Plan:
    """What a request will do. `known_at` is when its registry was last read whole."""

    steps: Sequence[Step]
    stages: Sequence[StageChange]
    """Every version whose normalised stage, or what decides it, is another after all steps."""
    meanings: Sequence[Meaning] = ()
    keeps: Sequence[Holder] = ()
    """The newest of them; `kept` counts all."""
    kept: int = 0
    notes: Sequence[str] = ()
    """What is not known, or may interfere; one line each."""
    known_at: datetime | None = None

    @cached_property
    def token(self) -> str:
        """Stands for everything that is shown, but for the impact and the times."""
        facts = list(self._facts())
        told = "".join(map(_short, facts)) if len(facts) <= MOST_TOLD else ""
        return f"{_digest(LINE.join(facts))[:32]}.{told}"

    @property
    def deleted(self) -> list[str]:
        """What goes."""
        return [ref for step in self.steps for ref in step.difference.deleted]

    def require(self, token: str) -> None:
        """Errors: `PlanChangedError` unless this is the plan that was shown with a token."""
        if token == self.token:
            return
        known = token.partition(".")[2]
        shown = {known[place : place + SHORT] for place in range(0, len(known), SHORT)}
        changed = [fact for fact in self._facts() if _short(fact) not in shown] if known else []
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        told = "; ".join(changed[:MOST_NAMED]) + more if changed else "something of it is no longer so"
        raise PlanChangedError(f"the plan is another one than was shown: {told}. Look at it again")

    def _facts(self) -> Iterator[str]:
        """Everything that is shown, one line each."""
        for step in self.steps:
            yield f"{step.kind} of {step.intent.ref}: {to_json(step.intent.wanted)}"
            yield from map(str, step.difference.fields)
            yield from (f"{ref} is made" for ref in step.difference.made)
            yield from (f"{ref} is deleted" for ref in step.difference.deleted)
        yield from map(str, self.stages)
        yield from map(str, self.meanings)
        yield from map(str, self.keeps)
        yield f"{self.kept} other versions keep their stage"
        yield from self.notes


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with the impact of exactly that. Where there is no `impact`, `note` says why."""

    plan: Plan
    impact: "ImpactAnswer | None"
    note: str = ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _short(fact: str) -> str:
    return _digest(fact)[:SHORT]
