"""Tags and deprecations of many models and versions at once, with one preview of all that they do.

Each change is the one that would be asked for alone, with its own plan, permission and operation. What any of them is
refused for is told for all together, and then none of them is asked for.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from federation.access import Principal
from federation.errors import InvalidRequestError
from federation.operations.asking import RequestedChange
from federation.operations.batching import Answer
from federation.operations.plans import PlanChangedError, Preview
from federation.operations.wanted import SetTags
from federation.references import Reference

if TYPE_CHECKING:
    from federation.graph.graph import Going, Graph, PlannedGoing

MOST = 200
"""References of one request."""
MOST_TOLD = 5
"""Refusals that an error names."""


class RefusedTogetherError(InvalidRequestError):
    """Some of it cannot be: leave that out. The text names what, and why."""

    code = "refused-together"


@dataclass(frozen=True, slots=True)
class ManyChanges:
    """What is asked of all of `refs`: tags (None removes one) of each, and to deprecate the model that each is of."""

    refs: Sequence[Reference]
    tags: Mapping[str, str | None]
    going: "Going | None" = None

    @property
    def models(self) -> Sequence[Reference]:
        """The models that they are of, each once."""
        return list(dict.fromkeys(Reference(one.registry, one.model) for one in self.refs))


@dataclass(frozen=True, slots=True)
class Planned:
    """What is done to one of them: its plan, or (`refusal`) why it cannot be."""

    ref: str
    preview: Preview | None = None
    refusal: str = ""


@dataclass(frozen=True)
class ManyPlan:
    """All of it, before any of it is done."""

    tagged: Sequence[Planned]
    going: "Sequence[PlannedGoing]"
    wanted: ManyChanges

    @cached_property
    def token(self) -> str:
        """Stands for all that is shown, but for impact and times."""
        return hashlib.sha256("\n".join(self._facts()).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def refused(self) -> list[str]:
        """What cannot be, with the reason, one line each."""
        every: Sequence[Planned | PlannedGoing] = [*self.tagged, *self.going]
        return [f"{one.ref}: {one.refusal}" for one in every if one.refusal]

    def require(self, token: str | None) -> None:
        """Errors: `RefusedTogetherError` where any of it cannot be, `PlanChangedError` where another plan was shown."""
        if refused := self.refused:
            more = f"; and {len(refused) - MOST_TOLD} more" if len(refused) > MOST_TOLD else ""
            told = "; ".join(refused[:MOST_TOLD])
            raise RefusedTogetherError(f"nothing was changed, for of this a part cannot be: {told}{more}")
        if token is not None and token != self.token:
            raise PlanChangedError("the plan is another one than was shown: look at it again")

    def _facts(self) -> Iterator[str]:
        for one in self.tagged:
            yield f"{one.ref} {one.preview.plan.token if one.preview else one.refusal}"
        for each in self.going:
            before = each.before and (each.before.until, each.before.replacement, each.before.note)
            yield f"{each.ref} {before} {self.wanted.going} {each.refusal}"


@dataclass(frozen=True, slots=True)
class Many:
    """Such requests, made of single changes: `plans` tells what each would do or is refused for, `ask` asks for it."""

    graph: "Graph"
    plans: Callable[[Principal, Sequence[RequestedChange]], Iterable[Preview | str]]
    ask: "Callable[[Principal, RequestedChange], Future[Answer]]"

    def plan(self, principal: Principal, wanted: ManyChanges) -> ManyPlan:
        """What all of it would do. Errors: `InvalidRequestError` for what is none of it."""
        check(wanted)
        asked, going = _changes(wanted), list["PlannedGoing"]()
        tagged = [
            Planned(str(change.reference), refusal=one)
            if isinstance(one, str)
            else Planned(str(change.reference), one)
            for change, one in zip(asked, self.plans(principal, asked), strict=True)
        ]
        if wanted.going is not None:
            going = self.graph.plan_deprecations(principal, wanted.models, wanted.going)
        return ManyPlan(tagged, going, wanted)

    def request(
        self, principal: Principal, wanted: ManyChanges, token: str | None = None
    ) -> "list[Future[Answer]]":
        """Ask for all of it, while it is what was shown with a token. Asked for again, it changes what is not so yet.

        Errors: as `ManyPlan.require`.
        """
        plan = self.plan(principal, wanted)
        plan.require(token)
        # Not with each one's own token: of several of one model, each would find that the one before has not ended.
        asked = [self.ask(principal, change) for change in _changes(wanted)]
        if wanted.going is not None:
            self.graph.deprecate(principal, wanted.models, wanted.going)
        return asked


def check(wanted: ManyChanges) -> None:
    """Errors: `InvalidRequestError`."""
    if not 1 <= len(wanted.refs) <= MOST:
        raise InvalidRequestError(f"name 1 to {MOST} models or versions, not {len(wanted.refs)}")
    if not wanted.tags and wanted.going is None:
        raise InvalidRequestError("say what is to be done to them: tags, or a deprecation")


def _changes(wanted: ManyChanges) -> list[RequestedChange]:
    if not wanted.tags:
        return []
    return [RequestedChange(ref, SetTags(wanted.tags)) for ref in dict.fromkeys(wanted.refs)]
