"""Who is who: which person stands behind a principal or a name that a backend reports, and who may agree.

Names are known from `[[people]]`, and from the claims of the identity provider that are configured for that.

A person is named as grants name them (`subject:SUBJECT`). A token counts as whoever made it; one that was made at the
database itself, which is no person, counts as itself. So a person counts once, whatever they sign in with.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from federation.access import LOCAL
from federation.database import now
from federation.identity import tables
from federation.policies.tables import known_name

MACHINE = frozenset({LOCAL.id, "system"})


@dataclass(slots=True)
class People:
    """What is known of people in one transaction. Everything is read at the first question."""

    connection: Connection
    _read: "_PeopleRead | None" = None

    def person(self, principal_id: str) -> str:
        """The person that a principal counts as."""
        return self._known.person(principal_id)

    def named(self, kind: str, said: str | None) -> str | None:
        """The person whom a registry of a kind calls so; None: nobody is known by that name."""
        if not said:
            return None
        names = self._known.names
        return names.get(f"{kind}:{said}") or names.get(said)

    def display(self, principal_id: str) -> str:
        """What a principal is called, for people to read."""
        row = self._known.principals.get(principal_id)
        return principal_id if row is None else str(row.name)

    def may(self, principal_id: str, among: Iterable[str], registry: str, team: str) -> bool:
        """Whether a principal is one of these (`role:NAME`, `group:NAME`, `subject:…`, `token:NAME`) now."""
        known = self._known
        if principal_id == LOCAL.id:
            return any(one.startswith("role:") for one in among)
        row = known.principals.get(principal_id)
        if row is None or row.disabled_at is not None or not known.can_sign_in(row):
            return False
        person = known.person(principal_id)
        groups = {f"group:{group}" for group in known.groups.get(person, ())}
        roles = known.roles({row.who, *(groups if person == row.who else ())}, registry, team)
        return not {row.who, person, *groups, *roles}.isdisjoint(among)

    def called(self, who: str) -> str:
        """What a person or token is called that grants name so."""
        row = self._known.by_who.get(who)
        return who if row is None else str(row.name)

    def eligible(self, among: Sequence[str], registry: str, team: str) -> set[str]:
        """Every person that could be one of these, as far as is known: whoever has signed in, has a token or is named
        by a grant.
        """
        known = self._known
        found = {known.person(id_) for id_ in known.principals if self.may(id_, among, registry, team)}
        subjects = {who for who in known.grants if who.startswith("subject:")} - known.by_who.keys()
        return found | {
            who for who in subjects if not {who, *known.roles({who}, registry, team)}.isdisjoint(among)
        }

    @property
    def _known(self) -> "_PeopleRead":
        if self._read is None:
            self._read = _PeopleRead.read(self.connection)
        return self._read


@dataclass(slots=True)
class _PeopleRead:
    principals: Mapping[str, Any]
    by_who: Mapping[str, Any]
    makers: Mapping[str, str]
    """Who made the newest secret of a token's principal."""
    living: frozenset[str]
    """The principals of tokens that stand."""
    grants: Mapping[str, Sequence[tuple[str, str]]]
    groups: Mapping[str, Sequence[str]]
    """By person."""
    names: Mapping[str, str]
    _persons: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: Connection) -> "_PeopleRead":
        principals = {row.id: row for row in connection.execute(select(tables.principal))}
        makers, living, at = {}, set(), now()
        for row in connection.execute(select(tables.token).order_by(tables.token.c.created_at)):
            makers[row.principal_id] = row.created_by
            if row.revoked_at is None and (row.expires_at is None or row.expires_at > at):
                living.add(row.principal_id)
        grants: dict[str, list[tuple[str, str]]] = {}
        for row in connection.execute(select(tables.grant)):
            grants.setdefault(row.who, []).append((row.role, row.scope))
        people = [
            (principals[row.principal_id].who, row)
            for row in connection.execute(select(tables.person))
            if row.principal_id in principals
        ]
        groups = {who: row.groups or () for who, row in people}
        called = Counter(name for _, row in people for name in row.names or ())
        # A name that the provider gives to several is nobody's.
        claimed = {name: who for who, row in people for name in row.names or () if called[name] == 1}
        names = {**claimed, **{row.name: row.who for row in connection.execute(select(known_name))}}
        by_who = {row.who: row for row in principals.values()}
        return cls(principals, by_who, makers, frozenset(living), grants, groups, names)

    def person(self, principal_id: str) -> str:
        if (known := self._persons.get(principal_id)) is not None:
            return known
        seen, current = {principal_id}, principal_id
        while (maker := self.makers.get(current)) not in (None, *MACHINE, *seen):
            seen.add(str(maker))
            current = str(maker)
        row = self.principals.get(current)
        found = self._persons[principal_id] = current if row is None else str(row.who)
        return found

    def can_sign_in(self, row: Any) -> bool:
        return not row.who.startswith("token:") or row.id in self.living

    def roles(self, who: Iterable[str], registry: str, team: str) -> set[str]:
        scopes = {"*", f"registry:{registry}", f"team:{team}"}
        return {f"role:{role}" for one in who for role, scope in self.grants.get(one, ()) if scope in scopes}
