"""What is checked before an operation is written down: everything that can be refused without the backend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from adapters import Adapter, Capability, Discovered
from federation import tables
from federation.access import View
from federation.catalogue.lookup import find_rows
from federation.errors import InvalidRequestError, PreconditionError, StateError, UnknownError
from federation.operations.wanted import SetAlias, SetStage, SetTags, Wanted
from federation.policies.guard import read_policies
from federation.policies.policy import Policy
from federation.references import Reference
from federation.registries.opening import adapter_class, rules_of
from federation.stages import Rule, StageRules

_PLACE = select(tables.registry).where(tables.registry.c.id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """A registry that may be changed, and what its adapter can do there today."""

    row: Row[Any]
    adapter: type[Adapter]
    rules: StageRules

    @property
    def able(self) -> frozenset[Capability]:
        """What the adapter implements and the last probe did not find missing."""
        return self.adapter.capabilities - {Capability(word) for word in self.row.unavailable}

    def require(self, capability: Capability) -> None:
        """Errors: `InvalidRequestError`, `StateError` naming what is missing."""
        what = capability.value.replace("_", " ")
        if capability not in self.adapter.capabilities:
            raise InvalidRequestError(
                f"registry {self.row.name} ({self.row.kind}) cannot {what}: do it in the backend",
                code="unsupported",
            )
        if capability not in self.able:
            why = "; ".join(self.row.missing) or "the last probe found it missing"
            raise InvalidRequestError(
                f"registry {self.row.name} cannot {what} today: {why}", code="unsupported"
            )


@dataclass(slots=True)
class WriteTargets:
    """What one transaction looks at: each registry is read once, however much is asked of it, and versions that are
    known to be asked for all together.
    """

    adapters: Discovered
    known: dict[int, WriteTarget] = field(default_factory=dict)
    versions: dict[tuple[View, Reference], Any] = field(default_factory=dict)
    """Rows of `catalogue.reader.VERSION`, as far as they were read already."""
    _policies: list[Policy] | None = None

    def read_versions(self, connection: Connection, wanted: Iterable[tuple[View, Reference]]) -> None:
        """Read the versions that these name, those of each view by one statement. Errors: `DatabaseError`."""
        of_view: dict[View, list[Reference]] = {}
        for view, reference in wanted:
            of_view.setdefault(view, []).append(reference)
        for view, references in of_view.items():
            if len(references) > 1:
                rows = find_rows(connection, view, references)
                self.versions |= {(view, reference): row for reference, row in rows.items()}

    def policies(self, connection: Connection) -> list[Policy]:
        """Every policy that holds."""
        if self._policies is None:
            self._policies = read_policies(connection)
        return self._policies


def place_of(connection: Connection, registry_id: int, places: WriteTargets) -> WriteTarget:
    """The registry, when it may be changed at all. Errors: `StateError`, `UnknownError`, `RegistryError`."""
    if (known := places.known.get(registry_id)) is not None:
        return known
    row = connection.execute(_PLACE, {"of": registry_id}).one_or_none()
    if row is None:
        raise UnknownError()
    if row.detached_at is not None:
        raise StateError(f"registry {row.name} is detached: configure it again first", code="detached")
    if not row.writable:
        raise StateError(
            f"registry {row.name} is read-only here: its operator sets writable = true in the file and runs "
            "`waypost registries apply`",
            code="not-writable",
        )
    adapters = places.adapters
    place = WriteTarget(row, adapter_class(row.name, row.kind, adapters), rules_of(row, adapters))
    places.known[registry_id] = place
    return place


def writing(place: WriteTarget, rule: Rule, version: str) -> Wanted | None:
    """What makes a rule hold for a version, or None where this adapter cannot."""
    match rule.kind:
        case "alias" if Capability.SET_ALIAS in place.able:
            return SetAlias(rule.value, version)
        case "tag" if Capability.SET_TAGS in place.able:
            key, _, value = rule.value.partition("=")
            return SetTags({key: value})
        case "stage" | "approval" | "lifecycle" as field if Capability.SET_STAGE in place.able:
            return SetStage(field, rule.value) if field in place.adapter.stage_fields else None
    return None


def check_match(asked: Sequence[str], etag: str | None) -> str | None:
    """The etag that compare-and-set asks for; `asked` are those of `If-Match`, `*` asks for none.

    Errors: `InvalidRequestError`, `StateError` when what is known now has none of them.
    """
    if not asked or "*" in asked:
        return None
    if etag is None:
        raise PreconditionError("this backend gives no etag to compare with: leave If-Match out")
    if etag not in asked:
        raise PreconditionError("it has changed since you read it: read it again and send its new etag")
    return etag


def decides_stage(place: WriteTarget, tags: Iterable[str]) -> bool:
    """Whether writing one of these tags may change a normalised stage, which takes more than tagging."""
    deciding = {
        rule.value.partition("=")[0] for rules in place.rules.values() for rule in rules if rule.kind == "tag"
    }
    return bool(deciding & set(tags))
