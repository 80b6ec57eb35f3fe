"""The catalogue as the index reads it: documents, and what has changed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, Select, and_, bindparam, select

from adapters import Key, ModelRecord, VersionRecord
from federation import changes, tables
from federation.catalogue import codec
from federation.database import LONG, glance, reading
from federation.graph import tables as declared
from federation.graph.claims import claims
from federation.policies.tables import bypass
from federation.prepared import Prepared, among
from federation.references import (
    DEPENDS_ON,
    ReferenceSyntaxError,
    Target,
    encode_part,
    parse,
)
from federation.search.document import Document, document_of
from federation.search.fields import Living
from federation.search.hands import Hands, read_hands

AT_ONCE = 500
"""Ids in one query."""
NO_VERSION = VersionRecord(key=Key("version", ""), model=Key("model", ""), version="")

_registry, _model, _version = tables.registry.c, tables.model.c, tables.version.c
_LIVING = (
    select(
        _registry.id.label("registry_id"), _registry.name.label("registry"), _registry.team,
        _model.id.label("model_id"), _model.body.label("model_body"), _model.created_at.label("model_created_at"),
        _model.updated_at.label("model_updated_at"),
        _version.id.label("version_id"), _version.stage, _version.body, _version.created_at, _version.updated_at,
        _version.first_seen_at, _version.details, bypass.c.policies,
    )
    .select_from(tables.model)
    .join(tables.registry, _registry.id == _model.registry_id)
    .outerjoin(tables.version, and_(_version.model_id == _model.id, _version.deleted_at.is_(None)))
    .outerjoin(bypass, bypass.c.version_id == _version.id)
    .where(_model.deleted_at.is_(None))
    .order_by(_model.id, _version.id)
)  # fmt: skip
_OF_MODELS = _LIVING.where(_model.id.in_(bindparam("models", expanding=True)))
_MODELS_OF = Prepared(select(_version.model_id).where(among(_version.id, "versions")).distinct())
_DECLARED = Prepared(
    select(declared.dependency.c.consumer, declared.dependency.c.provider).where(
        declared.dependency.c.withdrawn_at.is_(None)
    )
)
Declared = Mapping[tuple[str, str, str | None], Sequence[str]]
"""What people declared: by registry, model and version (None: all of them), the references needed."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What changes up to `position` touched: these models, and these registries as a whole."""

    position: int
    models: frozenset[int]
    registries: frozenset[int] = frozenset()


class DocumentSource(Protocol):
    """What an index reads from. Documents of one model follow each other."""

    def affected(self, after: int, limit: int) -> ChangeSet | None:
        """What up to `limit` changes after a position touched, None when there are none. Errors:
        `FeedTrimmedError`."""

    def models(self, ids: Collection[int]) -> Iterable[Document]:
        """The documents of those of these models that live."""

    def registry(self, registry_id: int) -> Iterable[Document]:
        """The documents of a registry."""

    def names(self, ids: Collection[int]) -> Mapping[int, tuple[str, str]]:
        """Name and team of those of these registries that there are; a forgotten one is missing."""

    def everything(self) -> tuple[int, Iterator[Document]]:
        """A position, and every document as of that position or later."""


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """The catalogue as a `DocumentSource`: every read is one short transaction, but for `everything`."""

    engine: Engine

    def affected(self, after: int, limit: int) -> ChangeSet | None:
        """What the next changes touched. Errors: `FeedTrimmedError`, `DatabaseError`."""
        if glance(self.engine, partial(changes.newest_of, self.engine.dialect)) == after:
            return None
        with reading(self.engine) as connection:
            rows = changes.after(connection, after, limit)
            if not rows:
                return None
            touched: dict[str, set[int]] = {}
            for row in rows:
                touched.setdefault(row.kind, set()).add(row.target_id)
            models = touched.get("model", set())
            if versions := touched.get("version"):
                models |= {i for (i,) in _MODELS_OF.bare(connection, versions=list(versions))}
            models |= _consumers(connection, touched.get("edge", ()))
        return ChangeSet(rows[-1].position, frozenset(models), frozenset(touched.get("registry", ())))

    def models(self, ids: Collection[int]) -> Iterator[Document]:
        """The documents of these models, as far as they live."""
        for chunk in _chunks(ids):
            yield from self._read(_OF_MODELS, models=chunk)

    def version(self, version_id: int) -> Document | None:
        """The document of one version, without who had a hand in it; None where it does not live."""
        found = list(self._read(_LIVING.where(_version.id == version_id), models=()))
        return found[0] if found else None

    def registry(self, registry_id: int) -> Iterator[Document]:
        """The documents of a registry."""
        return self._read(_LIVING.where(_model.registry_id == registry_id), registry=registry_id)

    def names(self, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Name and team of those of these registries that there are."""
        with reading(self.engine) as connection:
            query = select(_registry.id, _registry.name, _registry.team).where(_registry.id.in_(sorted(ids)))
            return {row.id: (row.name, row.team) for row in connection.execute(query)}

    def everything(self) -> tuple[int, Iterator[Document]]:
        """The newest position, and every document as of then or later."""
        with reading(self.engine) as connection:
            position = changes.newest(connection)
        return position, self._read(_LIVING)

    def _read(
        self,
        query: Select[Any],
        *,
        models: Collection[int] | None = None,
        registry: int | None = None,
    ) -> Iterator[Document]:
        with reading(self.engine, bound=LONG) as connection:
            said, hands = _declared(connection), read_hands(connection, models, registry)
            given = {"models": list(models)} if models else {}
            found = connection.execute(query, given, execution_options={"yield_per": 2_000})
            for _, rows in groupby(found, key=lambda row: int(row.model_id)):
                versions = list(rows)
                model = codec.decode_model(versions[0].model_body)
                yield from (_document(row, model, said, hands) for row in versions)


def _document(row: Any, model: ModelRecord, said: Declared, hands: Hands) -> Document:
    if row.version_id is None:
        of = Living(row.registry, row.team, model, NO_VERSION, empty=True)
        times = {"created": row.model_created_at, "updated": row.model_updated_at}
    else:
        record = codec.decode_version(row.body, row.details)
        aliases = tuple(
            sorted(alias for alias, version in model.aliases.items() if version == record.version)
        )
        needs = _needs(record, row, said, model)
        bypassed = () if row.policies is None else msgspec.json.decode(row.policies)
        of = Living(
            row.registry,
            row.team,
            model,
            record,
            stage=row.stage,
            aliases=aliases,
            needs=needs,
            bypassed=bypassed,
            changed_by=hands.changed(row.model_id, row.version_id, record.version),
            approved_by=hands.approvers(row.version_id),
        )
        times = {"created": row.created_at, "updated": row.updated_at, "first_seen": row.first_seen_at}
    ids = {"registry_id": row.registry_id, "model_id": row.model_id, "version_id": row.version_id}
    return document_of(of, **ids, **times)


def _needs(record: VersionRecord, row: Any, said: Declared, model: ModelRecord) -> tuple[str, ...]:
    """References and addresses of what a version needs, from its record, its model's tags and from people."""
    found = [str(target) for target in _targets(record, row, model.tags)]
    for version in (record.version, None):
        found.extend(said.get((row.registry, model.name, version), ()))
    return tuple(dict.fromkeys(found))


def _targets(record: VersionRecord, row: Any, model_tags: Mapping[str, str]) -> list[Target]:
    lineage = record.lineage
    tagged = DEPENDS_ON in record.tags or DEPENDS_ON in model_tags
    if not tagged and not lineage.dependencies and not lineage.parents:
        return []  # what else a record says is no reference
    stated = claims(record, model_tags, row.registry, row.registry_id)
    return [target for claim in stated if isinstance(claim.target, tuple) for target in claim.target]


def _declared(connection: Connection) -> Declared:
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for stated, provider in _DECLARED.bare(connection):
        try:
            consumer = parse(stated)
        except ReferenceSyntaxError:
            continue
        if consumer.alias is None and consumer.stage is None:
            found.setdefault((consumer.registry, consumer.model, consumer.version), []).append(provider)
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
