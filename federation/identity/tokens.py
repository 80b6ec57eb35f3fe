"""API tokens: made, renewed and revoked, each with its journal entry. The secret is shown once and stored nowhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select, update

from federation.access import Permission, Principal
from federation.database import now
from federation.errors import DeniedError, InvalidRequestError, UnknownError
from federation.identity import grants, principals, tables
from federation.identity.credentials import digest, new_id, new_token
from federation.identity.grants import GrantSpec
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch

State = Literal["ok", "former", "expired", "revoked"]
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LONGEST_LIFE = timedelta(days=3650)


class TokenError(InvalidRequestError):
    """A token that cannot be made or changed. One line with cause and remedy."""

    code = "invalid-token"


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
    state: State
    """`former`: a newer secret of the same token stands, and this one goes on until `expires_at`."""


def create(connection: Connection, spec: TokenSpec, actor: Principal) -> tuple[Token, str]:
    """A new token and its secret. Errors: `TokenError`, `GrantError`, `DeniedError`."""
    _check(spec)
    who = f"token:{spec.name}"
    grants.require_grants_of(connection, actor, who)
    if not spec.roles and Permission.GRANT not in actor.grants:
        raise DeniedError(Permission.GRANT, "any registry")
    if any(one.name == spec.name and one.state in ("ok", "former") for one in _tokens(connection)):
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
    """A new secret for the same principal; the old one goes on for `keep`, and any that went on before it ends.

    It lives as long as the old one was made to live. Errors: `UnknownError`, `DeniedError`.
    """
    old = find(connection, name, actor)
    grants.require_grants_of(connection, actor, f"token:{old.name}")
    batch = Batch()
    principal = connection.execute(
        select(tables.principal).where(tables.principal.c.id == old.principal)
    ).one()
    expires = None if old.expires_at is None else now() + (old.expires_at - old.created_at)
    for one in _unrevoked(connection, old.principal):
        if one.id == old.id and keep:
            until = min(now() + keep, old.expires_at or now() + keep)
            connection.execute(
                update(tables.token).where(tables.token.c.id == old.id).values(expires_at=until)
            )
        else:
            _revoke(connection, batch, one, actor.id)
    made = _insert(connection, batch, principal, old.scopes, expires, actor.id, replaces=old.id)
    batch.append(connection)
    return made


def revoke(connection: Connection, name: str, actor: Principal) -> None:
    """End a token, and every session that was begun with it. Errors: `UnknownError`, `DeniedError`."""
    found = find(connection, name, actor)
    grants.require_grants_of(connection, actor, f"token:{found.name}")
    batch = Batch()
    for one in [found] if name == found.id else _unrevoked(connection, found.principal):
        _revoke(connection, batch, one, actor.id)
    batch.append(connection)


def visible(connection: Connection, actor: Principal) -> list[Token]:
    """Every token for who may give roles on everything; else those that the actor made."""
    everything = actor.may(Permission.GRANT)
    return [one for one in _tokens(connection) if everything or one.created_by == actor.id]


def find(connection: Connection, name: str, actor: Principal) -> Token:
    """The newest token with an id or name that is not revoked. Errors: `UnknownError`."""
    found = [
        one for one in visible(connection, actor) if name in (one.id, one.name) and one.state != "revoked"
    ]
    if not found:
        raise UnknownError()
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
        principal.id.label("principal"),
        token.scopes,
        token.created_by,
        token.created_at,
        token.expires_at,
        token.last_used_at,
        token.revoked_at,
    ).join(tables.principal, principal.id == token.principal_id)


def _tokens(connection: Connection, principal: str | None = None) -> list[Token]:
    """The tokens, of one principal or of all, in the order they were made."""
    query = _select().order_by(tables.token.c.created_at, tables.token.c.id)
    if principal is not None:
        query = query.where(tables.token.c.principal_id == principal)
    rows = connection.execute(query).all()
    newest = {row.principal: row.id for row in rows if _state(row, row.id) == "ok"}
    return [Token(**row._mapping, state=_state(row, newest.get(row.principal))) for row in rows]


def _state(row: Any, newest: str | None) -> State:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now():
        return "expired"
    return "ok" if row.id == newest else "former"


def _unrevoked(connection: Connection, principal: str) -> list[Token]:
    return [one for one in _tokens(connection, principal) if one.state != "revoked"]


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
    return Token(**row._mapping, state="ok"), secret


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
