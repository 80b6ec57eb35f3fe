"""This gateway as a witness of other logs (C2SP tlog-witness): it checks that they only grow, and countersigns.

Everybody may ask: what is countersigned is signed by a log that the configuration names, and nothing else is told.
"""

import asyncio
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from federation.database import reading
from federation.journal.logkey import read_origin, witness_key
from federation.journal.note import SigningKey
from federation.journal.verify import NoteError, parse_verifier_key
from federation.journal.witnesses import WitnessRefusalError, countersign, read_witnessed
from gateway.api.requests import PUBLIC
from gateway.problems import ProblemError
from gateway.settings import SettingsError
from gateway.waypost import Waypost

TEXT = "text/plain; charset=utf-8"


@post("/witness/add-checkpoint", opt=PUBLIC, status_code=200)
async def add_checkpoint(
    request: Request[Any, Any, Any], waypost: NamedDependency[Waypost]
) -> Response[bytes]:
    """Check a log's new checkpoint against the last one countersigned here; answers with the signature line."""
    body = await request.body()
    try:
        line = await asyncio.to_thread(_countersign, waypost, body)
    except WitnessRefusalError as error:
        if error.size is not None:
            return Response(f"{error.size}\n".encode(), status_code=409, media_type="text/x.tlog.size")
        raise ProblemError(error.status, "not-countersigned", str(error)) from None
    return Response(line, media_type=TEXT)


@get("/witness/key", opt=PUBLIC, sync_to_thread=True)
def show_witness_key(waypost: NamedDependency[Waypost]) -> Response[bytes]:
    """The public key this gateway countersigns with."""
    return Response(f"{_key(waypost).verifier}\n".encode(), media_type=TEXT)


@get("/witness/checkpoint/{origin:str}", opt=PUBLIC, sync_to_thread=True)
def show_cosigned_checkpoint(origin: FromPath[str], waypost: NamedDependency[Waypost]) -> Response[bytes]:
    """The newest checkpoint of another log that was countersigned here."""
    with reading(waypost.engine) as connection:
        note = read_witnessed(connection, origin)
    if note is None:
        raise ProblemError(404, "not-found", "nothing of a log with this name was countersigned here")
    return Response(note, media_type=TEXT)


def _countersign(waypost: Waypost, body: bytes) -> bytes:
    try:
        trusted = [parse_verifier_key(text) for text in waypost.settings.audit.witness_for]
    except NoteError as error:
        raise SettingsError(f"audit.witness_for: {error}") from None
    return countersign(waypost.engine, body, trusted, _key(waypost))


def _key(waypost: Waypost) -> SigningKey:
    if not waypost.settings.audit.witness_for:
        raise ProblemError(404, "not-found", "this gateway is no witness: audit.witness_for names no log")
    with reading(waypost.engine) as connection:
        origin = read_origin(connection)
    return witness_key(waypost.settings.audit.witness_key, f"{origin}/witness")


HANDLERS = [add_checkpoint, show_witness_key, show_cosigned_checkpoint]
