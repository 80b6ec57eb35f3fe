"""Operations: changing models on their backends, and looking at what became of it.

Litestar lets nothing follow a path parameter, so `/versions/{ref}/stage` and its like are taken apart here; the
description at `/openapi.json` shows them as they are written.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, Parameter, QueryParameter

from federation.access import Permission, Principal, View
from federation.errors import UnknownError
from federation.graph.answers import ImpactAnswer
from federation.operations.operations import (
    Answer,
    Become,
    Change,
    Chosen,
    Delete,
    FieldChange,
    Holder,
    Meaning,
    Operation,
    Preview,
    Register,
    SetAlias,
    SetTags,
    StageChange,
    Wanted,
)
from federation.positions import Positions
from federation.references import Reference
from gateway.api.requests import Ident, OptionalIdent, needs
from gateway.intents import ask
from gateway.parameters import read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="makes a repetition the same request",
    ),
]
Match = Annotated[
    str | None,
    HeaderParameter(name="If-Match", max_length=2000, description="the etag that it must still have"),
]
Shown = Annotated[
    str | None,
    HeaderParameter(
        name="Waypost-Plan",
        min_length=1,
        max_length=1000,
        description="the token of a plan: the change is made only while that is still the plan",
    ),
]
DryRun = Annotated[
    bool, QueryParameter(name="dry_run", description="change nothing: answer 200 with the plan")
]
State = Literal["queued", "running", "unknown", "ok", "partial", "failed"]
MOST_TAGS = 100
"""Each is a request to some backends."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a change is asked for."""

    principal: Principal
    key: str | None
    etags: Sequence[str]
    plan: str | None
    dry_run: bool


def provide_terms(
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
    plan: Shown = None,
    dry_run: DryRun = False,
) -> Terms:
    """What every change takes beside what is to be changed."""
    return Terms(principal, key, _etags(match), plan, dry_run)


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
    run_id: Text | None = None
    description: str | None = None
    tags: Annotated[dict[str, str], msgspec.Meta(max_length=MOST_TAGS)] = {}


class OperationOut(msgspec.Struct):
    """An operation. `state` is `queued`, `running`, `unknown` (the backend is being asked; once
    `finished_at` stands, nobody knows what became of it, and it is not asked for any more), `ok`, `failed`,
    `partial`: of the last `error` says what was made and what was not.
    """

    id: int
    registry: str
    kind: str
    """set_stage, set_alias, set_tags, register or delete."""
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


def _writes(permission: Permission) -> dict[str, Any]:
    """What the routes of changes have in common."""
    return {
        "opt": needs(permission),
        "status_code": 202,
        "dependencies": {"terms": Provide(provide_terms, sync_to_thread=False)},
        "responses": {200: ResponseSpec(PlanOut, description="the plan, where it was asked for by dry_run")},
    }


@put("/versions/{ref:path}", **_writes(Permission.CHANGE))
async def set_stage(
    ref: FromPath[str],
    data: JSONBody[StageIn],
    waypost: NamedDependency[Waypost],
    terms: NamedDependency[Terms],
) -> Response[OperationOut]:
    """Give a version a stage, by the first rule of its registry that can be written. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/stage"), Become(data.stage))


@put("/models/{ref:path}", **_writes(Permission.CHANGE))
async def set_alias(
    ref: FromPath[str],
    data: JSONBody[AliasIn],
    waypost: NamedDependency[Waypost],
    terms: NamedDependency[Terms],
) -> Response[OperationOut]:
    """Point an alias of a model at one of its versions. Answers an operation."""
    reference, alias = _aliased(ref)
    return await _written(waypost, terms, reference, SetAlias(alias, str(data.version)))


@delete("/models/{ref:path}", **_writes(Permission.CHANGE))
async def remove_alias_or_model(
    ref: FromPath[str], waypost: NamedDependency[Waypost], terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Take an alias away (`…/aliases/{alias}`), or delete a whole model where the backend can. Answers an operation."""
    if "/aliases/" in ref:
        reference, alias = _aliased(ref)
        return await _written(waypost, terms, reference, SetAlias(alias, None))
    return await _written(waypost, terms, read_reference(ref), Delete(), of="model")


@patch("/versions/{ref:path}", **_writes(Permission.TAG))
async def set_version_tags(
    ref: FromPath[str],
    data: JSONBody[TagsIn],
    waypost: NamedDependency[Waypost],
    terms: NamedDependency[Terms],
) -> Response[OperationOut]:
    """Set and remove tags of a version. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/tags"), SetTags(data.tags), of="version")


@patch("/models/{ref:path}", **_writes(Permission.TAG))
async def set_model_tags(
    ref: FromPath[str],
    data: JSONBody[TagsIn],
    waypost: NamedDependency[Waypost],
    terms: NamedDependency[Terms],
) -> Response[OperationOut]:
    """Set and remove tags of a model. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/tags"), SetTags(data.tags), of="model")


@delete("/versions/{ref:path}", **_writes(Permission.DELETE))
async def delete_version(
    ref: FromPath[str], waypost: NamedDependency[Waypost], terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Delete a version, named by its number, on its backend. Answers an operation."""
    return await _written(waypost, terms, read_reference(ref), Delete(), of="version")


@post("/registries/{name:str}/versions", **_writes(Permission.REGISTER))
async def register_version(
    name: FromPath[str],
    data: JSONBody[VersionIn],
    waypost: NamedDependency[Waypost],
    terms: NamedDependency[Terms],
) -> Response[OperationOut]:
    """Register a version, and its model where there is none, on the backend. Answers an operation."""
    wanted = Register(**msgspec.structs.asdict(data))
    return await _written(waypost, terms, Reference(name, data.model), wanted)


@get("/operations/{operation_id:int}", opt=READ, sync_to_thread=True)
def show_operation(
    operation_id: FromPath[Ident], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> Response[OperationOut]:
    """What became of an operation; once it has ended, with the position of its outcome."""
    out = operation_out(waypost.operations.show(view, operation_id), waypost.positions)
    headers = {} if out.position is None else {"Waypost-Position": out.position}
    return Response(out, headers=headers)


@get("/operations", opt=READ, sync_to_thread=True)
def list_operations(
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    registry: FromQuery[str | None] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    ref: FromQuery[str | None] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=200)]] = 50,
    cursor: FromQuery[OptionalIdent] = None,
) -> OperationsOut:
    """What was asked for, newest first; `ref` is what it was asked of."""
    wanted = None if ref is None else str(read_reference(ref))
    found = waypost.operations.list(view, Chosen(registry, in_state, wanted, cursor), limit)
    more = str(found[-1].id) if len(found) == limit else None
    return OperationsOut([operation_out(one, waypost.positions) for one in found], more)


def operation_out(found: Operation, positions: Positions) -> OperationOut:
    """An operation as JSON."""
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
        steps=[
            StepOut(step.kind, str(step.intent.ref), _wanted_out(step.intent.wanted), *step.difference)
            for step in plan.steps
        ],
        stages=plan.stages,
        meanings=plan.meanings,
        keeps=plan.keeps,
        kept=plan.kept,
        notes=plan.notes,
        known_at=plan.known_at,
        impact=found.impact,
        impact_note=found.note,
    )


def _wanted_out(wanted: Wanted) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(wanted)
    del shown["kind"]
    return shown


async def _written(
    waypost: Waypost,
    terms: Terms,
    reference: Reference,
    wanted: Become | Wanted,
    of: Literal["model", "version", ""] = "",
) -> Response[Any]:
    """The plan, or what is said once the intent is committed. Errors: 503 when the database is not quick enough."""
    change = Change(reference, wanted, terms.etags, of, terms.plan)
    if terms.dry_run:
        found = await asyncio.to_thread(waypost.operations.plan, terms.principal, change)
        return Response(plan_out(found), status_code=200)
    answer = await ask(waypost.operations, terms.principal, change, terms.key)
    return await asyncio.to_thread(_first_answer, waypost.positions, answer)


def _first_answer(positions: Positions, answer: Answer) -> Response[OperationOut]:
    """What is said when an operation is asked for, and again at every repetition with its key."""
    found = answer.operation
    out = operation_out(found, positions)
    out.ref, out.state, out.error = found.ref, "queued", None
    out.started_at = out.finished_at = out.position = None
    position = positions.seal(answer.position)
    headers = {"Location": f"/api/v1/operations/{found.id}", "Waypost-Position": position}
    return Response(out, status_code=202, headers=headers)


def _of(ref: str, ending: str) -> Reference:
    """The reference before an ending of the path. Errors: 404."""
    if not ref.endswith(ending):
        raise UnknownError()
    return read_reference(ref.removesuffix(ending))


def _aliased(ref: str) -> tuple[Reference, str]:
    text, found, alias = ref.rpartition("/aliases/")
    if not found:
        raise UnknownError()
    return read_reference(text), alias


def _etags(match: str | None) -> list[str]:
    """The etags of `If-Match`, unquoted."""
    if match is None:
        return []
    etags = [one.strip().removeprefix("W/").strip('"') for one in match.split(",")]
    if not all(etags):
        raise ProblemError(400, "invalid-request", 'If-Match is an etag as it was read, in quotes: "…"')
    return etags


HANDLERS = [
    set_stage,
    set_alias,
    remove_alias_or_model,
    set_version_tags,
    set_model_tags,
    delete_version,
    register_version,
    show_operation,
    list_operations,
]
