"""Sessions of browsers: begun by a token or at the identity provider, ended by time, by somebody, or with the token.

What a person may do is not copied into a session: the provider's word stands with the person, and is asked for again
while the session is used. What it is asked with is sealed with the session's secret, which only the browser has.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, delete, insert, or_, select, update

from federation.database import now
from federation.errors import UnknownError
from federation.identity import people, principals, tables
from federation.identity.credentials import digest, new_session, seal
from federation.identity.people import Person
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.prepared import Prepared

KEPT = timedelta(days=7)
"""How long an ended session's row is kept."""
UNASKED = timedelta(hours=1)
"""How long a session lasts of whom the identity provider cannot be asked again."""
ASKING = timedelta(seconds=30)
"""For so long after somebody began to ask, nobody else does: a refresh token is often good for once."""
SHOWN = 10
"""Bytes of the digest that name a session for people."""
_session, _principal, _token = tables.session.c, tables.principal.c, tables.token.c
_AT = bindparam("at", 0, BigInteger)
_STANDING, _STANDING_OF = (
    Prepared(
        select(tables.session, _principal.name)
        .join(tables.principal, _principal.id == _session.principal_id)
        .outerjoin(tables.token, _token.id == _session.token_id)
        .where(_session.ended_at.is_(None), _session.expires_at > _AT, _principal.disabled_at.is_(None))
        .where(_token.revoked_at.is_(None), or_(_token.expires_at.is_(None), _token.expires_at > _AT), *whose)
        .order_by(_session.created_at, _session.digest)
    )
    for whose in ((), (_session.principal_id == bindparam("of_principal", ""),))
)
"""The sessions that stand, of everybody and of one."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the identity provider can be asked again with, as `door.oidc` keeps it. `until`: it can until then."""

    kept: bytes = field(repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A session that stands, without its secret. `by`: the id of a token, or `identity provider`."""

    id: str
    principal: str
    name: str
    by: str
    created_at: datetime
    expires_at: datetime


def begin_with_token(
    connection: Connection, principal_id: str, token_id: str, life: timedelta, expires: datetime | None
) -> str:
    """A session of a token's principal; it never outlives the token. Returns its secret."""
    batch = Batch()
    end = min(now() + life, expires or datetime.max.replace(tzinfo=now().tzinfo))
    values = {"principal_id": principal_id, "token_id": token_id, "expires_at": end}
    secret = _begin(connection, batch, values, {"token": token_id})
    batch.append(connection)
    return secret


def begin_as_person(
    connection: Connection, person: Person, life: timedelta, renewal: Renewal | None = None
) -> str:
    """A session of a person, who is made known when seen for the first time. Returns its secret.

    Without a `renewal` it lasts an hour at most.
    """
    batch = Batch()
    known = principals.ensure(connection, batch, f"subject:{person.subject}", person.name)
    people.say(connection, batch, known.id, person)
    end = now() + (min(life, UNASKED) if renewal is None else life)
    if renewal is not None and renewal.until is not None:
        end = min(end, max(renewal.until, now() + UNASKED))
    values = {"principal_id": known.id, "token_id": None, "expires_at": end}
    details = {"by": "identity provider", **people.told(person)}
    secret = _begin(connection, batch, values, details, renewal)
    batch.append(connection)
    return secret


def take_turn(connection: Connection, secret: str) -> bool:
    """Whether the caller is to ask the provider about a session now: one at a time is."""
    session, moment = tables.session.c, now()
    free = or_(session.asked_at.is_(None), session.asked_at < moment - ASKING)
    mine = update(tables.session).where(session.digest == digest(secret), session.ended_at.is_(None), free)
    return connection.execute(mine.values(asked_at=moment)).rowcount == 1


def renew(connection: Connection, secret: str, person: Person | None, renewal: Renewal | None) -> None:
    """Keep what the provider said when asked again about a session's person. `person` None: it can no longer say."""
    session, batch = tables.session.c, Batch()
    mine = (session.digest == digest(secret), session.ended_at.is_(None))
    row = connection.execute(select(tables.session).where(*mine)).one_or_none()
    if row is None:
        return
    values: dict[str, Any] = {"renewal": None if renewal is None else seal(secret, renewal.kept)}
    if renewal is None:
        values["expires_at"] = min(row.expires_at, row.created_at + UNASKED)
    connection.execute(update(tables.session).where(*mine).values(values))
    if person is not None:
        people.say(connection, batch, row.principal_id, person)
    if batch.entries:
        batch.append(connection)


def end(connection: Connection, secret: str, *, by: str | None = None) -> bool:
    """Sign out, or end it because of what `by` names. Returns whether there was a session that stood."""
    details = {} if by is None else {"by": by}
    return _end(connection, tables.session.c.digest == digest(secret), None, details) == 1


def end_of(connection: Connection, principal_id: str, actor: str) -> int:
    """End every session of a principal. Returns how many stood."""
    return _end(connection, tables.session.c.principal_id == principal_id, actor, {})


def end_one(connection: Connection, session_id: str, actor: str) -> None:
    """End a session by its id. Errors: `UnknownError` when there is none that stands."""
    if _end(connection, tables.session.c.digest == _digest_of(connection, session_id), actor, {}) == 0:
        raise UnknownError()


def listed(connection: Connection, principal_id: str | None = None) -> list[Session]:
    """The sessions that stand, of one principal or of all, oldest first."""
    at = now()
    if principal_id is None:
        rows = _STANDING.rows(connection, at=at)
    else:
        rows = _STANDING_OF.rows(connection, at=at, of_principal=principal_id)
    return [
        Session(
            _name(row.digest), row.principal_id, row.name, row.token_id or "identity provider",
            row.created_at, row.expires_at,
        )
        for row in rows
    ]  # fmt: skip


def _name(session_digest: bytes) -> str:
    return f"s-{session_digest[:SHOWN].hex()}"


def _digest_of(connection: Connection, session_id: str) -> bytes:
    try:
        begin = bytes.fromhex(session_id.removeprefix("s-"))
    except ValueError:
        raise UnknownError() from None
    session, rest = tables.session.c, 32 - SHOWN
    between = session.digest.between(begin + b"\x00" * rest, begin + b"\xff" * rest)
    found = connection.execute(select(session.digest).where(between)).scalars().all()
    if len(begin) != SHOWN or len(found) != 1:
        raise UnknownError()
    return bytes(found[0])


def _end(
    connection: Connection, which: ColumnElement[bool], actor: str | None, details: dict[str, Any]
) -> int:
    """End the sessions that stand, each with an entry. `actor` None: whose session it is."""
    session = tables.session.c
    stands = (which, session.ended_at.is_(None), session.expires_at > now())
    rows = connection.execute(select(session.digest, session.principal_id).where(*stands)).all()
    batch = Batch()
    for row in rows:
        connection.execute(
            update(tables.session).where(session.digest == row.digest).values(ended_at=now(), renewal=None)
        )
        whose = {} if actor is None else {"principal": row.principal_id}
        entry = Entry(
            action=Action.SESSION_ENDED, actor=actor or row.principal_id, details={**details, **whose}
        )
        batch.record(entry)
    if rows:
        batch.append(connection)
    return len(rows)


def _begin(
    connection: Connection,
    batch: Batch,
    values: dict[str, Any],
    details: dict[str, Any],
    renewal: Renewal | None = None,
) -> str:
    session, moment = tables.session.c, now()
    connection.execute(delete(tables.session).where(session.expires_at < moment - KEPT))
    secret = new_session()
    made = {
        "digest": digest(secret),
        "created_at": moment,
        "ended_at": None,
        "renewal": None if renewal is None else seal(secret, renewal.kept),
        "asked_at": None,
    }
    connection.execute(insert(tables.session).values({**made, **values}))
    batch.record(Entry(action=Action.SESSION_STARTED, actor=values["principal_id"], details=details))
    return secret
