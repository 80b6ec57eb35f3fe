"""Who changed and who approved versions through Waypost, as the index is told: by opaque ids, never by name.

A name is looked up when somebody asks, so that one that is another by now is found, and an erased one is nowhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, bindparam, not_, or_, select

from federation import tables
from federation.operations.tables import operation
from federation.prepared import Prepared, among
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
    given: dict[str, Any] = {} if models is None else {"models": list(models)}
    given |= {} if registry is None else {"registry": registry}
    asked = _questions(models is not None, registry is not None)
    for target_id, actor in asked.of_version.bare(connection, **given):
        found.of_version.setdefault(target_id, {})[actor] = None
    for target_id, actor in asked.of_model.bare(connection, **given):
        found.of_model.setdefault(target_id, {})[actor] = None
    for row in asked.telling.rows(connection, **given):
        for version in _named(row):
            if version is not None:
                found.of_name.setdefault((row.target_id, version), {})[row.actor] = None
    for version_id, principal in asked.approved.bare(connection, **given):
        found.approved.setdefault(version_id, {})[principal] = None
    return found


class _Questions(NamedTuple):
    of_version: Prepared
    of_model: Prepared
    telling: Prepared
    """Of models, where what was asked for tells which versions it was about."""
    approved: Prepared


@cache
def _questions(of_models: bool, of_registry: bool) -> _Questions:
    """Of some models or of all, of one registry or of all."""
    versions = select(_version.id).where(among(_version.model_id, "models"))
    of_version, of_model, approved = (
        [_operation.state.in_(DONE), _operation.target_kind == "version", _operation.target_id.is_not(None)],
        [_operation.state.in_(DONE), _operation.target_kind == "model", _operation.target_id.is_not(None)],
        [_voice.kind == "approve"],
    )
    if of_models:
        of_version.append(_operation.target_id.in_(versions))
        of_model.append(among(_operation.target_id, "models"))
        approved.append(among(_promotion.model_id, "models"))
    if of_registry:
        for conditions, column in (
            (of_version, _operation.registry_id),
            (of_model, _operation.registry_id),
            (approved, _promotion.registry_id),
        ):
            conditions.append(column == bindparam("registry", 0))
    names_versions = or_(_operation.made.is_not(None), _operation.kind == AIMED_AT_ALIAS)
    done = select(_operation.target_id, _operation.actor)
    telling = select(
        _operation.target_id, _operation.actor, _operation.wanted, _operation.before, _operation.made
    )
    approvers = select(_promotion.version_id, _voice.principal).join(
        voice, _voice.promotion_id == _promotion.id
    )
    return _Questions(
        Prepared(done.where(*of_version).distinct()),
        Prepared(done.where(*of_model, not_(names_versions)).distinct()),
        Prepared(telling.where(*of_model, names_versions)),
        Prepared(approvers.where(*approved)),
    )


def _named(row: Any) -> Iterable[str | None]:
    """The versions that an operation on a model was about: the one that it made, or those that had or got its alias."""
    if row.made is not None:
        return [parse(row.made).version]
    return [msgspec.json.decode(row.wanted)["version"], *_before(row.before).values()]


def _before(text: str | None) -> Mapping[str, str | None]:
    return {} if text is None else msgspec.json.decode(text)
