"""Who is known here and who is signed in: locking somebody out, and ending sessions."""

from litestar import delete, get, post
from litestar.params import FromPath

from gateway.api.access_out import EndedOut, PrincipalsOut, SessionsOut
from gateway.api.requests import GRANT, READ, GivenPrincipal, GivenWaypost


@get("/principals", opt=GRANT, sync_to_thread=True)
def list_principals(waypost: GivenWaypost, principal: GivenPrincipal) -> PrincipalsOut:
    """Everybody who is known here, for who may give roles on everything."""
    return PrincipalsOut(waypost.identity.members(principal))


@post("/principals/{name:str}/disable", opt=GRANT, status_code=200, sync_to_thread=True)
def disable_principal(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> EndedOut:
    """Lock a person or service out, by id, `subject:SUBJECT` or `token:NAME`: its sessions end, its tokens stop."""
    return EndedOut(waypost.identity.disable(principal, name))


@post("/principals/{name:str}/enable", opt=GRANT, status_code=204, sync_to_thread=True)
def enable_principal(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """Let somebody in again who was locked out. Tokens work again, people sign in anew."""
    waypost.identity.enable(principal, name)


@delete("/principals/{name:str}/sessions", opt=GRANT, status_code=200, sync_to_thread=True)
def end_sessions_of(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> EndedOut:
    """End every session of a person or token: who may, signs in again."""
    return EndedOut(waypost.identity.end_sessions_of(principal, name))


@get("/sessions", opt=READ, sync_to_thread=True)
def list_sessions(waypost: GivenWaypost, principal: GivenPrincipal) -> SessionsOut:
    """Where you are signed in; for who may give roles on everything, where anybody is."""
    return SessionsOut(waypost.identity.sessions(principal))


@delete("/sessions/{session_id:str}", opt=READ, sync_to_thread=True)
def end_session(session_id: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """End a session of yours, or anybody's for who may give roles on everything; everywhere within 5 seconds."""
    waypost.identity.end_session(principal, session_id)
