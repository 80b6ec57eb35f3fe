"""Keeping the journal: erasing a person beside it, and sealing old entries into an archive."""

from litestar import post
from litestar.params import FromQuery, JSONBody

from federation.access import Permission
from federation.erasure import erase
from gateway.api.journal_out import ErasureIn, ErasureOut, SealIn, SealOut, seal_out
from gateway.api.requests import AUDIT, AnyRequest, GivenPrincipal, GivenWaypost
from gateway.parameters import read_time
from gateway.problems import ProblemError


@post("/audit/erasures", opt=AUDIT, sync_to_thread=True, status_code=200)
def erase_subject(
    request: AnyRequest,
    data: JSONBody[ErasureIn],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    dry_run: FromQuery[bool] = False,
) -> ErasureOut:
    """Remove a person's values beside the log, in the catalogue, native payloads and the index. Proofs still hold;
    the act itself is an entry. With `dry_run` nothing is removed, and it is told how much would be.
    """
    principal.require(Permission.GRANT, None, "everything")
    found = erase(
        waypost.engine,
        data.subject,
        actor=principal.id,
        reason=data.reason,
        request=request.scope["state"].get("request_id"),
        dry_run=dry_run,
    )
    if not dry_run:
        waypost.wake.tell("worker", everywhere=True)
    return ErasureOut(*found)


@post("/audit/seals", opt=AUDIT, sync_to_thread=True, status_code=200)
def seal_entries(data: JSONBody[SealIn], waypost: GivenWaypost, principal: GivenPrincipal) -> SealOut:
    """Move old entries with their proofs into an archive file; what is signed stays provable."""
    principal.require(Permission.GRANT, None, "everything")
    before = read_time(data.before, "before")
    if before is None:
        raise ProblemError(400, "invalid-request", "before is missing", parameter="before")
    return seal_out(waypost.journal.seal_before(before, actor=principal.id))
