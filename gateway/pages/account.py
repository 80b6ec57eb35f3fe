"""`/account`: who you are here; tokens and roles, for who may give them."""

from datetime import timedelta
from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import MEANINGS, ROLES, Permission
from federation.identity.identity import GrantError, GrantSpec, TokenError, TokenSpec
from gateway.api.access_out import grants_out, tokens_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost, Ident
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import list_at, listed, local_path, page, pages_at
from gateway.pages.part import part_of
from gateway.problems import ProblemError

LONGEST_LIFE = 3650.0


@pages_at("/account")
def account_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    next: FromQuery[str] = "",  # noqa: A002
) -> Response[Any]:
    """Who you are, your roles, and what they allow."""
    return page(
        request,
        "account.html",
        title="Your account",
        account=waypost.identity.account(principal),
        sessions=waypost.identity.sessions(principal, own=True),
        everybody=principal.may(Permission.GRANT),
        onward=local_path(next) if next else "",
        local=waypost.settings.auth.mode == "local",
        meanings=MEANINGS,
    )


@list_at("/tokens", Permission.GRANT)
def tokens_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """The tokens, without their secrets."""
    found = tokens_out(waypost.identity, waypost.identity.tokens(principal))
    return listed(
        request,
        "tokens.html",
        found,
        found.tokens,
        title="Tokens",
        part=part_of(request, found.tokens, "name"),
        roles=list(ROLES),
        made=None,
        secret="",
        mistake="",
    )


@form_at("/tokens", Permission.GRANT)
def make_token(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[Any]:
    """Make a token and show its secret, this once."""
    made, secret, mistake = None, "", ""
    try:
        days = fields.get("days", "").strip()
        life = float(days) if days else None
        if life is not None and not 0 < life <= LONGEST_LIFE:
            raise TokenError(f"a token stands for at most {LONGEST_LIFE:.0f} days")
        role = fields.get("role")
        roles = ((role, fields.get("on") or "*"),) if role else ()
        spec = TokenSpec(fields.get("name", ""), life=None if life is None else timedelta(life), roles=roles)
        made, secret = waypost.identity.create_token(principal, spec)
    except ValueError as error:
        mistake = str(error) if isinstance(error, TokenError | GrantError) else "the days are a number"
    found = tokens_out(waypost.identity, waypost.identity.tokens(principal))
    return page(
        request,
        "tokens.html",
        status=201 if made else 422,
        title="Tokens",
        part=part_of(request, found.tokens, "name"),
        roles=list(ROLES),
        made=made,
        secret=secret,
        mistake=mistake,
    )


@form_at("/tokens/{name:str}/revoke", Permission.GRANT)
def end_token(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """End a token."""
    waypost.identity.revoke_token(principal, name)
    return Redirect("/tokens", status_code=303)


@list_at("/grants", Permission.GRANT)
def grants_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """Who may do what, and where."""
    found = grants_out(waypost.identity, waypost.identity.grants(principal))
    return listed(
        request, "grants.html", found, found.grants, title="Who may do what", roles=ROLES, meanings=MEANINGS,
        part=part_of(request, found.grants, "who", "role", "scope"),
    )  # fmt: skip


@form_at("/grants", Permission.GRANT)
def give_role(waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields) -> Redirect:
    """Give a role."""
    kind, name = fields.get("kind", ""), fields.get("who", "").strip()
    if kind not in ("token", "subject", "group") or not name:
        raise ProblemError(
            422, "invalid-grant", "a role is given to a token, a subject or a group, by its name"
        )
    spec = GrantSpec(f"{kind}:{name}", fields.get("role", ""), fields.get("on") or "*")
    waypost.identity.give_role(principal, spec)
    return Redirect("/grants", status_code=303)


@form_at("/grants/{grant_id:int}/remove", Permission.GRANT)
def take_role(grant_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """Take a role away."""
    waypost.identity.take_role(principal, grant_id)
    return Redirect("/grants", status_code=303)
