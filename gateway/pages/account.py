"""`/account`: who you are here; tokens and roles, for who may give them."""

from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import ROLES, Permission, Principal
from federation.identity.grants import GrantError
from federation.identity.tokens import TokenError
from gateway.api.access import (
    GrantIn,
    TokenIn,
    add_grant,
    create_token,
    list_grants,
    list_tokens,
    remove_grant,
    revoke_token,
    whoami,
)
from gateway.api.principals import list_sessions
from gateway.api.requests import Ident
from gateway.pages.answers import answer
from gateway.pages.forms import form_at
from gateway.pages.page import list_at, listed, local_path, page, pages_at
from gateway.problems import ProblemError
from gateway.waypost import Waypost

LONGEST_LIFE = 3650.0


@pages_at("/account")
def account_page(
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    next: FromQuery[str] = "",  # noqa: A002
) -> Response[Any]:
    """Who you are, your roles, and what they allow."""
    return page(
        request,
        "account.html",
        title="Your account",
        me=answer(whoami)(waypost, principal),
        sessions=[
            one for one in answer(list_sessions)(waypost, principal).sessions if one.principal == principal.id
        ],
        everybody=principal.may(Permission.GRANT),
        onward=local_path(next) if next else "",
        local=waypost.settings.auth.mode == "local",
    )


@list_at("/tokens", Permission.GRANT)
def tokens_page(
    request: Request[Any, Any, Any], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Response[Any]:
    """The tokens, without their secrets."""
    found = answer(list_tokens)(waypost, principal)
    return listed(
        request,
        "tokens.html",
        found,
        found.tokens,
        title="Tokens",
        tokens=found.tokens,
        roles=list(ROLES),
        made=None,
        mistake="",
    )


@form_at("/tokens", Permission.GRANT)
def make_token(
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    fields: NamedDependency[dict[str, str]],
) -> Response[Any]:
    """Make a token and show its secret, this once."""
    made, mistake = None, ""
    try:
        days = fields.get("days", "").strip()
        life = float(days) if days else None
        if life is not None and not 0 < life <= LONGEST_LIFE:
            raise TokenError(f"a token stands for at most {LONGEST_LIFE:.0f} days")
        role = fields.get("role") or None
        given = TokenIn(fields.get("name", ""), role=role, on=fields.get("on") or "*", expires_in_days=life)
        made = answer(create_token)(given, waypost, principal)
    except ValueError as error:
        mistake = str(error) if isinstance(error, TokenError | GrantError) else "the days are a number"
    return page(
        request,
        "tokens.html",
        status=201 if made else 422,
        title="Tokens",
        tokens=answer(list_tokens)(waypost, principal).tokens,
        roles=list(ROLES),
        made=made,
        mistake=mistake,
    )


@form_at("/tokens/{name:str}/revoke", Permission.GRANT)
def end_token(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Redirect:
    """End a token."""
    answer(revoke_token)(name, waypost, principal)
    return Redirect("/tokens", status_code=303)


@list_at("/grants", Permission.GRANT)
def grants_page(
    request: Request[Any, Any, Any], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Response[Any]:
    """Who may do what, and where."""
    found = answer(list_grants)(waypost, principal)
    return listed(
        request, "grants.html", found, found.grants, title="Who may do what", grants=found.grants, roles=ROLES
    )


@form_at("/grants", Permission.GRANT)
def give_role(
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    fields: NamedDependency[dict[str, str]],
) -> Redirect:
    """Give a role."""
    kind, name = fields.get("kind", ""), fields.get("who", "").strip()
    if kind not in ("token", "subject", "group") or not name:
        raise ProblemError(
            422, "invalid-grant", "a role is given to a token, a subject or a group, by its name"
        )
    given = GrantIn(fields.get("role", ""), on=fields.get("on") or "*", **{kind: name})
    answer(add_grant)(given, waypost, principal)
    return Redirect("/grants", status_code=303)


@form_at("/grants/{grant_id:int}/remove", Permission.GRANT)
def take_role(
    grant_id: FromPath[Ident], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Redirect:
    """Take a role away."""
    answer(remove_grant)(grant_id, waypost, principal)
    return Redirect("/grants", status_code=303)


HANDLERS = [*account_page, *tokens_page, make_token, end_token, *grants_page, give_role, take_role]
