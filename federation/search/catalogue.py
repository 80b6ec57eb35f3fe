"""The catalogue as the index reads it, and how fresh it is."""

import threading
import time
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from adapters import Environment, Lineage, ModelRecord, VersionRecord
from federation import changes, tables
from federation.access import EVERYTHING, View
from federation.catalogue import codec
from federation.catalogue.states import registry_state
from federation.database import LONG, now, reading
from federation.graph import tables as declared
from federation.graph.claims import claims
from federation.graph.resolve import registry_names
from federation.references import (
    DEPENDS_ON,
    Address,
    Reference,
    ReferenceSyntaxError,
    Target,
    encode_part,
    parse,
)
from federation.search.answer import Freshness
from federation.search.document import Document
from federation.search.engine import MOST_VIEWS, RegistryState
from federation.search.follower import Affected

AT_ONCE = 500
"""Ids in one query."""
FRESH_SECONDS = 1.0
NO_LINEAGE, NO_ENVIRONMENT = Lineage(), Environment()

_registry, _model, _version = tables.registry.c, tables.model.c, tables.version.c
_LIVING = (
    select(
        _registry.id.label("registry_id"), _registry.name.label("registry"), _registry.team,
        _model.id.label("model_id"), _model.body.label("model_body"), _model.created_at.label("model_created_at"),
        _model.updated_at.label("model_updated_at"),
        _version.id.label("version_id"), _version.stage, _version.body, _version.created_at, _version.updated_at,
        _version.first_seen_at, _version.details,
    )
    .select_from(tables.model)
    .join(tables.registry, _registry.id == _model.registry_id)
    .outerjoin(tables.version, and_(_version.model_id == _model.id, _version.deleted_at.is_(None)))
    .where(_model.deleted_at.is_(None))
    .order_by(_model.id, _version.id)
)  # fmt: skip
_STATES = select(
    _registry.id, _registry.name, _registry.detached_at, _registry.failures, _registry.last_success_at,
    _registry.sync_every, _registry.partial,
).order_by(_registry.name)  # fmt: skip
"""What `registry_state` needs, and no more: it is read every second in every process."""
Declared = Mapping[tuple[str, str, str | None], Sequence[str]]
"""What people declared: by registry, model and version (None: all of them), the references needed."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The `Source` of the index: every read is one short transaction, but for `everything`."""

    engine: Engine

    def affected(self, after: int, limit: int) -> Affected | None:
        """What the next changes touched. Errors: `FeedTrimmedError`, `DatabaseError`."""
        with reading(self.engine) as connection:
            rows = changes.after(connection, after, limit)
            if not rows:
                return None
            touched: dict[str, set[int]] = {}
            for row in rows:
                touched.setdefault(row.kind, set()).add(row.target_id)
            models = touched.get("model", set())
            for ids in _chunks(touched.get("version", ())):
                models |= set(
                    connection.execute(select(_version.model_id).where(_version.id.in_(ids))).scalars()
                )
            models |= _consumers(connection, touched.get("edge", ()))
        return Affected(rows[-1].position, frozenset(models), frozenset(touched.get("registry", ())))

    def models(self, ids: Collection[int]) -> Iterator[Document]:
        """The documents of these models, as far as they live."""
        for chunk in _chunks(ids):
            yield from self._read(_model.id.in_(chunk))

    def registry(self, registry_id: int) -> Iterator[Document]:
        """The documents of a registry."""
        return self._read(_model.registry_id == registry_id)

    def names(self, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Name and team of those of these registries that there are."""
        with reading(self.engine) as connection:
            query = select(_registry.id, _registry.name, _registry.team).where(_registry.id.in_(sorted(ids)))
            return {row.id: (row.name, row.team) for row in connection.execute(query)}

    def everything(self) -> tuple[int, Iterator[Document]]:
        """The newest position, and every document as of then or later."""
        with reading(self.engine) as connection:
            position = changes.newest(connection)
        return position, self._read()

    def _read(self, *conditions: ColumnElement[bool]) -> Iterator[Document]:
        with reading(self.engine, bound=LONG) as connection:
            said, known = _declared(connection), registry_names(connection)
            query = _LIVING.where(*conditions).execution_options(yield_per=2_000)
            for _, rows in groupby(connection.execute(query), key=lambda row: int(row.model_id)):
                versions = list(rows)
                model = codec.decode_model(versions[0].model_body)
                yield from (_document(row, model, said, known) for row in versions)


def _document(row: Any, model: ModelRecord, said: Declared, known: Container[str]) -> Document:
    common: dict[str, Any] = {
        "registry_id": row.registry_id, "registry": row.registry, "team": row.team, "model_id": row.model_id,
        "model": model.name, "title": model.title or "", "type": model.type,
    }  # fmt: skip
    if row.version_id is None:
        return Document(
            **common, owner=model.owner or "", license=model.license or "", description=model.description or "",
            tags=model.tags, flags=frozenset({"tags"} if model.tags else ()), created=row.model_created_at,
            updated=row.model_updated_at,
        )  # fmt: skip
    record = codec.decode_version(row.body, row.details)
    aliases = tuple(sorted(alias for alias, version in model.aliases.items() if version == record.version))
    needs = _needs(record, row, said, model, known)
    return Document(
        **common,
        version_id=row.version_id,
        version=record.version,
        stage=row.stage,
        state=(record.state or "").partition(":")[0].strip(),
        framework=record.framework or "",
        owner=record.owner or record.creator or model.owner or "",
        license=record.license or model.license or "",
        description="\n".join(filter(None, (model.description, record.description))),
        aliases=aliases,
        tags={**model.tags, **record.tags},
        metrics=record.metrics,
        params=record.params,
        depends_on=needs,
        libraries=record.environment.libraries,
        images=_images(record.environment),
        flags=_flags(record, model, row, aliases, needs),
        created=row.created_at,
        first_seen=row.first_seen_at,
        updated=row.updated_at,
    )


def _flags(
    record: VersionRecord, model: ModelRecord, row: Any, aliases: Sequence[str], needs: Sequence[str]
) -> frozenset[str]:
    """What `has:` finds."""
    held = {
        "versions": True, "schema": bool(record.schema), "metrics": bool(record.metrics),
        "params": bool(record.params), "tags": bool(record.tags or model.tags), "aliases": bool(aliases),
        "lineage": record.lineage != NO_LINEAGE, "description": bool(record.description or model.description),
        "dependencies": bool(needs), "environment": record.environment != NO_ENVIRONMENT,
        "state": bool(record.state),
    }  # fmt: skip
    return frozenset(name for name, present in held.items() if present)


def _images(environment: Environment) -> tuple[str, ...]:
    """Addresses and digests by which container images are found."""
    found = [text for image in environment.images for text in (image.address, image.digest) if text]
    return tuple(dict.fromkeys(found))


def _needs(
    record: VersionRecord, row: Any, said: Declared, model: ModelRecord, known: Container[str]
) -> tuple[str, ...]:
    """References and addresses of what a version needs, from its record, its model's tags and from people."""
    found = [str(target) for target in _targets(record, row, model.tags, known)]
    for version in (record.version, None):
        found.extend(said.get((row.registry, model.name, version), ()))
    return tuple(dict.fromkeys(found))


def _targets(
    record: VersionRecord, row: Any, model_tags: Mapping[str, str], known: Container[str]
) -> list[Target]:
    lineage = record.lineage
    tagged = DEPENDS_ON in record.tags or DEPENDS_ON in model_tags
    if not tagged and not lineage.dependencies and not lineage.parents:
        return []  # what else a record says is no reference
    stated = claims(record, model_tags, row.registry, row.registry_id, known)
    return [claim.target for claim in stated if isinstance(claim.target, Reference | Address)]


def _declared(connection: Connection) -> Declared:
    found: dict[tuple[str, str, str | None], list[str]] = {}
    edge = declared.dependency.c
    for row in connection.execute(select(edge.consumer, edge.provider).where(edge.withdrawn_at.is_(None))):
        try:
            consumer = parse(row.consumer)
        except ReferenceSyntaxError:
            continue
        if consumer.alias is None and consumer.stage is None:
            found.setdefault((consumer.registry, consumer.model, consumer.version), []).append(row.provider)
    return found


def _consumers(connection: Connection, edges: Iterable[int]) -> set[int]:
    """The models whose declared needs changed."""
    found: set[int] = set()
    edge = declared.dependency.c
    for ids in _chunks(edges):
        for row in connection.execute(select(edge.consumer).where(edge.id.in_(ids))):
            consumer = parse(row.consumer)
            named = select(_model.id).join(tables.registry, _registry.id == _model.registry_id)
            named = named.where(
                _registry.name == consumer.registry, _model.name == encode_part(consumer.model)
            )
            found |= set(connection.execute(named.where(_model.deleted_at.is_(None))).scalars())
    return found


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


@dataclass(slots=True)
class FreshnessBoard:
    """How the registries stand, and how far the index should be, read from the database at most once a second for
    all requests of a process."""

    engine: Engine
    _until: float = field(default=0.0, init=False)
    _states: dict[View, list[RegistryState]] = field(default_factory=dict, init=False)
    """Those of views that were asked for; those of everything are always there."""
    _newest: int = field(default=0, init=False)
    _due: int = field(default=0, init=False)
    _lacking: tuple[int, frozenset[int]] = field(default=(-1, frozenset()), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __call__(self, view: View) -> list[RegistryState]:
        """The registries of a view, by name."""
        if time.monotonic() >= self._until:
            with self._lock:
                if time.monotonic() >= self._until:
                    self._read()
        states = self._states
        found = states.get(view)
        if found is None:
            found = [state for state in states[EVERYTHING] if view.sees(state.id)]
            if len(states) < MOST_VIEWS:
                states[view] = found
        return found

    def behind(self, view: View, position: int) -> bool:
        """Whether an index at this position lacks changes of a view's registries that are older than a second."""
        due = self._due
        if position >= due:
            return False
        if view.registry_ids is None:
            return True
        with self._lock:
            if self._lacking[0] != position:
                with reading(self.engine) as connection:
                    self._lacking = position, changes.registries(connection, position, due)
            return bool(self._lacking[1] & view.registry_ids)

    def _read(self) -> None:
        with reading(self.engine) as connection:
            at = now()
            states = [
                RegistryState(row.id, _freshness(row.name, registry_state(row, at), row.last_success_at))
                for row in connection.execute(_STATES)
            ]
            self._due, self._newest = self._newest, changes.newest(connection)
        self._lacking = (-1, frozenset())
        if self._states.get(EVERYTHING) != states:
            self._states = {EVERYTHING: states}
        self._until = time.monotonic() + FRESH_SECONDS


def _freshness(name: str, state: str, synced_at: datetime | None) -> Freshness:
    return Freshness(name, state, None if synced_at is None else synced_at.isoformat())
