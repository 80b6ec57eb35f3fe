"""Sessions of browsers: begun by a token or at the identity provider, ended by time, by signing out, or with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from federation.database import now
from federation.identity import principals, tables
from federation.identity.credentials import digest, new_session
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch

KEPT = timedelta(days=7)
"""How long an ended session's row is kept."""
MOST_GROUPS = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the identity provider vouches for. `subject` is its name for them, `name` is for people to read."""

    subject: str
    name: str
    groups: Sequence[str] = ()


def begin_with_token(
    connection: Connection, principal_id: str, token_id: str, life: timedelta, expires: datetime | None
) -> str:
    """A session of a token's principal; it never outlives the token. Returns its secret."""
    batch = Batch()
    end = min(now() + life, expires or datetime.max.replace(tzinfo=now().tzinfo))
    secret = _begin(connection, batch, principal_id, token_id, (), end)
    batch.append(connection)
    return secret


def begin_as_person(connection: Connection, person: Person, life: timedelta) -> str:
    """A session of a person, who is made known when seen for the first time. Returns its secret."""
    batch = Batch()
    known = principals.ensure(connection, batch, f"subject:{person.subject}", person.name)
    secret = _begin(connection, batch, known.id, None, person.groups, now() + life)
    batch.append(connection)
    return secret


def end(connection: Connection, secret: str) -> bool:
    """Sign out. Returns whether there was a session that stood."""
    session = tables.session.c
    mine = (session.digest == digest(secret), session.ended_at.is_(None), session.expires_at > now())
    row = connection.execute(select(session.principal_id).where(*mine)).one_or_none()
    if row is None:
        return False
    connection.execute(update(tables.session).where(*mine).values(ended_at=now()))
    batch = Batch()
    batch.record(Entry(action=Action.SESSION_ENDED, actor=row.principal_id))
    batch.append(connection)
    return True


def _begin(
    connection: Connection,
    batch: Batch,
    principal_id: str,
    token_id: str | None,
    groups: Sequence[str],
    expires: datetime,
) -> str:
    session, moment = tables.session.c, now()
    connection.execute(delete(tables.session).where(session.expires_at < moment - KEPT))
    secret = new_session()
    values = {
        "digest": digest(secret),
        "principal_id": principal_id,
        "token_id": token_id,
        "groups": list(groups)[:MOST_GROUPS],
        "created_at": moment,
        "expires_at": expires,
        "ended_at": None,
    }
    connection.execute(insert(tables.session).values(values))
    details = {"token": token_id} if token_id else {"by": "identity provider"}
    batch.record(Entry(action=Action.SESSION_STARTED, actor=principal_id, details=details))
    return secret
