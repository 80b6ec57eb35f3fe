"""One model as the catalogue knows it, and as a write leaves it.

Whoever wants to know what a write does compares the state before with the state after: nothing else works that out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from adapters import Key, ModelRecord, Record, VersionRecord
from federation import tables
from federation.catalogue.codec import decode_version
from federation.catalogue.order import AGE, age
from federation.operations.admission import WriteTarget
from federation.operations.wanted import (
    CreateModel,
    Delete,
    Makes,
    Register,
    Rename,
    SetAlias,
    SetTags,
    Wanted,
    aim,
    held,
    put,
    writable,
)
from federation.references import Reference, decode_part, encode_part
from federation.stages import decide

NEW = "(new)"
"""Stands for the version that a registration makes: its backend numbers it."""


class FieldChange(msgspec.Struct, frozen=True):
    """What a native field holds before and after; None: it is not there. `field` is stage, approval, lifecycle,
    `alias:NAME` (of a model) or `tag:NAME`.
    """

    ref: str
    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.field} of {self.ref}: {self.before!r} becomes {self.after!r}"


class StageChange(msgspec.Struct, frozen=True):
    """A version's normalised stage before and after, each with the rule that decides it. `before` is None for a
    version that is made, `after` for one that goes.
    """

    ref: str
    before: str | None
    before_reason: str
    after: str | None
    after_reason: str

    def __str__(self) -> str:
        return f"{self.ref}: {_stage(self.before, self.before_reason)} becomes {_stage(self.after, self.after_reason)}"


class PlannedDifference(NamedTuple):
    """How two states of a model differ. `made` and `deleted` are references of models and versions."""

    fields: tuple[FieldChange, ...]
    stages: tuple[StageChange, ...]
    made: tuple[str, ...]
    deleted: tuple[str, ...]


class VersionState(NamedTuple):
    """A version as it stands: its surrogate id, its record, and whether requests go to it."""

    id: int | None
    record: VersionRecord
    deployed: bool


class Target(NamedTuple):
    """What a write is made to: the key that the adapter is called with, the surrogate id, and the etag."""

    key: Key
    id: int | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model, None where there is none, with as many of its versions as whoever looks needs, by name."""

    reference: Reference
    place: WriteTarget
    id: int | None
    model: ModelRecord | None
    versions: Mapping[str, VersionState]

    def with_versions(self, versions: Mapping[str, VersionState]) -> "ModelState":
        """The state with more of its versions."""
        return replace(self, versions={**self.versions, **versions, **self.versions})

    def stage(self, version: str) -> tuple[str, str]:
        """The normalised stage of a version, and the rule that decides it."""
        standing = self.versions[version]
        named = (alias for alias, target in self.aliases.items() if target == version)
        return decide(self.place.rules, standing.record, named, standing.deployed)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Which version each alias names."""
        return {} if self.model is None else self.model.aliases

    def ref(self, version: str) -> str:
        """The reference of a version; that of one that is to be made can be read, but not parsed."""
        base = self.reference
        return f"{base}:{NEW}" if version == NEW else str(Reference(base.registry, base.model, version))

    def target(self, wanted: Wanted, version: str | None) -> Target:
        """What a write is made to: an alias is written to the model, whatever version it will name. A model that a
        registration makes has no key yet: its name stands for it.
        """
        if isinstance(wanted, Makes) or self.model is None:
            return Target(Key("model", self.reference.model), self.id, None)
        if isinstance(wanted, SetAlias) or version is None:
            return Target(self.model.key, self.id, self.model.etag)
        one = self.versions[version]
        return Target(one.record.key, one.id, one.record.etag)

    def held(self, wanted: Wanted, target: Key) -> tuple[dict[str, str | None], str | None]:
        """What stands where it writes, by the names that the write has for it, and the etag of what is written."""
        records = (self.model, *(one.record for one in self.versions.values()))
        found = next((one for one in records if one is not None and one.key == target), None)
        return ({}, None) if found is None else (held(wanted, found), found.etag)

    def after(self, wanted: Wanted, target: Key) -> "ModelState":
        """The state once a write was made to the model or version with a key."""
        match wanted:
            case Register():
                changed = self._with_new(wanted)
            case CreateModel():
                key = Key("model", NEW)
                made = ModelRecord(
                    key=key, name=wanted.model, description=wanted.description, tags=dict(wanted.tags)
                )
                changed = replace(self, model=made)
            case Rename():
                named = self._written(wanted, target)
                changed = replace(named, reference=replace(self.reference, model=wanted.name))
            case Delete() if target.kind == "model":
                changed = replace(self, model=None, versions={})
            case Delete():
                changed = self._without(target)
            case _:
                changed = self._written(wanted, target)
        touches_tags = isinstance(wanted, SetTags | Register | Delete)
        return changed._sharing() if touches_tags and self.place.adapter.shared_tags else changed

    def _written(self, wanted: Wanted, target: Key) -> "ModelState":
        values, model = aim(wanted), self.model
        shown = {} if model is None else model.tags
        reaches_all = isinstance(wanted, SetTags) and self.place.adapter.shared_tags
        if model is not None and model.key == target:
            model = _model(put(wanted, model, values))
        versions = {
            name: one._replace(record=_version(put(wanted, one.record, values)))
            if one.record.key == target
            else one._replace(record=_version(put(wanted, one.record, _inherited(values, one.record, shown))))
            if reaches_all and target.kind == "model"
            else one
            for name, one in self.versions.items()
        }
        return replace(self, model=model, versions=versions)

    def _without(self, target: Key) -> "ModelState":
        """A version takes the aliases that name it along."""
        left = {name: one for name, one in self.versions.items() if one.record.key != target}
        gone = self.versions.keys() - left.keys()
        kept = {alias: version for alias, version in self.aliases.items() if version not in gone}
        model = None if self.model is None else replace(self.model, aliases=kept)
        return replace(self, model=model, versions=left)

    def _with_new(self, wanted: Register) -> "ModelState":
        adapter, model = self.place.adapter, self.model
        if model is None:
            first = dict.fromkeys(adapter.first_aliases, NEW)
            model = ModelRecord(key=Key("model", NEW), name=wanted.model, aliases=first)
        fresh: Any = adapter.fresh or {}
        record = VersionRecord(
            key=Key("version", NEW), model=model.key, version=NEW, tags=dict(wanted.tags), **fresh
        )
        return replace(self, model=model, versions={**self.versions, NEW: VersionState(None, record, False)})

    def _sharing(self) -> "ModelState":
        """The model's tags are those that all of its versions show."""
        shown = [set(one.record.tags.items()) for one in self.versions.values()]
        if self.model is None or not shown:
            return self
        return replace(self, model=replace(self.model, tags=dict(sorted(set.intersection(*shown)))))


def _inherited(
    values: Mapping[str, str | None], record: VersionRecord, shown: Mapping[str, str]
) -> dict[str, str | None]:
    """Tags of a model as they show on one of its versions: not where that one has a tag of its own."""
    own = record.tags.keys() - shown.keys()
    return {name: value for name, value in values.items() if name not in own}


def difference(old: ModelState, new: ModelState) -> PlannedDifference:
    """What differs between two states of a model."""
    made = [new.ref(name) for name in new.versions if name not in old.versions]
    deleted = [old.ref(name) for name in old.versions if name not in new.versions]
    if old.model is None and new.model is not None:
        made.insert(0, str(new.reference))
    if new.model is None and old.model is not None:
        deleted.insert(0, str(old.reference))
    if old.model is not None and new.model is not None and old.reference != new.reference:
        made, deleted = [str(new.reference)], [str(old.reference)]  # whoever names it finds nothing there
    return PlannedDifference(tuple(_fields(old, new)), tuple(_stages(old, new)), tuple(made), tuple(deleted))


def _fields(old: ModelState, new: ModelState) -> Iterator[FieldChange]:
    """Of what is there afterwards: what goes is told as gone."""
    if new.model is not None:
        yield from _changed(str(new.reference), old.model, new.model)
    for name, one in new.versions.items():
        before = old.versions.get(name)
        yield from _changed(new.ref(name), before and before.record, one.record)


def _changed(ref: str, old: Record | None, new: Record) -> Iterator[FieldChange]:
    before, after = {} if old is None else writable(old), writable(new)
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield FieldChange(ref, name, before.get(name), after.get(name))


def _stages(old: ModelState, new: ModelState) -> Iterator[StageChange]:
    for name in {**old.versions, **new.versions}:
        before, before_reason = old.stage(name) if name in old.versions else (None, "")
        after, after_reason = new.stage(name) if name in new.versions else (None, "")
        if (before, before_reason) != (after, after_reason):
            ref = (new if name in new.versions else old).ref(name)
            yield StageChange(ref, before, before_reason, after, after_reason)


def _stage(stage: str | None, reason: str) -> str:
    if stage is None:
        return "not there"
    return f"{stage} by {reason}" if reason else stage


def _model(record: object) -> ModelRecord:
    assert isinstance(record, ModelRecord)
    return record


def _version(record: object) -> VersionRecord:
    assert isinstance(record, VersionRecord)
    return record


def read_versions(
    connection: Connection, model_id: int, names: Iterable[str] | None
) -> dict[str, VersionState]:
    """The living versions of a model that have these names, or all of them."""
    versions = tables.version.c
    columns = (*(versions[name] for name in AGE), versions.body, versions.deployed)
    query = select(*columns).where(versions.model_id == model_id, versions.deleted_at.is_(None))
    if names is not None:
        query = query.where(versions.version.in_(sorted(map(encode_part, names))))
    rows = sorted(connection.execute(query), key=age)  # of several with one name, the one created last
    return {
        decode_part(row.version): VersionState(row.id, decode_version(row.body), row.deployed) for row in rows
    }


def read_holders(connection: Connection, model_id: int, stage: str) -> set[str]:
    """The names of the living versions of a model that have a normalised stage."""
    versions = tables.version.c
    query = select(versions.version).where(
        versions.model_id == model_id, versions.deleted_at.is_(None), versions.stage == stage
    )
    return set(map(decode_part, connection.execute(query).scalars()))
