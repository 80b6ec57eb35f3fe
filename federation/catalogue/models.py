"""A model with its versions, all of them or those that somebody looks at, as lists show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, or_

from adapters import ModelRecord
from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.order import age
from federation.catalogue.reader import SUMMARY, held_then, incarnation_of, latest_model, newest_of, of_then
from federation.errors import GoneError
from federation.prepared import Prepared, among
from federation.references import Reference, decode_part, encode_part

_versions = tables.version.c
_RELIED_ON = or_(
    _versions.stage.in_(("production", "staging")), _versions.deployed, among(_versions.version, "named")
)


class _QueriesOfModel:
    """What is asked of the versions of one model (`model`, its id)."""

    def __init__(self, *conditions: ColumnElement[bool]) -> None:
        its = SUMMARY.where(_versions.model_id == bindparam("model", 0), *conditions)
        self.all, self.count = Prepared(its), Prepared(its.with_only_columns(func.count().label("total")))
        newest, relied_on = (newest_of(some, bindparam("newest", 1)) for some in (its, its.where(_RELIED_ON)))
        chosen = its.where(or_(newest, and_(_RELIED_ON, relied_on)))
        self.newest = Prepared(chosen.add_columns(_RELIED_ON.label("is_relied_on")))
        """Those that may be the `newest` so many, of all and of those that are relied on: `named` are relied on."""


_LIVING, _WITH_DELETED = _QueriesOfModel(_versions.deleted_at.is_(None)), _QueriesOfModel()


class Summary(NamedTuple):
    """One version in the list of its model. `version` is its name as the backend spells it."""

    version: str
    incarnation: int
    stage: str
    stage_reason: str
    deployed: bool
    aliases: tuple[str, ...]
    metrics: Mapping[str, float]
    state: str | None
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Model:
    """One model with its versions, newest first: those that were asked for of `total`."""

    id: int
    registry_id: int
    registry: str
    team: str
    kind: str
    record: ModelRecord
    versions: tuple[Summary, ...]
    total: int
    first_seen_at: datetime
    deleted_at: datetime | None

    @property
    def reference(self) -> Reference:
        """The handle of this model while it lives."""
        return Reference(self.registry, self.record.name)

    @property
    def incarnation(self) -> int:
        """Tells this model from others that had its name."""
        return incarnation_of(self.record.key.native_id)


def read_model(
    connection: Connection,
    view: View,
    reference: Reference,
    *,
    incarnation: int | None = None,
    newest: int | None = None,
) -> Model:
    """The model a reference names, whatever version it goes on to name, with all its versions. `newest` asks for so
    many of the newest alone, and so many of the newest that somebody relies on (production, staging, an alias,
    requests); 0 for none. Errors: `UnknownError`, `GoneError`, with all of them.
    """
    row = latest_model(connection, view, reference, incarnation)
    if row.deleted_at is not None and incarnation is None:
        raise GoneError(reference, _with_versions(connection, row, None))
    return _with_versions(connection, row, newest)


def _with_versions(connection: Connection, row: Row[Any], newest: int | None) -> Model:
    """The model of a row, with its versions, or the newest of them and those that are relied on."""
    record = codec.decode_model(row.body)
    if newest == 0:
        return as_model(row, record, [])
    its = _LIVING if row.deleted_at is None else _WITH_DELETED
    if newest is None:
        return as_model(row, record, its.all.rows(connection, model=row.id))
    named = sorted({encode_part(one) for one in record.aliases.values()})
    rows = its.newest.rows(connection, model=row.id, named=named, newest=newest)
    found = sorted(rows, key=age, reverse=True)
    held = [one for one in found if one.is_relied_on][:newest]
    few = {one.id: one for one in (*found[:newest], *held)}
    [(total,)] = its.count.bare(connection, model=row.id)
    return as_model(row, record, few.values(), total=total)


def as_model(
    row: Row[Any],
    record: ModelRecord,
    versions: Iterable[Row[Any]],
    held: Mapping[int, set[tuple[str, str]]] | None = None,
    *,
    total: int | None = None,
) -> Model:
    """The model of a row with versions of `SUMMARY`. `held`: what each held at another time, by id."""
    aliases: dict[str, list[str]] = {}
    for alias, version in sorted(record.aliases.items()):
        aliases.setdefault(encode_part(version), []).append(alias)
    found = tuple(
        _as_summary(
            version,
            (tuple(aliases.get(version.version, ())), version.stage, version.stage_reason)
            if held is None
            else held_then(version, held.get(version.id, set())),
        )
        for version in sorted(versions, key=age, reverse=True)
    )
    return Model(
        id=row.id,
        registry_id=row.registry_id,
        registry=row.registry,
        team=row.team,
        kind=row.kind,
        record=record,
        versions=found,
        total=len(found) if total is None else total,
        first_seen_at=row.first_seen_at,
        deleted_at=row.deleted_at,
    )


def _as_summary(row: Row[Any], held: tuple[tuple[str, ...], str, str]) -> Summary:
    metrics, state = codec.listed_of(row.body)
    aliases, stage, reason = held
    return Summary(
        version=decode_part(row.version),
        incarnation=incarnation_of(row.native_id),
        stage=stage,
        stage_reason=reason,
        deployed=row.deployed,
        aliases=aliases,
        metrics=metrics,
        state=state,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )


def with_versions_then(connection: Connection, row: Row[Any], at: datetime) -> Model:
    """The model of a row with the versions that it had at a time, with the stages and aliases of then."""
    rows, held = of_then(connection, _versions.model_id == row.id, at)
    return as_model(row, codec.decode_model(row.body), rows.values(), held)
