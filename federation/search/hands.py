"""Who changed and who approved versions through Waypost, as the index is told: by opaque ids, never by name.

A name is looked up when somebody asks, so that one that is another by now is found, and an erased one is nowhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, not_, or_, select, union_all

from federation import tables
from federation.operations.tables import operation
from federation.promotions.tables import promotion, voice
from federation.references import parse

DONE = ("ok", "partial")
"""The states of operations that changed something."""
AIMED_AT_ALIAS = "set_alias"
Marks: TypeAlias = "dict[Any, dict[str, None]]"
_operation, _promotion, _voice, _version = operation.c, promotion.c, voice.c, tables.version.c


@dataclass(frozen=True, slots=True)
class Hands:
    """Principals by what they had to do with: a version's id, a model's id, or a model's id with a version's name."""

    of_version: Marks = field(default_factory=dict)
    of_model: Marks = field(default_factory=dict)
    of_name: Marks = field(default_factory=dict)
    approved: Marks = field(default_factory=dict)

    def changed(self, model_id: int, version_id: int, version: str) -> Sequence[str]:
        """Who changed a version, its aliases or its model."""
        held = (
            self.of_version.get(version_id),
            self.of_name.get((model_id, version)),
            self.of_model.get(model_id),
        )
        return list(dict.fromkeys(who for each in held if each for who in each))

    def approvers(self, version_id: int) -> Sequence[str]:
        """Who approved a promotion of a version."""
        return list(self.approved.get(version_id, ()))


def read_hands(
    connection: Connection, models: Collection[int] | None = None, registry: int | None = None
) -> Hands:
    """Everybody's, or of these models or one registry alone. Of the many changes of one thing by one principal one row
    is read, but where what was asked for tells which versions it was about.
    """
    found = Hands()
    theirs = select(_version.id).where(_version.model_id.in_(models or ())).scalar_subquery()
    of_version = _done("version", theirs if models is not None else None, registry)
    of_model = _done("model", models, registry)
    names_versions = or_(_operation.made.is_not(None), _operation.kind == AIMED_AT_ALIAS)
    plain = union_all(
        select(_operation.target_kind, _operation.target_id, _operation.actor).where(of_version).distinct(),
        select(_operation.target_kind, _operation.target_id, _operation.actor)
        .where(of_model, not_(names_versions))
        .distinct(),
    )
    for kind, target_id, actor in connection.execute(plain):
        marks = found.of_version if kind == "version" else found.of_model
        marks.setdefault(target_id, {})[actor] = None
    telling = select(
        _operation.target_id, _operation.actor, _operation.wanted, _operation.before, _operation.made
    )
    for row in connection.execute(telling.where(of_model, names_versions)):
        for version in _named(row):
            if version is not None:
                found.of_name.setdefault((row.target_id, version), {})[row.actor] = None
    approved = (
        select(_promotion.version_id, _voice.principal)
        .join(voice, _voice.promotion_id == _promotion.id)
        .where(_voice.kind == "approve")
    )
    if models is not None:
        approved = approved.where(_promotion.model_id.in_(models))
    if registry is not None:
        approved = approved.where(_promotion.registry_id == registry)
    for version_id, principal in connection.execute(approved):
        found.approved.setdefault(version_id, {})[principal] = None
    return found


def _done(kind: str, targets: Any, registry: int | None) -> ColumnElement[bool]:
    """The condition that an operation changed something of a kind; None: whatever target, whatever registry."""
    conditions = [
        _operation.state.in_(DONE),
        _operation.target_kind == kind,
        _operation.target_id.is_not(None),
    ]
    if targets is not None:
        conditions.append(_operation.target_id.in_(targets))
    if registry is not None:
        conditions.append(_operation.registry_id == registry)
    return and_(*conditions)


def _named(row: Any) -> Iterable[str | None]:
    """The versions that an operation on a model was about: the one that it made, or those that had or got its alias."""
    if row.made is not None:
        return [parse(row.made).version]
    return [msgspec.json.decode(row.wanted)["version"], *_before(row.before).values()]


def _before(text: str | None) -> Mapping[str, str | None]:
    return {} if text is None else msgspec.json.decode(text)
