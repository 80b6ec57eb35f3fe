"""What the API takes and answers about operations and their plans."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from federation.graph.graph import ImpactAnswer
from federation.operations.operations import (
    Answer,
    FieldChange,
    Holder,
    Meaning,
    Operation,
    Plan,
    Preview,
    StageChange,
)
from federation.operations.wanted import Register, Wanted
from federation.positions import Positions
from gateway.names import with_names

if TYPE_CHECKING:
    from federation.access import Principal
    from gateway.waypost import Waypost

State = Literal["queued", "running", "unknown", "ok", "partial", "failed"]
MOST_TAGS = 100
"""Each is a request to some backends."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class StageIn(msgspec.Struct, forbid_unknown_fields=True):
    """The normalised stage a version is to have."""

    stage: Literal["none", "staging", "production", "archived"]


class AliasIn(msgspec.Struct, forbid_unknown_fields=True):
    """The version of the model that an alias is to name."""

    version: Text | int


class TagsIn(msgspec.Struct, forbid_unknown_fields=True):
    """Tags to set; null removes one, tags not named stay."""

    tags: Annotated[dict[str, str | None], msgspec.Meta(max_length=MOST_TAGS)]


class VersionIn(msgspec.Struct, forbid_unknown_fields=True):
    """A version to be registered. `source` is where its files are."""

    model: Text
    source: Text
    """Where its files are."""
    run_id: Text | None = None
    description: str | None = None
    tags: Annotated[dict[str, str], msgspec.Meta(max_length=MOST_TAGS)] = {}

    def wanted(self) -> Register:
        """The same for the face."""
        return Register(**msgspec.structs.asdict(self))


class OperationOut(msgspec.Struct):
    """An operation. `state` is `queued`, `running`, `unknown` (the backend is being asked; once
    `finished_at` stands, nobody knows what became of it, and it is not asked for any more), `ok`, `failed`,
    `partial`: of the last `error` says what was made and what was not.
    """

    id: int
    registry: str
    kind: str
    """The name of the capability that it takes, such as set_stage."""
    ref: str
    """What it was asked of; once registered, the new version."""
    state: str
    wanted: Mapping[str, Any]
    """How the backend is asked: a stage may be written as an alias or a tag, by the registry's rules."""
    actor: str
    error: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    position: str | None
    """Once it has ended: send it as `Waypost-Position` to read what it did."""
    follows: int | None = None
    """The operation before it, where both are steps of one plan: it is made only after that one."""
    then: int | None = None
    """The operation after it."""
    actor_name: str = ""
    """What the actor is called, until that is erased."""


class OperationsOut(msgspec.Struct):
    """Operations, newest first."""

    operations: list[OperationOut]
    next_cursor: str | None


class StepOut(msgspec.Struct):
    """One operation of a plan, with what differs after it."""

    kind: str
    ref: str
    wanted: Mapping[str, Any]
    fields: Sequence[FieldChange]
    """Every native field that changes, on which version or model."""
    stages: Sequence[StageChange]
    """Every version whose normalised stage, or the rule that decides it, changes."""
    made: Sequence[str]
    deleted: Sequence[str]


class PlanOut(msgspec.Struct):
    """What a change would do. Nothing was changed or asked for.

    Send `token` as `Waypost-Plan` with the same request: it is then made only while this is still the plan.
    """

    ref: str
    token: str
    steps: Sequence[StepOut]
    """Made one after another; where one is not made, neither are those after it."""
    stages: Sequence[StageChange]
    """The stages of all steps together."""
    meanings: Sequence[Meaning]
    """The aliases, stages and models that stand for another version afterwards."""
    keeps: Sequence[Holder]
    """Versions that no step touches, and that stay in a stage which others come to or leave: the newest of `kept`."""
    kept: int
    notes: Sequence[str]
    known_at: datetime | None
    """When the registry was last read whole."""
    impact: ImpactAnswer | None
    """Who is hit by exactly this; null where `impact_note` says why."""
    impact_note: str


def operation_out(waypost: "Waypost", found: Operation) -> OperationOut:
    """An operation as JSON."""
    return operations_out(waypost, [found], 0).operations[0]


def _operation_out(found: Operation, positions: Positions) -> OperationOut:
    return OperationOut(
        id=found.id,
        registry=found.registry,
        kind=found.kind,
        ref=found.made or found.ref,
        state=found.state,
        wanted=_wanted_out(found.wanted),
        actor=found.actor,
        error=found.error,
        requested_at=found.requested_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
        position=None if found.position is None else positions.seal(found.position),
        follows=found.follows,
        then=found.then,
    )


def plan_out(found: Preview) -> PlanOut:
    """A plan as JSON."""
    plan = found.plan
    return PlanOut(
        ref=str(plan.steps[0].intent.ref),
        token=plan.token,
        steps=steps_out(plan),
        stages=plan.stages,
        meanings=plan.meanings,
        keeps=plan.keeps,
        kept=plan.kept,
        notes=plan.notes,
        known_at=plan.known_at,
        impact=found.impact,
        impact_note=found.note,
    )


def steps_out(plan: Plan) -> list[StepOut]:
    """The operations of a plan as JSON."""
    return [
        StepOut(step.kind, str(step.intent.ref), _wanted_out(step.intent.wanted), *step.difference)
        for step in plan.steps
    ]


def operations_out(waypost: "Waypost", found: Sequence[Operation], limit: int) -> OperationsOut:
    """A page of operations as JSON."""
    more = str(found[-1].id) if len(found) == limit else None
    shown = (_operation_out(one, waypost.positions) for one in found)
    return OperationsOut(with_names(waypost.identity, shown), more)


def asked_out(waypost: "Waypost", answer: Answer, asker: "Principal") -> OperationOut:
    """What is said to whoever asks for an operation, and again at every repetition with its key."""
    out = _operation_out(answer.operation, waypost.positions)
    out.actor_name = asker.name
    out.ref, out.state, out.error = answer.operation.ref, "queued", None
    out.started_at = out.finished_at = out.position = None
    return out


def _wanted_out(wanted: Wanted) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(wanted)
    del shown["kind"]
    return shown
