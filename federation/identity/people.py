"""What the identity provider says of people: their groups, and when it said so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from federation.database import now
from federation.identity import tables
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch

ASKED_EVERY = timedelta(minutes=10)
"""How old the provider's word may be before it is asked again."""
BELIEVED = timedelta(minutes=15)
"""How old it may be at most where it can be asked again."""
OFTEN = timedelta(minutes=5)
"""The same word again is not written down more often."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the identity provider vouches for. `subject` is its name for them, `name` is for people to read.

    `groups` None: not known. `remark` is one line on what the provider did not say; empty where it said everything.
    `names` are what backends call the person, by the claims that are configured for that.
    """

    subject: str
    name: str
    groups: Sequence[str] | None = ()
    remark: str = ""
    said_at: datetime = field(default_factory=now)
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What the identity provider said of somebody last: `groups` (None: not known), when, and what it did not say."""

    principal_id: str
    groups: Sequence[str] | None
    said_at: datetime
    remark: str
    names: Sequence[str] | None


def say(connection: Connection, batch: Batch, principal_id: str, person: Person) -> None:
    """Keep what the provider says of a person, unless something newer is known."""
    row = known(connection, principal_id)
    groups = None if person.groups is None else list(person.groups)
    values = {
        "groups": groups,
        "said_at": person.said_at,
        "remark": person.remark,
        "names": list(person.names),
    }
    if row is None:
        connection.execute(insert(tables.person).values(principal_id=principal_id, **values))
    elif is_news(row, person):
        mine = tables.person.c.principal_id == principal_id
        connection.execute(update(tables.person).where(mine).values(values))
    else:
        return
    if person.remark if row is None else not _is_same_word(row, person):
        details: dict[str, Any] = {"principal": principal_id, **told(person)}
        batch.record(Entry(action=Action.GROUPS_CHANGED, actor=principal_id, details=details))


def is_news(row: Said, person: Person) -> bool:
    """Whether what is said of a person is newer than what is kept, and worth to be kept instead.

    That nothing is known now does not replace what was known a moment ago.
    """
    if person.groups is None and row.groups is not None:
        return bool(person.said_at - row.said_at >= BELIEVED)
    return bool(
        row.said_at < person.said_at and (not _is_same(row, person) or person.said_at - row.said_at >= OFTEN)
    )


def _is_same(row: Said, person: Person) -> bool:
    return _is_same_word(row, person) and list(row.names or ()) == list(person.names)


def _is_same_word(row: Said, person: Person) -> bool:
    """Whether the same is said of groups."""
    groups = None if person.groups is None else set(person.groups)
    return (row.groups if row.groups is None else set(row.groups), row.remark) == (groups, person.remark)


_KNOWN = select(tables.person).where(tables.person.c.principal_id == bindparam("of"))


def known(connection: Connection, principal_id: str) -> Said | None:
    """What was said of a person last."""
    row = connection.execute(_KNOWN, {"of": principal_id}).one_or_none()
    return None if row is None else Said(*row)


def told(person: Person) -> dict[str, Any]:
    """What the journal says of somebody's groups: how many, or that they are not known, and why."""
    groups = "unknown" if person.groups is None else len(person.groups)
    return {"groups": groups, **({"remark": person.remark} if person.remark else {})}


def unclear(connection: Connection, since: datetime) -> list[Said]:
    """Of whom the provider has said since then not all that it should have, newest first."""
    person = tables.person.c
    query = select(tables.person).where(person.remark != "", person.said_at >= since)
    return [Said(*row) for row in connection.execute(query.order_by(person.said_at.desc()))]
