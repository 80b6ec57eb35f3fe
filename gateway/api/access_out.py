"""What the API takes and answers about access: tokens, grants, principals and sessions."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from federation.access import ALL, Permission, Principal
from federation.identity.identity import (
    Grant,
    GrantError,
    GrantSpec,
    Identity,
    Member,
    Rights,
    Session,
    Token,
    TokenSpec,
    TokenState,
)
from gateway.names import with_names

Days = Annotated[float, msgspec.Meta(gt=0, le=3650)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class RoleOut(msgspec.Struct):
    """A role and what it holds on: `*`, `team:NAME` or `registry:NAME`."""

    role: str
    on: str


class PermissionOut(msgspec.Struct):
    """A permission, and the registries of the caller's view on which it holds; None: on everything."""

    permission: Permission
    registries: Sequence[str] | None


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
    """The name of a token."""
    subject: Text | None = None
    """A person, by the identity provider's name for them."""
    group: Text | None = None
    """A group of the identity provider."""

    def spec(self) -> GrantSpec:
        """The same for the face. Errors: `GrantError`."""
        named = {"token": self.token, "subject": self.subject, "group": self.group}
        who = [f"{kind}:{name}" for kind, name in named.items() if name is not None]
        if len(who) != 1:
            raise GrantError("a grant names one of token, subject and group")
        return GrantSpec(who[0], self.role, self.on)


class TokenIn(msgspec.Struct, forbid_unknown_fields=True):
    """A new token. Without `expires_in_days` it stands until it is revoked; `scopes` limit what its roles allow."""

    name: Text
    role: Text | None = None
    on: Text = ALL
    scopes: Annotated[list[Permission], msgspec.Meta(max_length=len(Permission))] | None = None
    expires_in_days: Days | None = None

    def spec(self) -> TokenSpec:
        """The same for the face."""
        life = None if self.expires_in_days is None else timedelta(days=self.expires_in_days)
        return TokenSpec(self.name, self.scopes, life, ((self.role, self.on),) if self.role else ())


class RotateIn(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the old secret goes on beside the new one."""

    keep_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 30)] = 0.0


class TokenOut(msgspec.Struct):
    """A token as it stands, without its secret."""

    id: str
    name: str
    principal: str
    scopes: list[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    state: TokenState
    """`former`: a newer secret of the same token stands, and this one goes on until `expires_at`."""
    created_by_name: str = ""
    """What the one who made it is called, until that is erased."""


class SecretOut(msgspec.Struct):
    """A token with its secret, which is shown this once and stored nowhere."""

    secret: str
    token: TokenOut


class TokensOut(msgspec.Struct):
    """Tokens in the order they were made, without their secrets."""

    tokens: list[TokenOut]


class GrantOut(msgspec.Struct):
    """A grant as it stands."""

    id: int
    who: str
    role: str
    scope: str
    source: str
    created_by: str
    created_at: datetime
    created_by_name: str = ""
    """What the one who gave it is called, until that is erased."""


class GrantsOut(msgspec.Struct):
    """Grants in the order they were given."""

    grants: list[GrantOut]


class PrincipalsOut(msgspec.Struct):
    """Everybody who is known, in the order they were first seen."""

    principals: list[Member]


class SessionsOut(msgspec.Struct):
    """Sessions that stand, oldest first."""

    sessions: list[Session]


class EndedOut(msgspec.Struct):
    """How many sessions were ended."""

    ended: int


def tokens_out(identity: Identity, found: Iterable[Token]) -> TokensOut:
    """Tokens as JSON, with the names of who made them."""
    return TokensOut(with_names(identity, (TokenOut(**asdict(one)) for one in found)))


def secret_out(identity: Identity, made: Token, secret: str) -> SecretOut:
    """A new token with its secret as JSON."""
    return SecretOut(secret, tokens_out(identity, [made]).tokens[0])


def grants_out(identity: Identity, found: Iterable[Grant]) -> GrantsOut:
    """Grants as JSON, with the names of who gave them."""
    return GrantsOut(with_names(identity, (GrantOut(**asdict(one)) for one in found)))


def grant_out(identity: Identity, made: Grant) -> GrantOut:
    """One grant as JSON."""
    return grants_out(identity, [made]).grants[0]


def whoami_out(principal: Principal, account: Rights) -> WhoamiOut:
    """The caller as JSON."""
    said = account.person
    return WhoamiOut(
        principal.id,
        principal.name,
        [RoleOut(role, on) for role, on in sorted(principal.roles)],
        [PermissionOut(permission, names) for permission, names in account.permissions],
        None if said is None else PersonOut(said.groups, said.said_at, said.remark),
    )
