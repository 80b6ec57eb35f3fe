"""`/principals` and `/sessions`: who is known here, who is signed in, and keeping somebody out."""

from typing import Any

from litestar import Response
from litestar.params import FromPath
from litestar.response import Redirect

from federation.access import Permission
from gateway.api.access_out import PrincipalsOut, SessionsOut
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.pages.forms import form_at
from gateway.pages.page import list_at, listed
from gateway.pages.part import part_of


@list_at("/principals", Permission.GRANT)
def principals_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """People and services, with the groups that the identity provider named last."""
    found = waypost.identity.members(principal)
    part = part_of(request, found, "name", "who")
    return listed(
        request, "principals.html", PrincipalsOut(found), found, title="People and services", part=part
    )


@form_at("/principals/{name:str}/disable", Permission.GRANT)
def lock_out(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """Lock somebody out."""
    waypost.identity.disable(principal, name)
    return Redirect("/principals", status_code=303)


@form_at("/principals/{name:str}/enable", Permission.GRANT)
def let_in(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """Let somebody in again."""
    waypost.identity.enable(principal, name)
    return Redirect("/principals", status_code=303)


@form_at("/principals/{name:str}/end", Permission.GRANT)
def end_all(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """End all sessions of somebody."""
    waypost.identity.end_sessions_of(principal, name)
    return Redirect("/principals", status_code=303)


@list_at("/sessions")
def sessions_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """Who is signed in where."""
    found = waypost.identity.sessions(principal)
    part = part_of(request, found, "name", "id")
    return listed(request, "sessions.html", SessionsOut(found), found, title="Signed-in browsers", part=part)


@form_at("/sessions/{session_id:str}/end", Permission.READ)
def end_one(session_id: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """End a session."""
    waypost.identity.end_session(principal, session_id)
    return Redirect("/sessions", status_code=303)
