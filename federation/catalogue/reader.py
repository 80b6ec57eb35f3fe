"""Reading the catalogue: what a reference means now or meant then, as one caller may see it.

Hidden and absent are the same here: both raise `UnknownError` with the same words.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
)

from adapters import EndpointRecord, ModelRecord, Schema, Unread, VersionRecord
from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.order import AGE, age
from federation.errors import GoneError, UnknownError
from federation.policies.tables import bypass
from federation.prepared import EVERY, Prepared
from federation.references import Reference, decode_part, encode_part
from federation.registry_names import find_registry

if TYPE_CHECKING:
    pass

DETAILS = ("schema", "framework", "environment")
"""Fields that are unknown where a version's files could not be read."""


def incarnation_of(native_id: str) -> int:
    """The number that tells one incarnation from another: made of what its backend calls it, below 2^53.

    A row's own id would tell how much was taken in before it, also from registries that the caller may not see.
    """
    return int.from_bytes(sha256(native_id.encode("utf-8", "surrogatepass")).digest()[:8]) >> 11 or 1


@dataclass(frozen=True, slots=True)
class Serving:
    """An endpoint that sends a version a share of its traffic, in percent."""

    endpoint: EndpointRecord
    percent: float


@dataclass(frozen=True, slots=True)
class Version:
    """One version with everything known of it. `aliases` are those that name it."""

    id: int
    registry_id: int
    registry: str
    team: str
    kind: str
    model_id: int
    model: str
    model_record: ModelRecord
    record: VersionRecord
    stage: str
    stage_reason: str
    deployed: bool
    """Requests go to it."""
    placed: bool
    """An endpoint holds it, whether or not requests go to it there."""
    aliases: tuple[str, ...]
    first_seen_at: datetime
    deleted_at: datetime | None
    bypassed: tuple[str, ...] = ()
    """Policies that would have refused the way it came to its stage."""
    serving: tuple[Serving, ...] = ()
    """The endpoints that hold it, most traffic first, where they were asked for."""

    @property
    def reference(self) -> Reference:
        """The handle of this version while it lives."""
        return Reference(self.registry, self.model, self.record.version)

    @property
    def incarnation(self) -> int:
        """Tells this version from others that had its name."""
        return incarnation_of(self.record.key.native_id)

    @property
    def schema(self) -> Schema | None:
        """What it takes and gives, where that is known."""
        return self.record.schema


_registries, _models, _versions = tables.registry.c, tables.model.c, tables.version.c
VERSION: Select[Any] = (
    select(
        tables.version,
        _registries.name.label("registry"),
        _registries.team,
        _registries.kind.label("kind"),
        _models.name.label("model"),
        _models.body.label("model_body"),
        exists().where(tables.traffic.c.version_id == _versions.id).label("placed"),
        select(bypass.c.policies)
        .where(bypass.c.version_id == _versions.id)
        .scalar_subquery()
        .label("bypassed"),
    )
    .join(tables.model, _models.id == _versions.model_id)
    # By way of the model: the version's own registry_id invites SQLite to walk all versions of the registry.
    .join(tables.registry, _registries.id == _models.registry_id)
)
"""Every version with its model and registry."""
SUMMARY = select(
    *(tables.version.c[name] for name in AGE),
    *(
        tables.version.c[name]
        for name in ("native_id", "stage", "stage_reason", "deployed", "body", "updated_at", "deleted_at")
    ),
)
"""Every version with what is said of it in a list."""
_BORN = func.coalesce(_versions.created_at, _versions.first_seen_at)
"""What `age` looks at first."""


_MODELS = Prepared(
    select(tables.model, _registries.name.label("registry"), _registries.team, _registries.kind.label("kind"))
    .join(tables.registry, _registries.id == _models.registry_id)
    .where(_registries.id == bindparam("of_registry", 0), _models.name == bindparam("of_name", ""))
    .order_by(_models.deleted_at.is_not(None), _models.id.desc())
    .limit(bindparam("most", 0))
)
"""Every model that has or had a name, the one that lives first."""


def read_version(
    connection: Connection,
    view: View,
    reference: Reference,
    *,
    incarnation: int | None = None,
    as_of: datetime | None = None,
) -> Version:
    """The version a reference names: by its version, an alias, a stage, or (bare model) the newest one.

    `incarnation` asks for one that may be gone; `as_of` for what held the alias or stage then. Errors:
    `UnknownError`, `GoneError`.
    """
    named = and_(*_named(connection, view, reference))
    if incarnation is not None:
        mine = _meant(
            connection, VERSION.with_only_columns(_versions.id, _versions.native_id), named, incarnation
        )
        return as_version(connection.execute(VERSION.where(_versions.id == mine)).one())
    if as_of is not None:
        return _then(connection, named, reference, as_of)
    living = VERSION.where(named, _versions.deleted_at.is_(None), _models.deleted_at.is_(None))
    row = _pick(connection, living, reference)
    if row is not None:
        return as_version(row)
    if reference.version is not None or (is_bare(reference) and not _lives(connection, named)):
        gone = _pick(connection, VERSION.where(named), reference)
        if gone is not None:
            raise GoneError(reference, as_version(gone))
    raise UnknownError()


def is_bare(reference: Reference) -> bool:
    """Whether it names a model and nothing of it."""
    return reference.version is None and reference.alias is None and reference.stage is None


def _lives(connection: Connection, named: ColumnElement[bool]) -> bool:
    """Whether a model of this name lives, be it without versions."""
    query = select(_models.id).join(tables.registry, _registries.id == _models.registry_id)
    return connection.execute(query.where(named, _models.deleted_at.is_(None))).first() is not None


def newest_of(versions: Select[Any], count: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Which of some versions may be among the `count` newest: `age` decides between those that are as old as the last
    of them.
    """
    last = versions.with_only_columns(_BORN).order_by(_BORN.desc()).limit(1).offset(count - 1)
    return func.coalesce(last.correlate(None).scalar_subquery() <= _BORN, true())


def held_then(row: Row[Any], held: set[tuple[str, str]]) -> tuple[tuple[str, ...], str, str]:
    """Aliases, stage and its reason of a version that held these kinds and values at another time."""
    aliases = sorted(value for kind, value in held if kind == "alias")
    stage = next((value for kind, value in held if kind == "stage"), "none")
    return tuple(aliases), stage, row.stage_reason if stage == row.stage else "history"


def latest_model(
    connection: Connection, view: View, reference: Reference, incarnation: int | None = None
) -> Row[Any]:
    """The row of a model with its registry: the one that lives, or lived last. Errors: `UnknownError`."""
    place = (
        find_registry(connection, view, reference.registry) or 0
    )  # none has 0, and asking for it costs no walk
    most = 1 if incarnation is None else EVERY
    rows: list[Row[Any]] = _MODELS.rows(
        connection, of_registry=place, of_name=encode_part(reference.model), most=most
    )
    for row in rows:
        if incarnation is None or incarnation_of(row.native_id) == incarnation:
            return row
    raise UnknownError()


def read_serving(connection: Connection, view: View, version_id: int) -> list[Serving]:
    """The endpoints that serve a version, most traffic first."""
    shares, endpoints = tables.traffic.c, tables.endpoint.c
    query = (
        select(endpoints.body, shares.percent)
        .join(tables.endpoint, endpoints.id == shares.endpoint_id)
        .where(shares.version_id == version_id, endpoints.deleted_at.is_(None))
        .where(view.clause(endpoints.registry_id))
        .order_by(shares.percent.desc(), endpoints.id)
    )
    return [Serving(codec.decode_endpoint(row.body), row.percent) for row in connection.execute(query)]


def _meant(connection: Connection, ids: Select[Any], named: ColumnElement[bool], incarnation: int) -> int:
    """The id of the incarnation with a number. Errors: `UnknownError`."""
    for row in connection.execute(ids.where(named)):
        if incarnation_of(row.native_id) == incarnation:
            return int(row.id)
    raise UnknownError()


def _named(connection: Connection, view: View, reference: Reference) -> list[Any]:
    """The conditions that registry and model of a reference make."""
    known = find_registry(connection, view, reference.registry)
    return [
        _models.name == encode_part(reference.model),
        _registries.id == (known or 0),  # no registry has 0, and asking for none costs no walk
    ]


def _pick(connection: Connection, query: Select[Any], reference: Reference) -> Row[Any] | None:
    """The row that a selector means among a model's versions: of several, the most recently created."""
    if reference.version is not None:
        query = query.where(_versions.version == encode_part(reference.version))
    elif reference.stage is not None:
        query = query.where(_versions.stage == reference.stage)
        query = query.where(newest_of(query, 1))
    elif reference.alias is not None:
        row = connection.execute(query.limit(1)).first()
        target = None if row is None else codec.aliases_of(row.model_body).get(reference.alias)
        if target is None:
            return None
        query = query.where(_versions.version == encode_part(target))
    else:
        query = query.where(newest_of(query, 1))
    return max(connection.execute(query), key=age, default=None)


def find_model(connection: Connection, view: View, reference: Reference, at: datetime) -> Row[Any] | None:
    """The row of the model that had a reference's name at a time."""
    query = (
        select(
            tables.model, _registries.name.label("registry"), _registries.team, _registries.kind.label("kind")
        )
        .join(tables.registry, _registries.id == _models.registry_id)
        .where(*_named(connection, view, reference), _models.first_seen_at <= at)
        .where(or_(_models.deleted_at.is_(None), _models.deleted_at > at))
        .order_by(_models.id.desc())
    )
    return connection.execute(query.limit(1)).one_or_none()


def of_then(
    connection: Connection, chosen: ColumnElement[bool], as_of: datetime
) -> tuple[dict[int, Row[Any]], dict[int, set[tuple[str, str]]]]:
    """The versions there were at a time, and what each held, by id."""
    spans = tables.span.c
    query = VERSION.with_only_columns(*SUMMARY.selected_columns).where(
        chosen,
        _versions.first_seen_at <= as_of,
        or_(_versions.deleted_at.is_(None), _versions.deleted_at > as_of),
    )
    rows = {row.id: row for row in connection.execute(query)}
    held: dict[int, set[tuple[str, str]]] = {}
    at_that_time = (
        select(spans.version_id, spans.kind, spans.value)
        .join(tables.version, _versions.id == spans.version_id)
        .where(chosen, spans.began_by <= as_of, or_(spans.ended_by.is_(None), spans.ended_by > as_of))
        .join(tables.model, _models.id == _versions.model_id)
        .join(tables.registry, _registries.id == _models.registry_id)
    )
    for version_id, kind, value in connection.execute(at_that_time):
        held.setdefault(version_id, set()).add((kind, value))
    return rows, held


def _then(connection: Connection, named: Any, reference: Reference, as_of: datetime) -> Version:
    """What a reference meant at a time, with the stage and aliases of then. Errors: `UnknownError`."""
    rows, held = of_then(connection, named, as_of)
    wanted: tuple[str, str] | None = None
    if reference.alias is not None:
        wanted = ("alias", reference.alias)
    elif reference.stage is not None and reference.stage != "none":
        wanted = ("stage", reference.stage)
    chosen = [
        row
        for row in rows.values()
        if (reference.version is None or row.version == encode_part(reference.version))
        and (wanted is None or wanted in held.get(row.id, ()))
    ]
    row = max(chosen, key=age, default=None)
    if row is None:
        raise UnknownError()
    whole = connection.execute(VERSION.where(_versions.id == row.id)).one()
    return as_version(whole, held.get(row.id, set()))


def as_version(row: Any, then: set[tuple[str, str]] | None = None) -> Version:
    """The version that a row of `VERSION` tells of; `then`: the kinds and values that it held at another time."""
    record = codec.decode_version(row.body, row.details)
    if row.details_unknown is not None and record.unread is None:
        record = replace(record, unread=Unread(DETAILS, row.details_unknown))
    model = codec.decode_model(row.model_body)
    if then is None:
        named = (alias for alias, version in model.aliases.items() if version == record.version)
        aliases, stage, reason = tuple(sorted(named)), row.stage, row.stage_reason
    else:
        aliases, stage, reason = held_then(row, then)
    marked = None if then is not None else row.bypassed
    return Version(
        id=row.id,
        registry_id=row.registry_id,
        registry=row.registry,
        team=row.team,
        kind=row.kind,
        model_id=row.model_id,
        model=decode_part(row.model),
        model_record=model,
        record=record,
        stage=stage,
        stage_reason=reason,
        deployed=row.deployed,
        placed=bool(row.placed),
        aliases=aliases,
        first_seen_at=row.first_seen_at,
        deleted_at=row.deleted_at,
        bypassed=() if marked is None else tuple(msgspec.json.decode(marked)),
    )
