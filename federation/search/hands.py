"""Who changed and who approved versions through Waypost, as the index is told: by opaque ids, never by name.

A name is looked up when somebody asks, so that one that is another by now is found, and an erased one is nowhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, and_, or_, select

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
    """Everybody's, or of these models or one registry alone."""
    found = Hands()
    asked = select(
        _operation.actor, _operation.target_kind, _operation.target_id, _operation.kind, _operation.wanted,
        _operation.before, _operation.made,
    ).where(_operation.state.in_(DONE), _operation.target_id.is_not(None))  # fmt: skip
    approved = (
        select(_promotion.version_id, _voice.principal)
        .join(voice, _voice.promotion_id == _promotion.id)
        .where(_voice.kind == "approve")
    )
    if models is not None:
        theirs = select(_version.id).where(_version.model_id.in_(models)).scalar_subquery()
        is_version = and_(_operation.target_kind == "version", _operation.target_id.in_(theirs))
        is_model = and_(_operation.target_kind == "model", _operation.target_id.in_(models))
        asked, approved = (
            asked.where(or_(is_version, is_model)),
            approved.where(_promotion.model_id.in_(models)),
        )
    if registry is not None:
        asked = asked.where(_operation.registry_id == registry)
        approved = approved.where(_promotion.registry_id == registry)
    for row in connection.execute(asked):
        _mark(found, row)
    for version_id, principal in connection.execute(approved):
        found.approved.setdefault(version_id, {})[principal] = None
    return found


def _mark(found: Hands, row: Any) -> None:
    """An operation's actor, on what the operation changed."""
    if row.target_kind == "version":
        found.of_version.setdefault(row.target_id, {})[row.actor] = None
    elif row.target_kind == "model" and row.made is not None:
        _named(found, row, [parse(row.made).version])
    elif row.target_kind == "model" and row.kind == AIMED_AT_ALIAS:
        _named(found, row, [msgspec.json.decode(row.wanted)["version"], *_before(row.before).values()])
    elif row.target_kind == "model":
        found.of_model.setdefault(row.target_id, {})[row.actor] = None


def _named(found: Hands, row: Any, versions: Iterable[str | None]) -> None:
    for version in versions:
        if version is not None:
            found.of_name.setdefault((row.target_id, version), {})[row.actor] = None


def _before(text: str | None) -> Mapping[str, str | None]:
    return {} if text is None else msgspec.json.decode(text)
