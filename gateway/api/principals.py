"""Who is known here and who is signed in: locking somebody out, and ending sessions."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy import Connection

from federation.access import Permission, Principal
from federation.database import reading, writing
from federation.errors import UnknownError
from federation.identity import principals, sessions
from federation.identity.sessions import Session
from gateway.api.requests import needs
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
GRANT: dict[str, Any] = needs(Permission.GRANT)


class PrincipalOut(msgspec.Struct):
    """A person or service. `groups` (null: not known), `said_at` and `remark`: what the identity provider said of a
    person last, and what it did not say. `sessions`: how many stand.
    """

    id: str
    who: str
    """`token:NAME` or `subject:SUBJECT`, as grants name it."""
    name: str
    created_at: datetime
    disabled_at: datetime | None
    groups: Sequence[str] | None
    said_at: datetime | None
    remark: str
    sessions: int


class PrincipalsOut(msgspec.Struct):
    """Everybody who is known, in the order they were first seen."""

    principals: list[PrincipalOut]


class SessionsOut(msgspec.Struct):
    """Sessions that stand, oldest first."""

    sessions: list[Session]


class EndedOut(msgspec.Struct):
    """How many sessions were ended."""

    ended: int


@get("/principals", opt=GRANT, sync_to_thread=True)
def list_principals(
    waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> PrincipalsOut:
    """Everybody who is known here, for who may give roles on everything."""
    principal.require(Permission.GRANT, None, "everything")
    with reading(waypost.engine) as connection:
        return PrincipalsOut(_principals(connection))


@post("/principals/{name:str}/disable", opt=GRANT, status_code=200, sync_to_thread=True)
def disable_principal(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> EndedOut:
    """Lock a person or service out, by id, `subject:SUBJECT` or `token:NAME`: its sessions end, its tokens stop."""
    with writing(waypost.engine) as connection:
        known = _set_disabled(connection, name, principal, True)
        ended = sessions.end_of(connection, known, principal.id)
    waypost.access_changed()
    return EndedOut(ended)


@post("/principals/{name:str}/enable", opt=GRANT, status_code=204, sync_to_thread=True)
def enable_principal(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> None:
    """Let somebody in again who was locked out. Tokens work again, people sign in anew."""
    with writing(waypost.engine) as connection:
        _set_disabled(connection, name, principal, False)
    waypost.access_changed()


@delete("/principals/{name:str}/sessions", opt=GRANT, status_code=200, sync_to_thread=True)
def end_sessions_of(
    name: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> EndedOut:
    """End every session of a person or token: who may, signs in again."""
    principal.require(Permission.GRANT, None, "everything")
    with writing(waypost.engine) as connection:
        ended = sessions.end_of(connection, _find(connection, name), principal.id)
    waypost.access_changed()
    return EndedOut(ended)


@get("/sessions", opt=READ, sync_to_thread=True)
def list_sessions(waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]) -> SessionsOut:
    """Where you are signed in; for who may give roles on everything, where anybody is."""
    with reading(waypost.engine) as connection:
        return SessionsOut(sessions.listed(connection, _whose(principal)))


@delete("/sessions/{session_id:str}", opt=READ, sync_to_thread=True)
def end_session(
    session_id: FromPath[str], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> None:
    """End a session of yours, or anybody's for who may give roles on everything; everywhere within 5 seconds."""
    with writing(waypost.engine) as connection:
        mine = [one.id for one in sessions.listed(connection, _whose(principal))]
        if session_id not in mine:
            raise UnknownError()
        sessions.end_one(connection, session_id, principal.id)
    waypost.access_changed()


def _whose(principal: Principal) -> str | None:
    """Whose sessions somebody sees: None for everybody's."""
    return None if principal.may(Permission.GRANT) else principal.id


def _principals(connection: Connection) -> list[PrincipalOut]:
    standing = Counter(one.principal for one in sessions.listed(connection))
    return [
        PrincipalOut(
            one.id, one.who, one.name, one.created_at, one.disabled_at, one.groups, one.said_at, one.remark,
            standing[one.id],
        )
        for one in principals.listed(connection)
    ]  # fmt: skip


def _set_disabled(connection: Connection, name: str, actor: Principal, disabled: bool) -> str:
    actor.require(Permission.GRANT, None, "everything")
    principals.set_disabled(connection, _find(connection, name), disabled, actor.id)
    return _find(connection, name)


def _find(connection: Connection, name: str) -> str:
    return str(principals.find(connection, name).id)


HANDLERS = [
    list_principals,
    disable_principal,
    enable_principal,
    end_sessions_of,
    list_sessions,
    end_session,
]
