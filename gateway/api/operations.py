"""Operations: changing models on their backends, and looking at what became of it.

Litestar lets nothing follow a path parameter, so `/versions/{ref}/stage` and its like are taken apart here; the
description at `/openapi.json` shows them as they are written.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio
import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, Parameter, QueryParameter
from sqlalchemy import Connection, Row

from federation.access import Permission, Principal, View
from federation.database import DatabaseBusyError, reading
from federation.errors import InvalidRequestError, StateError, UnknownError
from federation.operations import asking
from federation.operations.admission import Places
from federation.operations.asking import Ask
from federation.operations.desk import LATE
from federation.operations.intent import Asker, Intent, digest_of, repeated
from federation.operations.reader import Chosen, read_operation, read_operations
from federation.operations.wanted import Register, from_json
from federation.positions import Positions
from gateway.api.requests import Ident, OptionalIdent, needs
from gateway.parameters import read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
CHANGE: dict[str, Any] = needs(Permission.CHANGE)
PATIENCE = 1.9
"""Seconds in which an intent is committed, or refused with 503."""
FLIGHT = 1.5
"""Seconds a repeated request waits for the operation to end before it is told that this is under way."""
LOOK_EVERY = 0.02
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


class OperationsOut(msgspec.Struct):
    """Operations, newest first."""

    operations: list[OperationOut]
    next_cursor: str | None


@put("/versions/{ref:path}", opt=CHANGE, status_code=202)
async def set_stage(
    ref: FromPath[str],
    data: JSONBody[StageIn],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Give a version a stage, by the first rule of its registry that can be written. Answers an operation."""
    reference = read_reference(_of(ref, "/stage"))
    ask = asking.stage(reference, data.stage, _etags(match))
    return await _written(waypost, principal, key, ask, ["stage", str(reference), data.stage, match])


@put("/models/{ref:path}", opt=CHANGE, status_code=202)
async def set_alias(
    ref: FromPath[str],
    data: JSONBody[AliasIn],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Point an alias of a model at one of its versions. Answers an operation."""
    text, alias = _aliased(ref)
    reference, version = read_reference(text), str(data.version)
    ask = asking.alias(reference, alias, version, _etags(match))
    return await _written(waypost, principal, key, ask, ["alias", str(reference), alias, version, match])


@delete("/models/{ref:path}", opt=CHANGE, status_code=202)
async def remove_alias_or_model(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Take an alias away (`…/aliases/{alias}`), or delete a whole model where the backend can. Answers an operation."""
    if "/aliases/" in ref:
        text, alias = _aliased(ref)
        reference = read_reference(text)
        ask = asking.alias(reference, alias, None, _etags(match))
        return await _written(waypost, principal, key, ask, ["unalias", str(reference), alias, match])
    reference = read_reference(ref)
    ask = asking.delete(reference, _etags(match), whole_model=True)
    return await _written(waypost, principal, key, ask, ["delete", str(reference), match])


@patch("/versions/{ref:path}", opt=needs(Permission.TAG), status_code=202)
async def set_version_tags(
    ref: FromPath[str],
    data: JSONBody[TagsIn],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Set and remove tags of a version. Answers an operation."""
    reference = read_reference(_of(ref, "/tags"))
    if reference.version is reference.alias is reference.stage is None:
        raise InvalidRequestError("say which version: registry/model:version, or PATCH /models/…/tags")
    ask = asking.tags(reference, data.tags, _etags(match))
    return await _written(waypost, principal, key, ask, ["tags", str(reference), data.tags, match])


@patch("/models/{ref:path}", opt=needs(Permission.TAG), status_code=202)
async def set_model_tags(
    ref: FromPath[str],
    data: JSONBody[TagsIn],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Set and remove tags of a model. Answers an operation."""
    reference = read_reference(_of(ref, "/tags"))
    if not (reference.version is reference.alias is reference.stage is None):
        raise InvalidRequestError("tags of a version are written at /versions/…/tags")
    ask = asking.tags(reference, data.tags, _etags(match))
    return await _written(waypost, principal, key, ask, ["tags", str(reference), data.tags, match])


@delete("/versions/{ref:path}", opt=needs(Permission.DELETE), status_code=202)
async def delete_version(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
    match: Match = None,
) -> Response[OperationOut]:
    """Delete a version, named by its number, on its backend. Answers an operation."""
    reference = read_reference(ref)
    ask = asking.delete(reference, _etags(match), whole_model=False)
    return await _written(waypost, principal, key, ask, ["delete", str(reference), match])


@post("/registries/{name:str}/versions", opt=needs(Permission.REGISTER), status_code=202)
async def register_version(
    name: FromPath[str],
    data: JSONBody[VersionIn],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    key: Key = None,
) -> Response[OperationOut]:
    """Register a version, and its model where there is none, on the backend. Answers an operation."""
    wanted = Register(**msgspec.structs.asdict(data))
    return await _written(waypost, principal, key, asking.register(name, wanted), ["register", name, data])


@get("/operations/{operation_id:int}", opt=READ, sync_to_thread=True)
def show_operation(
    operation_id: FromPath[Ident], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> Response[OperationOut]:
    """What became of an operation; once it has ended, with the position of its outcome."""
    with reading(waypost.engine) as connection:
        row = read_operation(connection, view, operation_id)
    out = operation_out(row, row.registry, waypost.positions)
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
    with reading(waypost.engine) as connection:
        rows = read_operations(connection, view, Chosen(registry, in_state, wanted, cursor), limit)
    more = str(rows[-1].id) if len(rows) == limit else None
    return OperationsOut([operation_out(row, row.registry, waypost.positions) for row in rows], more)


def operation_out(row: Row[Any], registry: str, positions: Positions) -> OperationOut:
    """An operation as JSON."""
    wanted: dict[str, Any] = msgspec.to_builtins(from_json(row.wanted))
    del wanted["kind"]
    return OperationOut(
        id=row.id,
        registry=registry,
        kind=row.kind,
        ref=row.made or row.ref,
        state=row.state,
        wanted=wanted,
        actor=row.actor,
        error=row.error,
        requested_at=row.requested_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        position=None if row.position is None else positions.seal(row.position),
    )


async def _written(
    waypost: Waypost, principal: Principal, key: str | None, ask: Ask, asked: list[Any]
) -> Response[OperationOut]:
    """The answer once the intent is committed. Errors: 503 when the database does not take it in time."""
    asker = Asker(principal.id, key, digest_of(*asked))

    def look(connection: Connection, places: Places) -> Intent | Row[Any]:
        known = repeated(connection, asker)
        if known is not None:
            return read_operation(connection, principal.view, known.id)
        return ask(connection, principal, places)

    end = time.monotonic() + FLIGHT
    while True:
        try:
            with anyio.fail_after(PATIENCE):
                made = await asyncio.wrap_future(waypost.desk.hand_in(look, asker))
            return await asyncio.to_thread(_first_answer, waypost.positions, *made)
        except TimeoutError:
            raise DatabaseBusyError(LATE) from None
        except StateError as error:
            if error.code != "idempotency-key-in-flight" or time.monotonic() > end:
                raise
            await anyio.sleep(LOOK_EVERY)


def _first_answer(
    positions: Positions, row: Row[Any], registry: str, position: int
) -> Response[OperationOut]:
    """What is said when an operation is asked for, and again at every repetition with its key."""
    out = operation_out(row, registry, positions)
    out.ref, out.state, out.error = row.ref, "queued", None
    out.started_at = out.finished_at = out.position = None
    headers = {"Location": f"/api/v1/operations/{row.id}", "Waypost-Position": positions.seal(position)}
    return Response(out, status_code=202, headers=headers)


def _of(ref: str, ending: str) -> str:
    """The reference before an ending of the path. Errors: 404."""
    if not ref.endswith(ending):
        raise UnknownError()
    return ref.removesuffix(ending)


def _aliased(ref: str) -> tuple[str, str]:
    text, found, alias = ref.rpartition("/aliases/")
    if not found:
        raise UnknownError()
    return text, alias


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
