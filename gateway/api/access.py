"""Access: who am I, tokens, and grants."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy import select

from federation import tables
from federation.access import ALL, EVERYTHING, Permission, Principal
from federation.database import reading, writing
from federation.identity import grants, people, tokens
from federation.identity.grants import Grant, GrantSpec
from federation.identity.tokens import Token, TokenSpec
from gateway.api.requests import Ident, needs
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
GRANT: dict[str, Any] = needs(Permission.GRANT)
Days = Annotated[float, msgspec.Meta(gt=0, le=3650)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class RoleOut(msgspec.Struct):
    """A role and what it holds on: `*`, `team:NAME` or `registry:NAME`."""

    role: str
    on: str


class PermissionOut(msgspec.Struct):
    """A permission, and the registries of the caller's view on which it holds; None: on everything."""

    permission: Permission
    registries: list[str] | None


class PersonOut(msgspec.Struct):
    """What the identity provider said of somebody last: `groups` (null: not known), and what it did not say."""

    groups: Sequence[str] | None
    said_at: datetime
    remark: str


class WhoamiOut(msgspec.Struct):
    """The caller as this gateway knows it."""

    id: str
    name: str
    roles: list[RoleOut]
    permissions: list[PermissionOut]
    person: PersonOut | None
    """None for a token."""


class GrantIn(msgspec.Struct, forbid_unknown_fields=True):
    """A role for one of a token (by name), an identity provider's subject, or its group."""

    role: Text
    on: Text = ALL
    token: Text | None = None
    subject: Text | None = None
    group: Text | None = None


class TokenIn(msgspec.Struct, forbid_unknown_fields=True):
    """A new token. Without `expires_in_days` it stands until it is revoked; `scopes` limit what its roles allow."""

    name: Text
    role: Text | None = None
    on: Text = ALL
    scopes: Annotated[list[Permission], msgspec.Meta(max_length=len(Permission))] | None = None
    expires_in_days: Days | None = None


class RotateIn(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the old secret goes on beside the new one."""

    keep_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 30)] = 0.0


class SecretOut(msgspec.Struct):
    """A token with its secret, which is shown this once and stored nowhere."""

    secret: str
    token: Token


class TokensOut(msgspec.Struct):
    """Tokens in the order they were made, without their secrets."""

    tokens: list[Token]


class GrantsOut(msgspec.Struct):
    """Grants in the order they were given."""

    grants: list[Grant]


@get("/whoami", opt=READ, sync_to_thread=True)
def whoami(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> WhoamiOut:
    """Who you are here, your roles, and what they allow."""
    known = tables.registry.c
    query = select(known.id, known.name).where(principal.view.clause(known.id)).order_by(known.name)
    with reading(waypost.engine) as connection:
        names = connection.execute(query).all()
        told = people.known(connection, principal.id)
    return WhoamiOut(
        principal.id,
        principal.name,
        [RoleOut(role, on) for role, on in sorted(principal.roles)],
        [
            PermissionOut(
                permission,
                None if view == EVERYTHING else [row.name for row in names if view.sees(row.id)],
            )
            for permission, view in sorted(principal.grants.items())
        ],
        None if told is None else PersonOut(told.groups, told.said_at, told.remark),
    )


@get("/tokens", opt=GRANT, sync_to_thread=True)
def list_tokens(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> TokensOut:
    """Every token, for who may give roles on everything; else those you made."""
    with reading(waypost.engine) as connection:
        return TokensOut(tokens.visible(connection, principal))


@post("/tokens", opt=GRANT, sync_to_thread=True)
def create_token(
    data: JSONBody[TokenIn], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> SecretOut:
    """Make a token, with a role on everything, a team or a registry. Its secret is shown this once."""
    life = None if data.expires_in_days is None else timedelta(days=data.expires_in_days)
    roles = ((data.role, data.on),) if data.role is not None else ()
    with writing(waypost.engine) as connection:
        made, secret = tokens.create(connection, TokenSpec(data.name, data.scopes, life, roles), principal)
    waypost.access_changed()
    return SecretOut(secret, made)


@post("/tokens/{name:str}/rotate", opt=GRANT, sync_to_thread=True)
def rotate_token(
    name: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    data: JSONBody[RotateIn | None] = None,
) -> SecretOut:
    """Give a token, by id or name, a new secret; the old one ends at once, or after `keep_hours`."""
    keep = timedelta(hours=0 if data is None else data.keep_hours)
    with writing(waypost.engine) as connection:
        made, secret = tokens.rotate(connection, name, principal, keep=keep)
    waypost.access_changed()
    return SecretOut(secret, made)


@delete("/tokens/{name:str}", opt=GRANT, sync_to_thread=True)
def revoke_token(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> None:
    """End a token, by id or name, and every session begun with it; it takes every process less than 5 seconds."""
    with writing(waypost.engine) as connection:
        tokens.revoke(connection, name, principal)
    waypost.access_changed()


@get("/grants", opt=GRANT, sync_to_thread=True)
def list_grants(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> GrantsOut:
    """The roles given on what you may give roles on."""
    with reading(waypost.engine) as connection:
        return GrantsOut(grants.visible(connection, principal))


@post("/grants", opt=GRANT, sync_to_thread=True)
def add_grant(
    data: JSONBody[GrantIn], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Grant:
    """Give a role. Giving it twice is giving it once."""
    named = {"token": data.token, "subject": data.subject, "group": data.group}
    who = [f"{kind}:{name}" for kind, name in named.items() if name is not None]
    if len(who) != 1:
        raise grants.GrantError("a grant names one of token, subject and group")
    with writing(waypost.engine) as connection:
        found = grants.add(connection, GrantSpec(who[0], data.role, data.on), principal)
    waypost.access_changed()
    return found


@delete("/grants/{grant_id:int}", opt=GRANT, sync_to_thread=True)
def remove_grant(
    grant_id: FromPath[Ident], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> None:
    """Take a role away. Those of the configuration are taken away there."""
    with writing(waypost.engine) as connection:
        grants.remove(connection, grant_id, principal)
    waypost.access_changed()


HANDLERS = [
    whoami,
    list_tokens,
    create_token,
    rotate_token,
    revoke_token,
    list_grants,
    add_grant,
    remove_grant,
]
