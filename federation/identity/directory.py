"""From a secret to a `Principal`: what every request of an API process goes through.

What was found is remembered, but never longer than a process goes without looking for changes. `look` costs one
small query: every change of access is journalled in its own transaction, so the journal's new entries tell whether
anything has to be read again.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, select

from federation import tables as spine
from federation.access import ALL, Permission, Principal, View
from federation.database import UTCTime, now, reading, writing
from federation.errors import UnauthenticatedError
from federation.identity import grants, people, principals, tables, tokens
from federation.identity.credentials import digest, is_token
from federation.identity.people import ASKED_EVERY, BELIEVED, Person
from federation.journal.entry import Action
from federation.journal.log import Batch
from federation.prepared import Prepared

LOOK_EVERY = 2.5
"""Seconds without a look after which a request looks by itself: a revocation reaches every process in less than 5."""
REMEMBERED = 20_000
USED_EVERY = 60.0
"""Seconds between two notes of when a token was used."""
CHANGES_ACCESS = tuple(
    action
    for action in Action
    if action.partition(".")[0] in ("principal", "grant", "token", "session", "registry", "subject")
)


class CredentialError(UnauthenticatedError):
    """A token or session that does not let in. `reason`: unknown, expired, revoked or disabled."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the credentials are {reason}: get a new token, or sign in again")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Known:
    """A principal behind a secret, until the secret ends by itself. `token_id` None: signed in otherwise."""

    principal: Principal
    expires_at: datetime | None
    token_id: str | None = None
    renewal: bytes | None = None
    """What the identity provider can be asked again with, sealed."""
    said_at: datetime | None = None
    """When the provider spoke of this person last, where it can be asked again."""
    subject: str = ""

    @property
    def is_due(self) -> bool:
        """Whether the provider is to be asked again before this is used."""
        return self.said_at is not None and now() - self.said_at >= ASKED_EVERY

    @property
    def is_believed(self) -> bool:
        """Whether this may still be used when the provider does not answer."""
        return self.said_at is None or now() - self.said_at < BELIEVED


@dataclass(slots=True)
class _State:
    """What is known since the last change of access."""

    size: int
    looked: float
    roles: Mapping[str, frozenset[tuple[str, str]]]
    registries: Mapping[str, tuple[int, str]]
    found: dict[bytes, Known] = field(default_factory=dict)


class Directory:
    """The principals of one process. `default_role` is held on everything by everybody who is signed in."""

    def __init__(self, engine: Engine, default_role: str = "") -> None:
        self._engine = engine
        self._default = frozenset({(default_role, ALL)} if default_role else ())
        self._state: _State | None = None
        self._lock = threading.Lock()
        self._used: dict[str, datetime] = {}
        self._noted = time.monotonic()

    def look(self) -> None:
        """Forget what has changed. Errors: `DatabaseError`."""
        with self._lock:
            begun = time.monotonic()
            [(size,)] = _SIZE.polled(self._engine)
            state = self._state
            if state is not None and not _has_changed(self._engine, state.size, size):
                state.size, state.looked = size, begun
            else:
                with reading(self._engine) as connection:
                    [(size,)] = _SIZE.bare(connection)
                    self._state = _read(connection, size, begun)
        if self._used and time.monotonic() - self._noted >= USED_EVERY:
            self.note_used()

    def forget(self) -> None:
        """Read everything again at the next request, because this process has just changed it."""
        self._state = None

    def note_used(self) -> None:
        """Write down when tokens were used last."""
        used, self._used, self._noted = self._used, {}, time.monotonic()
        if used:
            with writing(self._engine) as connection:
                tokens.note_used(connection, used)

    def recall(self, secret: str) -> Known | None:
        """Whom a secret stands for, if that is known without asking the database."""
        state = self._state
        if state is None or time.monotonic() - state.looked > LOOK_EVERY:
            return None
        known = state.found.get(digest(secret))
        if known is None or known.is_due or (known.expires_at is not None and known.expires_at <= now()):
            return None
        if known.token_id is not None:
            self._used[known.token_id] = now()
        return known

    def of_token(self, secret: str) -> Known:
        """Whom an API token stands for. Errors: `CredentialError`, `DatabaseError`."""
        if not is_token(secret):
            raise CredentialError("unknown")
        if (known := self.recall(secret)) is not None:
            return known
        state = self._fresh()
        token, principal = tables.token.c, tables.principal.c
        query = (
            select(tables.token, principal.who, principal.name, principal.disabled_at)
            .join(tables.principal, principal.id == token.principal_id)
            .where(token.digest == digest(secret))
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        _check(row)
        assert row is not None
        scopes = None if row.scopes is None else frozenset(map(Permission, row.scopes))
        found = self._principal(state, row.principal_id, row.name, (row.who,), scopes)
        self._used[row.id] = now()
        return _remember(state, secret, Known(found, row.expires_at, row.id))

    def of_session(self, secret: str) -> Known:
        """Whom a browser's session stands for, while the token holds that it was begun with, and with the groups that
        the identity provider named last. Errors: `CredentialError`, `DatabaseError`.
        """
        if (known := self.recall(secret)) is not None:
            return known
        state = self._fresh()
        with reading(self._engine) as connection:
            row = connection.execute(_SESSION.where(tables.session.c.digest == digest(secret))).one_or_none()
        _check(row)
        assert row is not None
        scopes = None if row.scopes is None else frozenset(map(Permission, row.scopes))
        groups = row.groups if row.token_id is None else None
        found = self._principal(state, row.principal_id, row.name, _names(row.who, groups), scopes)
        until = min(row.expires_at, row.token_expires_at or row.expires_at)
        said_at = None if row.renewal is None else row.said_at
        subject = row.who.partition(":")[2]
        known = Known(found, until, renewal=row.renewal, said_at=said_at, subject=subject)
        return _remember(state, secret, known)

    def of_person(self, person: Person, secret: str, expires: datetime) -> Known:
        """The principal of a person whose bearer token was checked, with the groups that the provider named last: in
        this token, or since it was made. Errors: `CredentialError`, `DatabaseError`.
        """
        state, who = self._fresh(), f"subject:{person.subject}"
        principal_id, groups = self._ensure(who, person)
        state = self._fresh()
        found = self._principal(state, principal_id, person.name, _names(who, groups), None)
        return _remember(state, secret, Known(found, expires))

    def principal_of(self, person: Person) -> str:
        """The id of somebody who signs in, who is made known where that is new. Errors: `CredentialError`."""
        return self._ensure(f"subject:{person.subject}", person)[0]

    def of_id(self, principal_id: str) -> Principal | None:
        """Somebody who does not ask just now, with the groups that were named last; None for who is locked out or not
        known. Errors: `DatabaseError`.
        """
        state, known = self._fresh(), tables.principal.c
        with reading(self._engine) as connection:
            row = connection.execute(select(tables.principal).where(known.id == principal_id)).one_or_none()
            told = people.known(connection, principal_id)
        if row is None or row.disabled_at is not None:
            return None
        who = _names(row.who, None if told is None else told.groups)
        return self._principal(state, principal_id, row.name, who, None)

    def _ensure(self, who: str, person: Person) -> tuple[str, Sequence[str] | None]:
        """The id of a person's principal, and the groups that were named last, which are kept."""
        known = tables.principal.c
        with reading(self._engine) as connection:
            row = connection.execute(select(tables.principal).where(known.who == who)).one_or_none()
            told = None if row is None else people.known(connection, row.id)
        if row is None or told is None or people.is_news(told, person):
            with writing(self._engine) as connection:
                batch = Batch()
                row = principals.ensure(connection, batch, who, person.name)
                people.say(connection, batch, row.id, person)
                if batch.entries:
                    batch.append(connection)
                told = people.known(connection, row.id)
        if row.disabled_at is not None:
            raise CredentialError("disabled")
        return str(row.id), None if told is None else told.groups

    def _fresh(self) -> _State:
        """The state as of now: a secret that is seen for the first time may come with roles of this moment."""
        self.look()
        state = self._state
        return state if state is not None else self._fresh()

    def _principal(
        self,
        state: _State,
        principal_id: str,
        name: str,
        who: Iterable[str],
        scopes: frozenset[Permission] | None,
    ) -> Principal:
        roles = self._default.union(*(state.roles.get(one, frozenset()) for one in who))
        allowed = {
            permission: View(ids)
            for permission, ids in grants.permissions(roles, state.registries).items()
            if scopes is None or permission in scopes
        }
        return Principal(principal_id, name, allowed, roles, scopes)


_session, _principal, _token, _person = (
    one.c for one in (tables.session, tables.principal, tables.token, tables.person)
)
_SESSION = (
    select(
        tables.session,
        _principal.who,
        _principal.name,
        _principal.disabled_at,
        func.coalesce(_session.ended_at, _token.revoked_at, type_=UTCTime()).label("revoked_at"),
        _token.expires_at.label("token_expires_at"),
        _token.scopes,
        _person.groups,
        _person.said_at,
    )
    .join(tables.principal, _principal.id == _session.principal_id)
    .outerjoin(tables.token, _token.id == _session.token_id)
    .outerjoin(tables.person, _person.principal_id == _session.principal_id)
)
"""A session with whatever decides what it may do."""


def _names(who: str, groups: Sequence[str] | None) -> list[str]:
    """What grants may call somebody. Groups that are not known give nothing."""
    return [who, *(f"group:{group}" for group in groups or ())]


_SIZE = Prepared(select(spine.head.c.size))
_NEWS = Prepared(
    select(spine.journal.c.seq)
    .where(spine.journal.c.seq >= bindparam("before", 0), spine.journal.c.action.in_(CHANGES_ACCESS))
    .limit(1)
)


def _has_changed(engine: Engine, before: int, size: int) -> bool:
    """Whether anything that decides about access was written after the first `before` entries."""
    return size < before or (size > before and bool(_NEWS.polled(engine, before=before)))


def _read(connection: Connection, size: int, looked: float) -> _State:
    roles: dict[str, set[tuple[str, str]]] = {}
    for row in connection.execute(select(tables.grant)):
        roles.setdefault(row.who, set()).add((row.role, row.scope))
    known = spine.registry.c
    registries = connection.execute(select(known.name, known.id, known.team))
    return _State(
        size,
        looked,
        {who: frozenset(held) for who, held in roles.items()},
        {row.name: (row.id, row.team) for row in registries},
    )


def _check(row: Any) -> None:
    if row is None:
        raise CredentialError("unknown")
    if row.revoked_at is not None:
        raise CredentialError("revoked")
    ends = (row.expires_at, row._mapping.get("token_expires_at"))
    if any(end is not None and end <= now() for end in ends):
        raise CredentialError("expired")
    if row.disabled_at is not None:
        raise CredentialError("disabled")


def _remember(state: _State, secret: str, known: Known) -> Known:
    if len(state.found) >= REMEMBERED:
        state.found.clear()
    state.found[digest(secret)] = known
    return known
