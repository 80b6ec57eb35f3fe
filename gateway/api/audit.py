"""The journal and its proofs, for those who may read all of it."""

from typing import Annotated, Literal

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, Parameter, QueryParameter
from litestar.response import Stream

from federation.access import Permission
from federation.journal.journal import JournalFilter, is_cut
from gateway.api.journal_out import (
    ConsistencyOut,
    InclusionOut,
    KeysOut,
    ProvenEntryOut,
    ResumedOut,
    RotationOut,
    WitnessesOut,
    consistency_out,
    inclusion_out,
    keys_out,
    proven_out,
    resumed_out,
    witnesses_out,
)
from gateway.api.out import JournalOut, journal_out
from gateway.api.requests import (
    AUDIT,
    WANTED,
    AnyRequest,
    GivenPrincipal,
    GivenWaypost,
    Number,
    OptionalNumber,
)
from gateway.names import names_in

MEDIA_TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "cloudevents": "application/x-ndjson",
}
Format = Literal["jsonl", "csv", "cloudevents"]


@get("/audit", opt=AUDIT, dependencies=WANTED, sync_to_thread=True)
def list_entries(
    waypost: GivenWaypost,
    wanted: NamedDependency[JournalFilter],
    after: FromQuery[Annotated[int, Parameter(ge=-1, le=2**62)]] = -1,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 100,
    newest_first: FromQuery[bool] = False,
) -> JournalOut:
    """Entries after a number, in order. `ref` also finds what was said of a model's versions and aliases."""
    lines = waypost.journal.entries(wanted, after=after, limit=limit, newest_first=newest_first)
    return journal_out(lines, names_in(waypost.identity, lines), is_cut=is_cut(lines, limit))


@get("/audit/entries/{seq:int}", opt=AUDIT, sync_to_thread=True)
def show_entry(seq: FromPath[Number], waypost: GivenWaypost) -> ProvenEntryOut:
    """One entry with its exact bytes and the proof that it is in the newest checkpoint."""
    line, proven = waypost.journal.entry(seq)
    return proven_out(line, proven, names_in(waypost.identity, [line]))


@get("/audit/checkpoint", opt=AUDIT, sync_to_thread=True)
def show_checkpoint(waypost: GivenWaypost) -> Response[bytes]:
    """The newest checkpoint, a C2SP signed note; waits a moment until it counts every entry there is."""
    waypost.wake.tell("worker")
    return Response(waypost.journal.checkpoint(), media_type="text/plain")


@get("/audit/proof/inclusion", opt=AUDIT, sync_to_thread=True)
def show_inclusion(
    waypost: GivenWaypost, seq: FromQuery[Number], size: FromQuery[OptionalNumber] = None
) -> InclusionOut:
    """That an entry is among the first `size` (RFC 6962); without a size, in the newest checkpoint."""
    return inclusion_out(waypost.journal.prove_inclusion(seq, size))


@get("/audit/proof/consistency", opt=AUDIT, sync_to_thread=True)
def show_consistency(
    waypost: GivenWaypost,
    old: Annotated[int, QueryParameter(name="from", ge=0, le=2**62)],
    new: Annotated[int | None, QueryParameter(name="to", ge=0, le=2**62)] = None,
) -> ConsistencyOut:
    """That the log of `from` entries is the beginning of that of `to` (RFC 6962)."""
    return consistency_out(waypost.journal.prove_consistency(old, new))


@get("/audit/keys", opt=AUDIT, sync_to_thread=True)
def list_keys(waypost: GivenWaypost) -> KeysOut:
    """The log's name and the public keys that vouch for it, the one it signs with now last."""
    return keys_out(waypost.journal.keys())


@get("/audit/witnesses", opt=AUDIT, sync_to_thread=True)
def list_witnesses(waypost: GivenWaypost) -> WitnessesOut:
    """Where checkpoints go, and how each of these places stands."""
    return witnesses_out(waypost.journal.witnesses())


@get("/audit/export", opt=AUDIT, dependencies=WANTED, sync_to_thread=True)
def export_entries(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    wanted: NamedDependency[JournalFilter],
    form: Annotated[Format, QueryParameter(name="format")] = "jsonl",
) -> Stream:
    """A stream of any size: `jsonl` with proofs for `waypost audit verify`, `csv` for spreadsheets, or
    `cloudevents`.
    """
    request_id = request.scope["state"].get("request_id")
    pieces = waypost.journal.export(form, wanted, actor=principal.id, request=request_id)
    return Stream(pieces, media_type=MEDIA_TYPES[form])


@post("/audit/rotation", opt=AUDIT, sync_to_thread=True, status_code=202)
def rotate_key(waypost: GivenWaypost, principal: GivenPrincipal) -> RotationOut:
    """Replace the key that signs checkpoints; the next checkpoint is signed by both."""
    principal.require(Permission.GRANT, None, "everything")
    new = waypost.journal.rotate_key(principal.id)
    waypost.wake.tell("worker")
    return RotationOut(str(new))


@post("/audit/resume", opt=AUDIT, sync_to_thread=True, status_code=200)
def resume_signing(
    waypost: GivenWaypost, principal: GivenPrincipal, reason: FromQuery[str | None] = None
) -> ResumedOut:
    """Sign again although a witness knows more entries: those are lost for good. The log records it."""
    principal.require(Permission.GRANT, None, "everything")
    ahead = waypost.journal.signer.resume(principal.id, reason)
    waypost.wake.tell("worker")
    return resumed_out(ahead)
