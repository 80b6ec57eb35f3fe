"""Access: who am I, tokens, and grants."""

from datetime import timedelta

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from gateway.api.access_out import (
    GrantIn,
    GrantOut,
    GrantsOut,
    RotateIn,
    SecretOut,
    TokenIn,
    TokensOut,
    WhoamiOut,
    grant_out,
    grants_out,
    secret_out,
    tokens_out,
    whoami_out,
)
from gateway.api.requests import GRANT, READ, GivenPrincipal, GivenWaypost, Ident


@get("/whoami", opt=READ, sync_to_thread=True)
def whoami(waypost: GivenWaypost, principal: GivenPrincipal) -> WhoamiOut:
    """Who you are here, your roles, and what they allow."""
    return whoami_out(principal, waypost.identity.account(principal))


@get("/tokens", opt=GRANT, sync_to_thread=True)
def list_tokens(waypost: GivenWaypost, principal: GivenPrincipal) -> TokensOut:
    """Every token, for who may give roles on everything; else those you made."""
    return tokens_out(waypost.identity, waypost.identity.tokens(principal))


@post("/tokens", opt=GRANT, sync_to_thread=True)
def create_token(data: JSONBody[TokenIn], waypost: GivenWaypost, principal: GivenPrincipal) -> SecretOut:
    """Make a token, with a role on everything, a team or a registry. Its secret is shown this once."""
    return secret_out(waypost.identity, *waypost.identity.create_token(principal, data.spec()))


@post("/tokens/{name:str}/rotate", opt=GRANT, sync_to_thread=True)
def rotate_token(
    name: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    data: JSONBody[RotateIn | None] = None,
) -> SecretOut:
    """Give a token, by id or name, a new secret; the old one ends at once, or after `keep_hours`."""
    keep = timedelta(hours=0 if data is None else data.keep_hours)
    return secret_out(waypost.identity, *waypost.identity.rotate_token(principal, name, keep=keep))


@delete("/tokens/{name:str}", opt=GRANT, sync_to_thread=True)
def revoke_token(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """End a token, by id or name, and every session begun with it; it takes every process less than 5 seconds."""
    waypost.identity.revoke_token(principal, name)


@get("/grants", opt=GRANT, sync_to_thread=True)
def list_grants(waypost: GivenWaypost, principal: GivenPrincipal) -> GrantsOut:
    """The roles given on what you may give roles on."""
    return grants_out(waypost.identity, waypost.identity.grants(principal))


@post("/grants", opt=GRANT, sync_to_thread=True)
def add_grant(data: JSONBody[GrantIn], waypost: GivenWaypost, principal: GivenPrincipal) -> GrantOut:
    """Give a role. Giving it twice is giving it once."""
    return grant_out(waypost.identity, waypost.identity.give_role(principal, data.spec()))


@delete("/grants/{grant_id:int}", opt=GRANT, sync_to_thread=True)
def remove_grant(grant_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """Take a role away. Those of the configuration are taken away there."""
    waypost.identity.take_role(principal, grant_id)
