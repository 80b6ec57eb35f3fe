"""Operations: changing models on their backends, and looking at what became of it.

Litestar lets nothing follow a path parameter, so `/versions/{ref}/stage` and its like are taken apart here; the
description at `/openapi.json` shows them as they are written.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, Parameter, QueryParameter

from federation.access import Permission, Principal
from federation.errors import UnknownError
from federation.operations.operations import Answer, Become, Chosen, RequestedChange
from federation.operations.wanted import Delete, SetAlias, SetTags, Wanted
from federation.references import Reference
from gateway.api.operations_out import (
    AliasIn,
    OperationOut,
    OperationsOut,
    PlanOut,
    StageIn,
    State,
    TagsIn,
    VersionIn,
    asked_out,
    operation_out,
    operations_out,
    plan_out,
)
from gateway.api.requests import (
    READ,
    GivenPrincipal,
    GivenView,
    GivenWaypost,
    Ident,
    OptionalIdent,
    needs,
    planned,
)
from gateway.intents import ask
from gateway.meant import asked_of
from gateway.parameters import read_etags, read_reference
from gateway.waypost import Waypost

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


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a change is asked for."""

    principal: Principal
    key: str | None
    etags: Sequence[str]
    plan: str | None
    dry_run: bool


def provide_terms(
    principal: GivenPrincipal,
    key: Key = None,
    match: Match = None,
    plan: Shown = None,
    dry_run: DryRun = False,
) -> Terms:
    """What every change takes beside what is to be changed."""
    return Terms(principal, key, read_etags(match), plan, dry_run)


def _writes(permission: Permission) -> dict[str, Any]:
    """What the routes of changes have in common."""
    return {
        "opt": needs(permission),
        "status_code": 202,
        "dependencies": {"terms": Provide(provide_terms, sync_to_thread=False)},
        "responses": planned(PlanOut),
    }


@put("/versions/{ref:path}", **_writes(Permission.CHANGE))
async def set_stage(
    ref: FromPath[str], data: JSONBody[StageIn], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Give a version a stage, by the first rule of its registry that can be written. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/stage"), Become(data.stage))


@put("/models/{ref:path}", **_writes(Permission.CHANGE))
async def set_alias(
    ref: FromPath[str], data: JSONBody[AliasIn], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Point an alias of a model at one of its versions. Answers an operation."""
    reference, alias = _aliased(ref)
    return await _written(waypost, terms, reference, SetAlias(alias, str(data.version)))


@delete("/models/{ref:path}", **_writes(Permission.CHANGE))
async def remove_alias_or_model(
    ref: FromPath[str], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Take an alias away (`…/aliases/{alias}`), or delete a whole model where the backend can. Answers an operation."""
    if "/aliases/" in ref:
        reference, alias = _aliased(ref)
        return await _written(waypost, terms, reference, SetAlias(alias, None))
    return await _written(waypost, terms, read_reference(ref), Delete(), of="model")


@patch("/versions/{ref:path}", **_writes(Permission.TAG))
async def set_version_tags(
    ref: FromPath[str], data: JSONBody[TagsIn], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Set and remove tags of a version. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/tags"), SetTags(data.tags), of="version")


@patch("/models/{ref:path}", **_writes(Permission.TAG))
async def set_model_tags(
    ref: FromPath[str], data: JSONBody[TagsIn], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Set and remove tags of a model. Answers an operation."""
    return await _written(waypost, terms, _of(ref, "/tags"), SetTags(data.tags), of="model")


@delete("/versions/{ref:path}", **_writes(Permission.DELETE))
async def delete_version(
    ref: FromPath[str], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Delete a version, named by its number, on its backend. Answers an operation."""
    return await _written(waypost, terms, read_reference(ref), Delete(), of="version")


@post("/registries/{name:str}/versions", **_writes(Permission.REGISTER))
async def register_version(
    name: FromPath[str], data: JSONBody[VersionIn], waypost: GivenWaypost, terms: NamedDependency[Terms]
) -> Response[OperationOut]:
    """Register a version, and its model where there is none, on the backend. Answers an operation."""
    return await _written(waypost, terms, Reference(name, data.model), data.wanted())


@get("/operations/{operation_id:int}", opt=READ, sync_to_thread=True)
def show_operation(
    operation_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView
) -> Response[OperationOut]:
    """What became of an operation; once it has ended, with the position of its outcome."""
    out = operation_out(waypost, waypost.operations.show(view, operation_id))
    headers = {} if out.position is None else {"Waypost-Position": out.position}
    return Response(out, headers=headers)


@get("/operations", opt=READ, sync_to_thread=True)
def list_operations(
    waypost: GivenWaypost,
    view: GivenView,
    registry: FromQuery[str | None] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    ref: FromQuery[str | None] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=200)]] = 50,
    cursor: FromQuery[OptionalIdent] = None,
) -> OperationsOut:
    """What was asked for, newest first; `ref` is what it was asked of."""
    chosen = Chosen(registry, in_state, asked_of(waypost, view, ref), cursor)
    found = waypost.operations.list(view, chosen, limit)
    return operations_out(waypost, found, limit)


def _first_answer(waypost: Waypost, answer: Answer, asker: Principal) -> Response[OperationOut]:
    """What is said when an operation is asked for, and again at every repetition with its key."""
    position = waypost.positions.seal(answer.position)
    headers = {"Location": f"/api/v1/operations/{answer.operation.id}", "Waypost-Position": position}
    return Response(asked_out(waypost, answer, asker), status_code=202, headers=headers)


async def _written(
    waypost: Waypost,
    terms: Terms,
    reference: Reference,
    wanted: Become | Wanted,
    of: Literal["model", "version", ""] = "",
) -> Response[Any]:
    """The plan, or what is said once the intent is committed. Errors: 503 when the database is not quick enough."""
    change = RequestedChange(reference, wanted, terms.etags, of, terms.plan)
    if terms.dry_run:
        found = await asyncio.to_thread(waypost.operations.plan, terms.principal, change)
        return Response(plan_out(found), status_code=200)
    answer = await ask(waypost.operations, terms.principal, change, terms.key)
    if waypost.positions.asks_nothing:  # a thread for each answer would cost more than the answer
        return _first_answer(waypost, answer, terms.principal)
    return await asyncio.to_thread(_first_answer, waypost, answer, terms.principal)


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
