"""Grants: a role for a token, a subject or a group, on everything, a team or a registry.

They come from the configuration, applied when the gateway starts, or through the API. Every one that is added or
removed is journalled in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, select

from federation import tables as spine
from federation.access import ALL, EVERYTHING, NOTHING, OPERATOR, ROLES, Permission, Principal
from federation.database import now
from federation.errors import DeniedError, InvalidRequestError, UnknownError
from federation.identity import tables
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.numbering import insert_dated
from federation.references import is_registry_name

CONFIG, API = "config", "api"
KINDS = ("token", "subject", "group")
LONGEST = 500


class GrantError(InvalidRequestError):
    """A grant that cannot be given or taken. One line with cause and remedy."""

    code = "invalid-grant"


@dataclass(frozen=True, slots=True)
class GrantSpec:
    """A role for `who` (`token:NAME`, `subject:SUBJECT`, `group:NAME`) on a scope."""

    who: str
    role: str
    scope: str = ALL


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it stands."""

    id: int
    who: str
    role: str
    scope: str
    source: str
    created_by: str
    created_at: datetime


def check(spec: GrantSpec) -> None:
    """What can be said of a grant without the database. Errors: `GrantError`."""
    kind, _, name = spec.who.partition(":")
    if kind not in KINDS or not name or len(name) > LONGEST:
        raise GrantError(f"a grant is for a token, a subject or a group, not for {spec.who[:60]!a}")
    if spec.role not in ROLES:
        raise GrantError(f"there is no role {spec.role[:60]!a}: the roles are {', '.join(ROLES)}")
    kind, _, name = spec.scope.partition(":")
    is_registry = kind == "registry" and is_registry_name(name)
    if spec.scope != ALL and not is_registry and not (kind == "team" and 0 < len(name) <= LONGEST):
        raise GrantError(f"a grant is on *, team:NAME or registry:NAME, not on {spec.scope[:60]!a}")
    if spec.scope != ALL and spec.role in ("auditor", "impact.global"):
        raise GrantError(f"the role {spec.role} holds on everything or not at all: give it on {ALL}")


def grantable(connection: Connection, actor: Principal) -> frozenset[str] | None:
    """The scopes on which a principal may give and take roles; None: on all. One statement, whatever is asked next."""
    if actor.may(Permission.GRANT):
        return None
    if actor.scopes is not None and Permission.GRANT not in actor.scopes:
        return frozenset()
    view, known = actor.grants.get(Permission.GRANT, NOTHING), spine.registry.c
    names = connection.execute(select(known.name).where(view.clause(known.id))).scalars()
    mine = {scope for role, scope in actor.roles if role == OPERATOR}
    return frozenset({*mine, *(f"registry:{name}" for name in names)})


def require_grant(connection: Connection, actor: Principal, scope: str) -> None:
    """Errors: `DeniedError`, the same whether what the scope names is hidden or absent."""
    mine = grantable(connection, actor)
    if mine is not None and scope not in mine:
        raise DeniedError(Permission.GRANT, "everything" if scope == ALL else scope)


def require_grants_of(connection: Connection, actor: Principal, who: str) -> None:
    """Errors: `DeniedError` unless the actor could have given every role that `who` holds.

    So nobody gets more than they may give by making or renewing the token of somebody more powerful. Where that one
    holds roles may be of no business of the actor's, so it is not said.
    """
    held = connection.execute(select(tables.grant.c.scope).where(tables.grant.c.who == who)).scalars().all()
    mine = grantable(connection, actor)
    if mine is not None and not mine.issuperset(held):
        raise DeniedError(Permission.GRANT, f"all that {who} may do")


def add(connection: Connection, spec: GrantSpec, actor: Principal) -> Grant:
    """Give a role; giving it twice is giving it once. Errors: `GrantError`, `DeniedError`."""
    check(spec)
    require_grant(connection, actor, spec.scope)
    grants = tables.grant.c
    same = (grants.who == spec.who, grants.role == spec.role, grants.scope == spec.scope)
    row = connection.execute(select(tables.grant).where(*same, grants.source == API)).one_or_none()
    if row is None:
        batch = Batch()
        row = _insert(connection, batch, spec, API, actor.id)
        batch.append(connection)
    return Grant(*row)


def remove(connection: Connection, grant_id: int, actor: Principal) -> None:
    """Take a role away. Errors: `GrantError`, `DeniedError`, `UnknownError` for what the actor may not know of."""
    query = _within(connection, actor).where(tables.grant.c.id == grant_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownError()
    if row.source == CONFIG:
        raise GrantError(
            f"grant {grant_id} stands in the configuration: take it out there and restart the gateway"
        )
    batch = Batch()
    _delete(connection, batch, row, actor.id)
    batch.append(connection)


def visible(connection: Connection, actor: Principal) -> list[Grant]:
    """The grants on what the actor may give roles on, in the order they were given."""
    rows = connection.execute(_within(connection, actor).order_by(tables.grant.c.id))
    return [Grant(*row) for row in rows]


def apply(connection: Connection, specs: Sequence[GrantSpec]) -> list[str]:
    """Bring the grants of the configuration in line with the file. Returns a line for each that changed."""
    for spec in specs:
        check(spec)
    rows = connection.execute(select(tables.grant).where(tables.grant.c.source == CONFIG))
    known = {GrantSpec(row.who, row.role, row.scope): row for row in rows}
    batch, done = Batch(), list[str]()
    for spec in dict.fromkeys(specs):
        if known.pop(spec, None) is None:
            _insert(connection, batch, spec, CONFIG, SYSTEM)
            done.append(f"{spec.who}: {spec.role} on {spec.scope}, added")
    for spec, row in known.items():
        _delete(connection, batch, row, SYSTEM)
        done.append(f"{spec.who}: {spec.role} on {spec.scope}, removed")
    if done:
        batch.append(connection)
    return done


def permissions(
    roles: Iterable[tuple[str, str]], registries: Mapping[str, tuple[int, str]]
) -> dict[Permission, Any]:
    """What roles allow, as a set of registry ids or None for everything. `registries`: name to id and team."""
    found: dict[Permission, Any] = {}
    for role, scope in roles:
        ids = _ids(scope, registries)
        for permission in ROLES[role]:
            before = found.get(permission, frozenset())
            found[permission] = None if ids is None or before is None else before | ids
    return found


def _within(connection: Connection, actor: Principal) -> Select[Any]:
    """The grants on what the actor may give roles on."""
    mine = grantable(connection, actor)
    query = select(tables.grant)
    return query if mine is None else query.where(tables.grant.c.scope.in_(sorted(mine)))


def _ids(scope: str, registries: Mapping[str, tuple[int, str]]) -> frozenset[int] | None:
    if scope == ALL:
        return EVERYTHING.registry_ids
    kind, _, name = scope.partition(":")
    if kind == "team":
        return frozenset(number for number, team in registries.values() if team == name)
    return frozenset(number for known, (number, _) in registries.items() if known == name)


def _insert(connection: Connection, batch: Batch, spec: GrantSpec, source: str, actor: str) -> Row[Any]:
    values = {
        "who": spec.who,
        "role": spec.role,
        "scope": spec.scope,
        "source": source,
        "created_by": actor,
        "created_at": now(),
    }
    row = insert_dated(connection, tables.grant, values)
    _tell(connection, batch, Action.GRANT_ADDED, row, actor)
    return row


def _delete(connection: Connection, batch: Batch, row: Row[Any], actor: str) -> None:
    connection.execute(delete(tables.grant).where(tables.grant.c.id == row.id))
    _tell(connection, batch, Action.GRANT_REMOVED, row, actor)


def _tell(connection: Connection, batch: Batch, action: Action, row: Row[Any], actor: str) -> None:
    """Who it is for may name a person, so the entry only commits to it."""
    known = tables.principal.c
    principal = connection.execute(select(known.id).where(known.who == row.who)).scalar()
    details = {"grant": row.id, "role": row.role, "on": row.scope, "source": row.source}
    if principal is not None:
        details["principal"] = principal
    entry = Entry(
        action=action,
        actor=actor,
        details=details,
        commitments=batch.withhold({"who": row.who}, subject=principal),
    )
    batch.record(entry)
