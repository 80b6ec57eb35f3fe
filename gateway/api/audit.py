"""The journal and its proofs, for those who may read all of it."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection, select

from federation import tables
from federation.access import Permission, Principal
from federation.database import reading
from federation.journal import logkey
from federation.journal.checkpoints import newest_note, newest_size, read_witnesses, stopped
from federation.journal.exporting import FORMATS, blocks, record_export
from federation.journal.logkey import read_log_keys, read_origin, read_witness_keys
from federation.journal.proofs import prove_consistency, prove_inclusion
from federation.journal.query import JournalFilter, read_journal
from federation.references import parse
from gateway.api.journal_out import (
    ConsistencyOut,
    InclusionOut,
    KeysOut,
    ProvenEntryOut,
    ResumedOut,
    RotationOut,
    WitnessesOut,
    WitnessOut,
    consistency_out,
    inclusion_out,
    proven_out,
)
from gateway.api.out import JournalOut, journal_out
from gateway.api.requests import needs, read_time
from gateway.problems import ProblemError
from gateway.waypost import Waypost

AUDIT: dict[str, Any] = needs(Permission.AUDIT)
Number = Annotated[int, Parameter(ge=0, le=2**62)]
WAIT = 3.0
"""Seconds a request for the checkpoint waits until the newest entries are signed."""
MEDIA_TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "cloudevents": "application/x-ndjson",
}
Format = Literal["jsonl", "csv", "cloudevents"]


def asked(
    actor: FromQuery[str | None] = None,
    action: FromQuery[str | None] = None,
    ref: FromQuery[str | None] = None,
    registry: FromQuery[str | None] = None,
    team: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
) -> JournalFilter:
    """Which entries the parameters of a query ask for; an empty one asks for nothing. Errors: 400."""
    return JournalFilter(
        actor=actor or None,
        action=action or None,
        ref=str(parse(ref)) if ref else None,
        registry=registry or None,
        team=team or None,
        since=read_time(since or None, "since"),
        until=read_time(until or None, "until"),
    )


WANTED = {"wanted": Provide(asked, sync_to_thread=False)}


@get("/audit", opt=AUDIT, dependencies=WANTED, sync_to_thread=True)
def list_entries(
    waypost: NamedDependency[Waypost],
    wanted: NamedDependency[JournalFilter],
    after: FromQuery[Annotated[int, Parameter(ge=-1, le=2**62)]] = -1,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 100,
    newest_first: FromQuery[bool] = False,
) -> JournalOut:
    """Entries after a number, in order. `ref` also finds what was said of a model's versions and aliases."""
    with reading(waypost.engine) as connection:
        lines = read_journal(connection, wanted, after=after, limit=limit, newest_first=newest_first)
    return journal_out(lines, limit)


@get("/audit/entries/{seq:int}", opt=AUDIT, sync_to_thread=True)
def show_entry(seq: FromPath[Number], waypost: NamedDependency[Waypost]) -> ProvenEntryOut:
    """One entry with its exact bytes and the proof that it is in the newest checkpoint."""
    with reading(waypost.engine) as connection:
        lines = read_journal(connection, JournalFilter(), after=seq - 1, before=seq + 1, limit=1)
        if not lines:
            raise ProblemError(
                404, "not-found", f"the log has no entry {seq}, or it was moved into an archive"
            )
        proven = prove_inclusion(connection, seq) if newest_size(connection) > seq else None
    return proven_out(lines[0], proven)


@get("/audit/checkpoint", opt=AUDIT, sync_to_thread=True)
def show_checkpoint(waypost: NamedDependency[Waypost]) -> Response[bytes]:
    """The newest checkpoint, a C2SP signed note; waits a moment until it counts every entry there is."""
    waypost.wake.tell("worker")
    end = time.monotonic() + WAIT
    with reading(waypost.engine) as connection:
        size = _log_size(connection)
    while True:
        with reading(waypost.engine) as connection:
            problem, note = stopped(connection), newest_note(connection)
            signed = newest_size(connection)
        if problem is not None:
            raise ProblemError(503, "signing-stopped", problem)
        if note is not None and (signed >= size or time.monotonic() > end):
            return Response(note, media_type="text/plain; charset=utf-8")
        if time.monotonic() > end:
            detail = "nothing is signed yet: the gateway's log says why, or try again in a second"
            raise ProblemError(503, "nothing-signed", detail, headers={"Retry-After": "1"})
        time.sleep(0.05)


@get("/audit/proof/inclusion", opt=AUDIT, sync_to_thread=True)
def show_inclusion(
    waypost: NamedDependency[Waypost], seq: FromQuery[Number], size: FromQuery[Number | None] = None
) -> InclusionOut:
    """That an entry is among the first `size` (RFC 6962); without a size, in the newest checkpoint."""
    with reading(waypost.engine) as connection:
        return inclusion_out(prove_inclusion(connection, seq, size))


@get("/audit/proof/consistency", opt=AUDIT, sync_to_thread=True)
def show_consistency(
    waypost: NamedDependency[Waypost],
    old: Annotated[int, QueryParameter(name="from", ge=0, le=2**62)],
    new: Annotated[int | None, QueryParameter(name="to", ge=0, le=2**62)] = None,
) -> ConsistencyOut:
    """That the log of `from` entries is the beginning of that of `to` (RFC 6962)."""
    with reading(waypost.engine) as connection:
        return consistency_out(prove_consistency(connection, old, new))


@get("/audit/keys", opt=AUDIT, sync_to_thread=True)
def list_keys(waypost: NamedDependency[Waypost]) -> KeysOut:
    """The log's name and the public keys that vouch for it, the one it signs with now last."""
    with reading(waypost.engine) as connection:
        return KeysOut(
            read_origin(connection),
            [str(found.key) for found in read_log_keys(connection)],
            [str(key) for key in read_witness_keys(connection)],
        )


@get("/audit/witnesses", opt=AUDIT, sync_to_thread=True)
def list_witnesses(waypost: NamedDependency[Waypost]) -> WitnessesOut:
    """Where checkpoints go, and how each of these places stands."""
    with reading(waypost.engine) as connection:
        return WitnessesOut([WitnessOut(*state) for state in read_witnesses(connection) if state.name])


@get("/audit/export", opt=AUDIT, dependencies=WANTED, sync_to_thread=True)
def export_entries(
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    wanted: NamedDependency[JournalFilter],
    form: Annotated[Format, QueryParameter(name="format")] = "jsonl",
) -> Stream:
    """A stream of any size: `jsonl` with proofs for `waypost audit verify`, `csv` for spreadsheets, or
    `cloudevents`.
    """
    pieces = blocks(FORMATS[form](waypost.engine, wanted))
    begun = next(pieces)  # what is wrong from the start is a problem, not a broken stream
    record_export(
        waypost.engine, form, wanted, actor=principal.id, request=request.scope["state"].get("request_id")
    )
    return Stream(_stream(begun, pieces), media_type=MEDIA_TYPES[form])


@post("/audit/rotation", opt=AUDIT, sync_to_thread=True, status_code=202)
def rotate_key(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> RotationOut:
    """Replace the key that signs checkpoints; the next checkpoint is signed by both."""
    principal.require(Permission.GRANT, None, "everything")
    new = logkey.rotate(waypost.engine, waypost.settings.audit.key, actor=principal.id)
    waypost.wake.tell("worker")
    return RotationOut(str(new))


@post("/audit/resume", opt=AUDIT, sync_to_thread=True, status_code=200)
def resume_signing(
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    reason: FromQuery[str | None] = None,
) -> ResumedOut:
    """Sign again although a witness knows more entries: those are lost for good. The log records it."""
    principal.require(Permission.GRANT, None, "everything")
    ahead = waypost.signer.resume(principal.id, reason)
    waypost.wake.tell("worker")
    return ResumedOut([state.name for state in ahead])


def _stream(begun: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    return chain([begun], pieces)


def _log_size(connection: Connection) -> int:
    return int(connection.execute(select(tables.head.c.size)).scalar_one())


HANDLERS = [
    list_entries, show_entry, show_checkpoint, show_inclusion, show_consistency, list_keys, list_witnesses,
    export_entries, rotate_key, resume_signing,
]  # fmt: skip
