"""Principals: people and services, each with an opaque id that is given once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from federation.database import now
from federation.errors import InvalidRequestError, UnknownError
from federation.identity import tables
from federation.identity.credentials import new_id
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.prepared import Prepared, among

ERASED = "erased:"
"""How `who` begins of somebody who was erased."""
_NAMES = Prepared(
    select(tables.principal.c.id, tables.principal.c.name).where(among(tables.principal.c.id, "ids"))
)


class PrincipalError(InvalidRequestError):
    """A principal that cannot be disabled or enabled. One line with cause and remedy."""

    code = "invalid-principal"


@dataclass(frozen=True, slots=True)
class Member:
    """A principal as it stands. `groups`, `said_at` and `remark`: what the identity provider said of a person last."""

    id: str
    who: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    groups: Sequence[str] | None
    said_at: datetime | None
    remark: str
    sessions: int = 0
    """How many stand."""


def ensure(connection: Connection, batch: Batch, who: str, name: str, actor: str | None = None) -> Row[Any]:
    """The principal that grants call `who`, made if it is new. `actor` None: it came by itself."""
    known = tables.principal.c
    row = connection.execute(select(tables.principal).where(known.who == who)).one_or_none()
    if row is not None:
        if row.name != name:
            connection.execute(update(tables.principal).where(known.id == row.id).values(name=name))
        return row
    values = {"id": new_id("p"), "who": who, "name": name, "created_at": now(), "disabled_at": None}
    row = connection.execute(insert(tables.principal).values(values).returning(tables.principal)).one()
    entry = Entry(
        action=Action.PRINCIPAL_CREATED,
        actor=actor or row.id,
        details={"principal": row.id, "kind": who.partition(":")[0]},
        commitments=batch.withhold({"who": who, "name": name}, subject=row.id),
    )
    batch.record(entry)
    return row


def listed(connection: Connection) -> list[Member]:
    """Everybody who is known, in the order they were first seen."""
    principal, person = tables.principal.c, tables.person.c
    query = (
        select(tables.principal, person.groups, person.said_at, person.remark)
        .outerjoin(tables.person, person.principal_id == principal.id)
        .order_by(principal.created_at, principal.id)
    )
    return [Member(**{**row._mapping, "remark": row.remark or ""}) for row in connection.execute(query)]


def names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """What principals are called, by their ids."""
    return dict(_NAMES.bare(connection, ids=sorted(ids))) if ids else {}


def called(connection: Connection, name: str) -> list[str]:
    """The ids of those who are called so, by a name or as grants call them."""
    known = tables.principal.c
    query = select(known.id).where((known.name == name) | known.who.in_([name, f"token:{name}"]))
    return list(connection.execute(query.order_by(known.id)).scalars())


def meant(connection: Connection, text: str, begins: bool = False) -> list[str]:
    """The ids of those whom a name may mean, whatever its case, or (`begins`) its beginning; and the text itself, which
    may be an id.
    """
    known, lowered = tables.principal.c, text.lower()
    found = [
        column.startswith(lowered, autoescape=True) if begins else column == lowered
        for column in map(func.lower, (known.name, known.who))
    ]
    if not begins:
        found += [known.name == text, known.who == f"token:{text}"]
    query = select(known.id).where(or_(*found), ~known.who.startswith(ERASED))
    return [*connection.execute(query.order_by(known.id)).scalars(), text]


def find(connection: Connection, named: str) -> Row[Any]:
    """The principal with an id, `token:NAME` or `subject:SUBJECT`. Errors: `UnknownError`."""
    known = tables.principal.c
    query = select(tables.principal).where((known.id == named) | (known.who == named))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownError()
    return row


def set_disabled(connection: Connection, named: str, disabled: bool, actor: str) -> str:
    """Lock a principal out, or let it in again; twice is once. Returns its id. Errors: `UnknownError`,
    `PrincipalError`.
    """
    row = find(connection, named)
    if row.who.startswith(ERASED):
        raise PrincipalError(
            f"{row.id} was erased: that cannot be undone, signing in again makes a new principal"
        )
    if disabled and row.id == actor:
        raise PrincipalError("you cannot disable yourself: ask another operator")
    if disabled == (row.disabled_at is not None):
        return str(row.id)
    moment = now() if disabled else None
    mine = tables.principal.c.id == row.id
    connection.execute(update(tables.principal).where(mine).values(disabled_at=moment))
    action = Action.PRINCIPAL_DISABLED if disabled else Action.PRINCIPAL_ENABLED
    batch = Batch()
    batch.record(Entry(action=action, actor=actor, details={"principal": row.id}))
    batch.append(connection)
    return str(row.id)
