"""Who may see what. A `View` is the first argument of every read; nothing is filtered afterwards."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, true

from federation.errors import DeniedError


@dataclass(frozen=True, slots=True)
class View:
    """What one caller may see: everything (`registry_ids` None), or the registries with these ids."""

    registry_ids: frozenset[int] | None

    @classmethod
    def of(cls, registry_ids: Iterable[int]) -> "View":
        """A view of these registries only."""
        return cls(frozenset(registry_ids))

    def sees(self, registry_id: int) -> bool:
        """Whether this registry is in the view."""
        return self.registry_ids is None or registry_id in self.registry_ids

    def clause(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition that keeps a query inside the view, for the column that holds the registry's id."""
        return true() if self.registry_ids is None else column.in_(sorted(self.registry_ids))


EVERYTHING = View(None)
NOTHING = View(frozenset())


class Permission(StrEnum):
    """What can be allowed. Roles bundle them; every route declares the one it needs."""

    READ = "read"
    TAG = "tag"
    DECLARE = "declare"
    CHANGE = "change"
    REGISTER = "register"
    DELETE = "delete"
    APPROVE = "approve"
    ATTEST = "attest"
    EMERGENCY = "emergency"
    AUDIT = "audit"
    SYNC = "sync"
    GRANT = "grant"
    SUBSCRIBE = "subscribe"
    IMPACT_GLOBAL = "impact.global"


MEANINGS: Mapping[Permission, str] = {
    Permission.READ: "see models, versions, endpoints, dependencies and timelines",
    Permission.TAG: "set and remove tags, propose promotions",
    Permission.DECLARE: "declare dependencies and take them back",
    Permission.CHANGE: "set stages and aliases",
    Permission.REGISTER: "register versions",
    Permission.DELETE: "delete versions and models",
    Permission.APPROVE: "approve and reject promotions where a policy names one as approver; comment on them and on "
    "versions",
    Permission.ATTEST: "hand in statements about artifacts, and report how outside checks ended",
    Permission.EMERGENCY: "bring a version to a guarded stage at once; somebody else reviews it",
    Permission.AUDIT: "read the audit log and its proofs; only on everything, because numbers show volume",
    Permission.SYNC: "ask for a sync and confirm held deletes",
    Permission.GRANT: "give and take roles",
    Permission.SUBSCRIBE: "have events sent to an address",
    Permission.IMPACT_GLOBAL: "get verdict and counts of an impact over everything, without names",
}
"""What each allows, in words."""
READER = frozenset({Permission.READ, Permission.APPROVE})
CONTRIBUTOR = READER | {Permission.TAG, Permission.DECLARE}
ROLES: Mapping[str, frozenset[Permission]] = {
    "viewer": READER,
    "contributor": CONTRIBUTOR,
    "approver": CONTRIBUTOR | {Permission.CHANGE, Permission.REGISTER, Permission.DELETE},
    "auditor": READER | {Permission.AUDIT},
    "operator": READER | {Permission.SYNC, Permission.GRANT, Permission.SUBSCRIBE},
    "attester": READER | {Permission.ATTEST},
    "emergency": CONTRIBUTOR | {Permission.EMERGENCY},
    "impact.global": frozenset({Permission.IMPACT_GLOBAL}),
}
"""The roles, and what each may do where it is given."""
OPERATOR = "operator"
ALL = "*"
"""The scope of a grant that holds on everything; others are `team:NAME` and `registry:NAME`."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `id` is opaque and the only thing the journal names; each permission holds on a view."""

    id: str
    name: str
    grants: Mapping[Permission, View]
    roles: frozenset[tuple[str, str]] = frozenset()
    """The roles behind the grants, each with its scope."""
    scopes: frozenset[Permission] | None = None
    """The permissions that the token in use is limited to; None: it is not."""

    @property
    def view(self) -> View:
        """What may be read."""
        return self.grants.get(Permission.READ, NOTHING)

    @property
    def judges_everything(self) -> bool:
        """Whether verdict and counts of an impact are taken over everything, although names are only of the view."""
        return self.view != EVERYTHING and self.may(Permission.IMPACT_GLOBAL)

    def may(self, permission: Permission, registry_id: int | None = None) -> bool:
        """Whether a permission holds on a registry, or (None) on everything."""
        view = self.grants.get(permission, NOTHING)
        return view == EVERYTHING if registry_id is None else view.sees(registry_id)

    def require(self, permission: Permission, registry_id: int | None, where: str) -> None:
        """Errors: `DeniedError` when the permission does not hold there."""
        if not self.may(permission, registry_id):
            raise DeniedError(permission, where, [role for role, its in ROLES.items() if permission in its])


LOCAL = Principal(
    "local", "local", dict.fromkeys(Permission, EVERYTHING), frozenset((role, ALL) for role in ROLES)
)
"""Everybody on this machine, in mode `local`."""
ANONYMOUS = Principal("anonymous", "anonymous", {})
"""Who has shown nothing yet: only public routes answer."""
