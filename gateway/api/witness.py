"""This gateway as a witness of other logs (C2SP tlog-witness): it checks that they only grow, and countersigns.

Everybody may ask: what is countersigned is signed by a log that the configuration names, and nothing else is told.
"""

import asyncio

from litestar import Response, get, post
from litestar.params import FromPath

from federation.journal.journal import WitnessRefusalError
from gateway.api.requests import PUBLIC, AnyRequest, GivenWaypost
from gateway.problems import ProblemError

TEXT = "text/plain"


@post("/witness/add-checkpoint", opt=PUBLIC, status_code=200)
async def add_checkpoint(request: AnyRequest, waypost: GivenWaypost) -> Response[bytes]:
    """Check a log's new checkpoint against the last one countersigned here; answers with the signature line."""
    body = await request.body()
    try:
        line = await asyncio.to_thread(waypost.journal.countersign, body)
    except WitnessRefusalError as error:
        if error.size is not None:
            return Response(f"{error.size}\n".encode(), status_code=409, media_type="text/x.tlog.size")
        raise ProblemError(error.status, "not-countersigned", str(error)) from None
    return Response(line, media_type=TEXT)


@get("/witness/key", opt=PUBLIC, sync_to_thread=True)
def show_witness_key(waypost: GivenWaypost) -> Response[bytes]:
    """The public key this gateway countersigns with."""
    return Response(f"{waypost.journal.countersigns_with()}\n".encode(), media_type=TEXT)


@get("/witness/checkpoint/{origin:str}", opt=PUBLIC, sync_to_thread=True)
def show_cosigned_checkpoint(origin: FromPath[str], waypost: GivenWaypost) -> Response[bytes]:
    """The newest checkpoint of another log that was countersigned here."""
    return Response(waypost.journal.countersigned(origin), media_type=TEXT)
