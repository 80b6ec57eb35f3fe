"""Operations as the gateway asks for them: what a change would do, asking for it, and what became of it.

What is imported from here, and the kinds of writes (`wanted`), is all that the gateway uses of this room.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from adapters import Discovered
from federation.access import Permission, Principal, View
from federation.database import DatabaseError, reading
from federation.errors import InvalidRequestError, StateError, UnknownError, WaypostError
from federation.health import Reports
from federation.operations.admission import WriteTargets, place_of
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.batching import LATE, Answer, IntentBatcher
from federation.operations.intent import Asker, Steps, repeated, under_way
from federation.operations.many import MOST, Many, ManyChanges, ManyPlan, RefusedTogetherError
from federation.operations.offers import Offer
from federation.operations.plans import Holder, Meaning, Plan, PlanChangedError, Preview
from federation.operations.reader import Chosen, Operation, read_operation, read_operations
from federation.operations.state import FieldChange, StageChange
from federation.references import Reference, parse

if TYPE_CHECKING:
    from federation.graph.graph import Graph
    from federation.graph.subject import Cause

__all__ = [
    "LATE",
    "MOST",
    "Answer",
    "Become",
    "Chosen",
    "FieldChange",
    "Holder",
    "ManyChanges",
    "ManyPlan",
    "Meaning",
    "Offer",
    "Operation",
    "Operations",
    "Plan",
    "PlanChangedError",
    "Preview",
    "RefusedTogetherError",
    "RequestedChange",
    "StageChange",
]
LOOK_EVERY = 0.05
UNHARMED = "nothing goes, and every reference means what it meant: whoever depends on it notices nothing"
NO_GRAPH = "the dependency graph is being built: who depends on it is not known yet"


class Operations:
    """Writes on backends: asking for them, showing what they would do, and what became of them. Safe to share between
    threads.
    """

    def __init__(
        self,
        engine: Engine,
        adapters: Discovered,
        graph: "Callable[[], Graph]",
        *,
        wrote: Callable[[], None] = lambda: None,
        reports: Reports | None = None,
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._graph = graph
        self._intents = IntentBatcher(engine, adapters, wrote, reports or Reports())

    def plan(self, principal: Principal, change: RequestedChange, *, limit: int = 50) -> Preview:
        """What a change would do, and who is hit by it. Errors: as `request`; nothing is written down."""
        with reading(self._engine) as connection:
            plan = Asking(connection, principal, WriteTargets(self._adapters)).plan(change)
        return self._preview(principal, plan, limit)

    def _previews(self, principal: Principal, changes: Sequence[RequestedChange]) -> Iterator[Preview | str]:
        """What each of many would do, of one look at the catalogue; the text of a refusal in the place of one."""
        with reading(self._engine) as connection:
            asking = Asking(connection, principal, WriteTargets(self._adapters))
            plans = [_or_refusal(asking, change) for change in changes]
        for plan in plans:
            yield plan if isinstance(plan, str) else self._preview(principal, plan)

    def _preview(self, principal: Principal, plan: Plan, limit: int = 50) -> Preview:
        from federation.graph.rows import DamagedError  # deferred: most commands ask for no plan

        causes = list(causes_of(plan))
        if not causes:
            return Preview(plan, None, UNHARMED)
        ref = str(plan.steps[0].intent.ref)
        try:
            impact = self._graph().impact_of_causes(
                principal.view, ref, causes, limit=limit, everything=principal.judges_everything
            )
        except DamagedError:
            return Preview(plan, None, NO_GRAPH)
        return Preview(plan, impact)

    def request(
        self, principal: Principal, change: RequestedChange, key: str | None = None
    ) -> "Future[Answer]":
        """Write down what is asked for; a worker carries it out. A repetition with its `key` gets what the first got.

        The result raises every branch of `WaypostError`: `PlanChangedError` where `change.plan` is no longer the plan.
        """
        asker = Asker(principal.id, key, change.digest)

        def look(connection: Connection, places: WriteTargets) -> Steps | Operation:
            known = repeated(connection, asker)
            if known is None and change.joins:
                known = under_way(connection, asker)
            if known is not None:
                return read_operation(connection, principal.view, known.id)
            return Asking(connection, principal, places).intents(change)

        return self._intents.submit(look, asker, (principal.view, change.reference))

    def plan_many(self, principal: Principal, wanted: ManyChanges) -> ManyPlan:
        """What tags and deprecations of many would do, and what of it cannot be. Errors: `InvalidRequestError`."""
        return self._many.plan(principal, wanted)

    def request_many(
        self, principal: Principal, wanted: ManyChanges, token: str | None = None
    ) -> "list[Future[Answer]]":
        """Ask for all of it, or for nothing. Errors: as `ManyPlan.require`; of each result, as of `request`."""
        return self._many.request(principal, wanted, token)

    @property
    def _many(self) -> Many:
        return Many(self._graph(), self._previews, self.request)

    def offer(self, principal: Principal, reference: Reference) -> Offer:
        """What of a model or version could be changed at all. Errors: `UnknownError`, `GoneError`."""
        with reading(self._engine) as connection:
            asking = Asking(connection, principal, WriteTargets(self._adapters))
            try:
                return asking.offer(reference)
            except (InvalidRequestError, StateError) as refusal:
                return Offer(refusals=(str(refusal),))

    def takes(self, principal: Principal, registry_id: int) -> bool:
        """Whether a registry takes any change at all, and the principal may tag there."""
        if not principal.may(Permission.TAG, registry_id):
            return False
        with reading(self._engine) as connection:
            try:
                place_of(connection, registry_id, WriteTargets(self._adapters))
            except (UnknownError, StateError, InvalidRequestError):
                return False
        return True

    def show(self, view: View, operation_id: int) -> Operation:
        """One operation as it stands. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            return read_operation(connection, view, operation_id)

    def list(self, view: View, chosen: Chosen, limit: int) -> list[Operation]:
        """What was asked for, newest first."""
        with reading(self._engine) as connection:
            return read_operations(connection, view, chosen, limit)

    def wait(self, view: View, operation_id: int, patience: float) -> Operation:
        """An operation once it and the steps after it have ended, or after `patience` seconds: the first that has not
        succeeded, else the last. Errors: `UnknownError`.
        """
        end = time.monotonic() + patience
        found = self.show(view, operation_id)
        while time.monotonic() < end and (found.finished_at is None or (found.state == "ok" and found.then)):
            if found.finished_at is not None and found.then is not None:
                found = self.show(view, found.then)
            else:
                time.sleep(LOOK_EVERY)
                found = self.show(view, found.id)
        return found

    def start(self) -> None:
        """Begin to take in what is asked for. Errors: `RuntimeError` where no thread can be had."""
        self._intents.start()

    def close(self) -> None:
        """Write down what was asked for, and stop."""
        self._intents.close()


def _or_refusal(asking: Asking, change: RequestedChange) -> Plan | str:
    try:
        return asking.plan(change)
    except DatabaseError:
        raise  # then the others cannot be looked at either
    except WaypostError as refusal:
        return str(refusal)


def causes_of(plan: Plan) -> "Iterator[Cause]":
    """What a plan does to what others may depend on."""
    from federation.graph.subject import Cause

    deleted = {ref for step in plan.steps for ref in step.difference.deleted}
    made = {ref for step in plan.steps for ref in step.difference.made}
    whole = [ref for ref in map(parse, sorted(deleted)) if ref.version is None]
    if whole:  # with all that it means
        yield Cause(whole[0], "deleted")
        return
    yield from (Cause(parse(ref), "deleted") for ref in sorted(deleted))
    for one in plan.stages:
        if one.after == "archived" and one.before not in (None, "archived"):
            yield Cause(parse(one.ref), "archived")
    for moved in plan.meanings:
        if moved.before is not None:  # nothing follows what has meant nothing
            to = None if moved.after is None or moved.after in made else parse(moved.after)
            yield Cause(parse(moved.ref), "moved", to, moved.after in made)
