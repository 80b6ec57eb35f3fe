"""API tokens: made, renewed and revoked, each with its journal entry. The secret is shown once and stored nowhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from federation.access import DeniedError, Permission, Principal
from federation.database import now
from federation.identity import grants, principals, tables
from federation.identity.credentials import digest, new_id, new_token
from federation.identity.grants import GrantSpec
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LONGEST_LIFE = timedelta(days=3650)


class TokenError(ValueError):
    """A token that cannot be made or changed. One line with cause and remedy."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """What a new token is to be. `scopes` None: everything that its roles allow."""

    name: str
    scopes: Sequence[str] | None = None
    life: timedelta | None = None
    roles: Sequence[tuple[str, str]] = ()
    """Roles to give it, each with its scope."""


@dataclass(frozen=True, slots=True)
class Token:
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


def create(connection: Connection, spec: TokenSpec, actor: Principal) -> tuple[Token, str]:
    """A new token and its secret. Errors: `TokenError`, `GrantError`, `DeniedError`."""
    _check(spec)
    who = f"token:{spec.name}"
    grants.require_grants_of(connection, actor, who)
    if not spec.roles and Permission.GRANT not in actor.grants:
        raise DeniedError(Permission.GRANT, "any registry")
    if any(one.name == spec.name for one in _standing(connection)):
        raise TokenError(f"there is a token {spec.name}: renew or revoke it, or choose another name")
    batch = Batch()
    principal = principals.ensure(connection, batch, who, spec.name, actor.id)
    expires = None if spec.life is None else now() + spec.life
    made = _insert(connection, batch, principal, spec.scopes, expires, actor.id)
    batch.append(connection)
    for role, scope in spec.roles:
        grants.add(connection, GrantSpec(who, role, scope), actor)
    return made


def rotate(
    connection: Connection, name: str, actor: Principal, *, keep: timedelta = timedelta()
) -> tuple[Token, str]:
    """A new secret for the same principal; the old one goes on for `keep`.

    It lives as long as the old one was made to live. Errors: `KeyError`, `DeniedError`.
    """
    old = find(connection, name, actor)
    grants.require_grants_of(connection, actor, f"token:{old.name}")
    batch = Batch()
    principal = connection.execute(
        select(tables.principal).where(tables.principal.c.id == old.principal)
    ).one()
    expires = None if old.expires_at is None else now() + (old.expires_at - old.created_at)
    made = _insert(connection, batch, principal, old.scopes, expires, actor.id, replaces=old.id)
    if keep:
        until = min(now() + keep, old.expires_at or now() + keep)
        connection.execute(update(tables.token).where(tables.token.c.id == old.id).values(expires_at=until))
    else:
        _revoke(connection, batch, old, actor.id)
    batch.append(connection)
    return made


def revoke(connection: Connection, name: str, actor: Principal) -> None:
    """End a token, and every session that was begun with it. Errors: `KeyError`, `DeniedError`."""
    tokens = [one for one in visible(connection, actor) if name in (one.id, one.name) and not one.revoked_at]
    if not tokens:
        raise KeyError(name)
    grants.require_grants_of(connection, actor, f"token:{tokens[0].name}")
    batch = Batch()
    for one in tokens:
        _revoke(connection, batch, one, actor.id)
    batch.append(connection)


def visible(connection: Connection, actor: Principal) -> list[Token]:
    """Every token for who may give roles on everything; else those that the actor made."""
    mine = None if actor.may(Permission.GRANT) else tables.token.c.created_by == actor.id
    query = _select().order_by(tables.token.c.created_at, tables.token.c.id)
    return [Token(*row) for row in connection.execute(query if mine is None else query.where(mine))]


def find(connection: Connection, name: str, actor: Principal) -> Token:
    """The newest standing token with an id or name. Errors: `KeyError`."""
    found = [one for one in visible(connection, actor) if name in (one.id, one.name) and not one.revoked_at]
    if not found:
        raise KeyError(name)
    return found[-1]


def note_used(connection: Connection, used: dict[str, datetime]) -> None:
    """Remember when tokens were used last."""
    for token_id, moment in used.items():
        known = tables.token.c
        older = or_(known.last_used_at.is_(None), known.last_used_at < moment)
        connection.execute(
            update(tables.token).where(known.id == token_id, older).values(last_used_at=moment)
        )


def _check(spec: TokenSpec) -> None:
    if not NAME.fullmatch(spec.name):
        raise TokenError("a token's name has 1 to 63 of a-z, 0-9, '-', '_', '.', the first a letter or digit")
    unknown = sorted(set(spec.scopes or ()) - set(Permission))
    if unknown:
        raise TokenError(f"there is no scope {unknown[0][:60]!a}: scopes are {', '.join(Permission)}")
    if spec.life is not None and not timedelta() < spec.life <= LONGEST_LIFE:
        raise TokenError(f"a token lives for more than nothing and at most {LONGEST_LIFE.days} days")


def _select() -> Any:
    token, principal = tables.token.c, tables.principal.c
    return select(
        token.id,
        principal.name,
        principal.id,
        token.scopes,
        token.created_by,
        token.created_at,
        token.expires_at,
        token.last_used_at,
        token.revoked_at,
    ).join(tables.principal, principal.id == token.principal_id)


def _standing(connection: Connection) -> list[Token]:
    known = tables.token.c
    open_ended = or_(known.expires_at.is_(None), known.expires_at > now())
    return [
        Token(*row) for row in connection.execute(_select().where(known.revoked_at.is_(None), open_ended))
    ]


def _insert(
    connection: Connection,
    batch: Batch,
    principal: Row[Any],
    scopes: Sequence[str] | None,
    expires: datetime | None,
    actor: str,
    replaces: str | None = None,
) -> tuple[Token, str]:
    secret = new_token()
    values = {
        "id": new_id("t"),
        "principal_id": principal.id,
        "digest": digest(secret),
        "scopes": None if scopes is None else sorted(set(scopes)),
        "created_by": actor,
        "created_at": now(),
        "expires_at": expires,
    }
    connection.execute(insert(tables.token).values(values))
    details: dict[str, Any] = {"token": values["id"], "principal": principal.id, "scopes": values["scopes"]}
    if expires is not None:
        details["expires"] = expires.isoformat(timespec="seconds")
    if replaces is not None:
        details["replaces"] = replaces
    batch.record(Entry(action=Action.TOKEN_CREATED, actor=actor, details=details))
    row = connection.execute(_select().where(tables.token.c.id == values["id"])).one()
    return Token(*row), secret


def _revoke(connection: Connection, batch: Batch, token: Token, actor: str) -> None:
    moment = now()
    connection.execute(update(tables.token).where(tables.token.c.id == token.id).values(revoked_at=moment))
    session = tables.session.c
    connection.execute(
        update(tables.session)
        .where(session.token_id == token.id, session.ended_at.is_(None))
        .values(ended_at=moment)
    )
    details = {"token": token.id, "principal": token.principal}
    batch.record(Entry(action=Action.TOKEN_REVOKED, actor=actor, details=details))
