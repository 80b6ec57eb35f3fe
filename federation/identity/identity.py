"""Access as the gateway asks it: one object per process, which says who is who and what was given to whom.

Whoever asks for a change is its first argument, and is held to what they may do here. Each change is one transaction
with its journal entry, and is told to the other processes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Connection, Dialect, Engine, select

from federation import tables as spine
from federation.access import EVERYTHING, Permission, Principal, View
from federation.database import reading, writing
from federation.errors import UnknownError
from federation.identity import grants, people, principals, sessions, tokens
from federation.identity.credentials import PREFIX as TOKEN_PREFIX
from federation.identity.credentials import unseal
from federation.identity.denials import Denials
from federation.identity.directory import CredentialError, Directory, Known
from federation.identity.grants import Grant, GrantError, GrantSpec
from federation.identity.grants import check as check_grant
from federation.identity.people import Person, Said
from federation.identity.principals import Member
from federation.identity.sessions import Renewal, Session
from federation.identity.tokens import State as TokenState
from federation.identity.tokens import Token, TokenError, TokenSpec
from federation.prepared import COMPILED, Statement, cursor_of, prepare

__all__ = [
    "TOKEN_PREFIX",
    "CredentialError",
    "Denials",
    "Grant",
    "GrantError",
    "GrantSpec",
    "Identity",
    "Known",
    "Member",
    "Person",
    "Renewal",
    "Rights",
    "Said",
    "Session",
    "Token",
    "TokenError",
    "TokenSpec",
    "TokenState",
    "check_grant",
]


@lru_cache(COMPILED)
def _registries(dialect: Dialect, view: View) -> Statement:
    """The registries of a view, by name."""
    known = spine.registry.c
    return prepare(dialect, select(known.id, known.name).where(view.clause(known.id)).order_by(known.name))


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do, and what the identity provider said of them last; None for a token."""

    permissions: Sequence[tuple[Permission, Sequence[str] | None]]
    """With the names of the registries of the view on which each holds; None: on everything."""
    person: Said | None


class Identity:
    """Who may sign in, and with which roles. `default_role` is held by everybody who is signed in.

    `changed` is called after each change of access, for the other processes to look.
    """

    def __init__(
        self, engine: Engine, default_role: str = "", changed: Callable[[], None] = lambda: None
    ) -> None:
        self._engine = engine
        self._tell = changed
        self.directory = Directory(engine, default_role)

    def account(self, principal: Principal) -> Rights:
        """The caller as this gateway knows it."""
        with reading(self._engine) as connection:
            names = _registries(connection.dialect, principal.view).rows(cursor_of(connection), {})
            said = people.known(connection, principal.id)
        permissions = [
            (permission, None if view == EVERYTHING else [row.name for row in names if view.sees(row.id)])
            for permission, view in sorted(principal.grants.items())
        ]
        return Rights(permissions, said)

    def tokens(self, actor: Principal) -> list[Token]:
        """Every token for who may give roles on everything, else those that the actor made; oldest first."""
        with reading(self._engine) as connection:
            return tokens.visible(connection, actor)

    def create_token(self, actor: Principal, spec: TokenSpec) -> tuple[Token, str]:
        """A new token and its secret. Errors: `TokenError`, `GrantError`, `DeniedError`."""
        with self._changing() as connection:
            return tokens.create(connection, spec, actor)

    def rotate_token(
        self, actor: Principal, name: str, *, keep: timedelta = timedelta()
    ) -> tuple[Token, str]:
        """A new secret for a token, by id or name; the old one goes on for `keep`. Errors: as `tokens.rotate`."""
        with self._changing() as connection:
            return tokens.rotate(connection, name, actor, keep=keep)

    def revoke_token(self, actor: Principal, name: str) -> None:
        """End a token, by id or name, and every session begun with it. Errors: `UnknownError`, `DeniedError`."""
        with self._changing() as connection:
            tokens.revoke(connection, name, actor)

    def grants(self, actor: Principal) -> list[Grant]:
        """The roles given on what the actor may give roles on, in the order they were given."""
        with reading(self._engine) as connection:
            return grants.visible(connection, actor)

    def give_role(self, actor: Principal, spec: GrantSpec) -> Grant:
        """Give a role; twice is once. Errors: `GrantError`, `DeniedError`."""
        with self._changing() as connection:
            return grants.add(connection, spec, actor)

    def take_role(self, actor: Principal, grant_id: int) -> None:
        """Take a role away. Errors: `GrantError`, `DeniedError`, `UnknownError`."""
        with self._changing() as connection:
            grants.remove(connection, grant_id, actor)

    def apply_grants(self, specs: Sequence[GrantSpec]) -> list[str]:
        """Bring the grants of the configuration in line with the file; a line for each that changed."""
        with writing(self._engine, alone=True) as connection:
            return grants.apply(connection, specs)

    def members(self, actor: Principal) -> list[Member]:
        """Everybody who is known here, in the order they were first seen. Errors: `DeniedError`."""
        _require_everything(actor)
        with reading(self._engine) as connection:
            standing = Counter(one.principal for one in sessions.listed(connection))
            return [replace(one, sessions=standing[one.id]) for one in principals.listed(connection)]

    def names(self, ids: Iterable[str | None]) -> dict[str, str]:
        """What principals with these ids are called; whoever is not known by a name is not in it."""
        asked = {one for one in ids if one is not None}
        if not asked:
            return {}
        with reading(self._engine) as connection:
            return principals.names(connection, asked)

    def called(self, name: str) -> list[str]:
        """The ids of those who are called so: by a name, `token:NAME` or `subject:SUBJECT`."""
        with reading(self._engine) as connection:
            return principals.called(connection, name)

    def meant(self, text: str, begins: bool = False) -> list[str]:
        """The ids of those whom somebody may mean by a name, or (`begins`) by its beginning; and the text itself."""
        with reading(self._engine) as connection:
            return principals.meant(connection, text, begins)

    def disable(self, actor: Principal, named: str) -> int:
        """Lock somebody out, by id or as grants name them; returns how many of their sessions ended.

        Errors: `DeniedError`, `UnknownError`, `PrincipalError`.
        """
        _require_everything(actor)
        with self._changing() as connection:
            principal_id = principals.set_disabled(connection, named, True, actor.id)
            return sessions.end_of(connection, principal_id, actor.id)

    def enable(self, actor: Principal, named: str) -> None:
        """Let somebody in again. Errors: as `disable`."""
        _require_everything(actor)
        with self._changing() as connection:
            principals.set_disabled(connection, named, False, actor.id)

    def sessions(self, actor: Principal, *, own: bool = False) -> list[Session]:
        """The sessions that stand: the actor's, or unless `own`, everybody's for who may give roles on everything."""
        with reading(self._engine) as connection:
            return sessions.listed(connection, actor.id if own else _whose(actor))

    def end_session(self, actor: Principal, session_id: str) -> None:
        """End a session that the actor sees. Errors: `UnknownError`."""
        with self._changing() as connection:
            if session_id not in [one.id for one in sessions.listed(connection, _whose(actor))]:
                raise UnknownError()
            sessions.end_one(connection, session_id, actor.id)

    def end_sessions_of(self, actor: Principal, named: str) -> int:
        """End every session of somebody; returns how many stood. Errors: `DeniedError`, `UnknownError`."""
        _require_everything(actor)
        with self._changing() as connection:
            return sessions.end_of(connection, principals.find(connection, named).id, actor.id)

    def sign_in_with_token(self, known: Known, life: timedelta) -> str:
        """Begin a session of whom a token stands for; it never outlives the token. Returns its secret."""
        assert known.token_id is not None
        with writing(self._engine) as connection:
            return sessions.begin_with_token(
                connection, known.principal.id, known.token_id, life, known.expires_at
            )

    def sign_in_as_person(self, person: Person, life: timedelta, renewal: Renewal | None) -> str:
        """Begin a session of somebody whom the identity provider vouches for. Returns its secret."""
        with self._changing() as connection:
            return sessions.begin_as_person(connection, person, life, renewal)

    def sign_out(self, secret: str) -> bool:
        """End a session by its secret. Returns whether there was one that stood."""
        with writing(self._engine) as connection:
            ended = sessions.end(connection, secret)
        if ended:
            self._changed()
        return ended

    def take_turn(self, secret: str) -> bool:
        """Whether the caller is to ask the identity provider about a session now: one at a time is."""
        with writing(self._engine) as connection:
            return sessions.take_turn(connection, secret)

    def renewal(self, secret: str, known: Known) -> Renewal:
        """What the provider can be asked again with about a session. Errors: `ValueError` where it cannot be read."""
        assert known.renewal is not None
        return Renewal(unseal(secret, known.renewal))

    def renew(self, secret: str, person: Person | None, renewal: Renewal | None) -> Known:
        """Keep what the provider said when asked again; returns the session as that makes it.

        `person` None: it can no longer say. Errors: `CredentialError`, `DatabaseError`.
        """
        with writing(self._engine) as connection:
            sessions.renew(connection, secret, person, renewal)
        self.directory.forget()
        return self.directory.of_session(secret)

    def end_unvouched(self, secret: str) -> None:
        """End a session for whose person the identity provider no longer vouches."""
        with writing(self._engine) as connection:
            sessions.end(connection, secret, by="identity provider")
        self.directory.forget()

    def unclear(self, since: datetime) -> list[Said]:
        """What the provider has said since then of people that is not all it should have said, newest first."""
        with reading(self._engine) as connection:
            return people.unclear(connection, since)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with writing(self._engine) as connection:
            yield connection
        self._changed()

    def _changed(self) -> None:
        self.directory.forget()
        self._tell()


def _whose(actor: Principal) -> str | None:
    """Whose sessions somebody sees: None for everybody's."""
    return None if actor.may(Permission.GRANT) else actor.id


def _require_everything(actor: Principal) -> None:
    actor.require(Permission.GRANT, None, "everything")
