"""From references to nodes: which incarnation a statement means.

A statement means what was alive when it was made; if nothing was, then the newest that had lived by then,
else the first that came. So the answer stays the same when something else takes over the name later. The source of a
copy was there before it and has its files, so a copy means nothing that came later or has others.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)

from adapters import VersionRecord
from federation import bulk
from federation import tables as spine
from federation.catalogue.codec import decode_version, resolved_files
from federation.database import micros
from federation.graph import tables
from federation.graph.claims import COPY, UNREADABLE, place_of
from federation.graph.words import SELECTORS, NodeKind
from federation.prepared import Prepared, among
from federation.references import Address, Reference, Target, encode_part, parse_stated

CHUNK = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StatedReference:
    """The readings of a reference or address, and when it was stated. `home` is the registry that it was stated in: of
    several that have the address, its own is meant, else each. `older` says that nothing younger than the statement can
    be meant, `files` that nothing can of which other files are known.
    """

    readings: tuple[Target, ...]
    meant_at: datetime
    home: int = 0
    older: bool = False
    files: str | None = None


def chunks(items: Collection[T]) -> Iterator[list[T]]:
    """At most CHUNK at a time, for `IN` clauses."""
    listed = list(items)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One incarnation that a reference could mean; times in microseconds since 1970."""

    born: int
    died: int | None
    node: int


def choose(candidates: Sequence[Incarnation], meant_at: datetime, *, older: bool = False) -> int | None:
    """The node that a statement of this time means; with `older`, none that was born later."""
    if len(candidates) == 1 and not older:
        return candidates[0].node
    at = micros(meant_at)
    born = sorted((c for c in candidates if c.born <= at), key=_age)
    alive = [c for c in born if c.died is None or c.died > at]
    if alive or born:
        return (alive or born)[-1].node
    return min(candidates, key=_age).node if candidates and not older else None


def _age(candidate: Incarnation) -> tuple[int, int]:
    return candidate.born, candidate.node


def lives(table: Table) -> list[ColumnElement[Any]]:
    """When each of a table was born and died, as an `Incarnation` has it."""
    born = func.coalesce(table.c.created_at, table.c.first_seen_at, type_=BigInteger)
    return [born.label("born"), type_coerce(table.c.deleted_at, BigInteger).label("died")]


_PRESENT = Prepared(select(spine.registry.c.name, spine.registry.c.id))
# Few have any, and reading the list takes longer than reading the rest of the row.
_FORMER = select(spine.registry.c.id, spine.registry.c.former_names).where(
    cast(spine.registry.c.former_names, Text) != "[]"
)


def registry_names(connection: Connection) -> dict[str, int]:
    """Every name that leads to a registry, former ones too; a present name wins."""
    names: dict[str, int] = {}
    for row in connection.execute(_FORMER):
        names |= dict.fromkeys(row.former_names, row.id)
    return names | dict(_PRESENT.bare(connection))


WAITING: Select[Any] = select(
    tables.edge,
    tables.node.c.registry_id,
    case((tables.edge.c.relation == COPY, spine.version.c.details)).label("details"),
).select_from(
    tables.edge.join(tables.node, tables.node.c.id == tables.edge.c.source).outerjoin(
        spine.version,
        and_(tables.node.c.kind == NodeKind.VERSION, spine.version.c.id == tables.node.c.scope),
    )
)
"""Edges, the registry that says so and, of copies, what their files say."""


def stated_in(row: Any) -> StatedReference | None:
    """The statement that a row of `WAITING` was made of; None where nobody can read what is wanted."""
    if not row.wanted_registry and row.wanted_model == UNREADABLE:
        return None
    is_copy, files = row.relation == COPY, resolved_files(row.details)
    return StatedReference(readings_of(row), row.meant_at, row.registry_id, is_copy, files)


def readings_of(row: Any) -> tuple[Target, ...]:
    """What an edge wants, by its columns; it must be readable."""
    return parse_stated(row.wanted, row.wanted_registry) if row.wanted_registry else (Address(row.wanted),)


def by_second_reading(names: Collection[str], registries: Mapping[str, int]) -> ColumnElement[bool]:
    """Edges that lead to another registry's model though their first reading is a model of one of these names;
    `registries` as of `registry_names`.
    """
    split = [name.partition("/") for name in names]
    elsewhere = [(registries[head], rest) for head, slash, rest in split if slash and head in registries]
    node, model, version = tables.node.alias().c, spine.model.c, spine.version.c
    models = select(model.id).where(tuple_(model.registry_id, model.name).in_(elsewhere))
    versions = select(version.id).where(version.model_id.in_(models))
    nodes = select(node.id).where(
        or_(
            and_(node.kind == NodeKind.VERSION, node.scope.in_(versions)),
            and_(node.kind.in_(SELECTORS), node.scope.in_(models)),
        )
    )
    edge = tables.edge.c
    return and_(edge.target.in_(nodes), ~edge.gone, edge.wanted_model.in_(names), edge.origin == "backend")


def unreadable_in(connection: Connection, registry_id: int) -> int:
    """How many dependencies are stated in a registry of which nobody can read what is needed."""
    edge, node = tables.edge.c, tables.node.c
    query = (
        select(func.count())
        .select_from(tables.edge)
        .join(tables.node, node.id == edge.source)
        .where(edge.target.is_(None), edge.wanted_model == UNREADABLE, edge.wanted_registry == "", ~edge.gone)
        .where(node.registry_id == registry_id)
    )
    return int(connection.execute(query).scalar_one())


class _NamedModel(NamedTuple):
    """A model that has a name that was asked for."""

    id: int
    born: int
    died: int | None


_LIFE = ("created_at", "first_seen_at", "deleted_at")
_node = tables.node.c
_NODES_OF = Prepared(
    select(_node.scope, _node.id).where(
        _node.kind == NodeKind.VERSION, among(_node.scope, "ids"), _node.name == ""
    )
)
_SELECTORS_OF = Prepared(
    select(_node.scope, _node.kind, _node.name, _node.id).where(
        _node.kind.in_(sorted(SELECTORS)), among(_node.scope, "ids")
    )
)


def _lived(created: int | None, first_seen: int, deleted: int | None) -> tuple[int, int | None]:
    """When somebody was born, and died."""
    return first_seen if created is None else created, deleted


class Resolver:
    """Resolves statements in bulk, inside one transaction; `registries` as of `registry_names`."""

    def __init__(self, connection: Connection, registries: Mapping[str, int]) -> None:
        self._connection = connection
        self._registries = registries

    def resolve(self, statements: Sequence[StatedReference]) -> list[int | None]:
        """A node for each statement, None where nothing answers to it yet; the first where several do."""
        return [next(iter(nodes), None) for nodes in self.meant(statements)]

    def meant(self, statements: Sequence[StatedReference]) -> list[list[int]]:
        """The nodes that each statement means: of an address one in each registry that has it, else one at most."""
        wanted = [target for one in statements for target in one.readings]
        addresses = self._addressed({target for target in wanted if isinstance(target, Address)})
        references = self._referred([target for target in wanted if isinstance(target, Reference)])

        def possible(one: StatedReference) -> Iterator[Sequence[Sequence[Incarnation]]]:
            """Of each reading, all that it could mean, by registry where several are meant."""
            for target in one.readings:
                if isinstance(target, Address):
                    held = addresses[target]
                    yield [held[one.home]] if one.home in held else list(held.values())
                else:
                    yield [references[target]]

        copies = [one for one in statements if one.files]
        files = self.files(
            {each.node for one in copies for groups in possible(one) for known in groups for each in known}
        )

        def meant(one: StatedReference) -> Iterator[list[int]]:
            for groups in possible(one):
                fitting = (
                    [each for each in known if not contradicts(one.files, files.get(each.node))]
                    for known in groups
                )
                nodes = [choose(known, one.meant_at, older=one.older) for known in fitting]
                if found := [node for node in nodes if node is not None]:
                    yield found

        return [next(meant(one), []) for one in statements]

    def files(self, nodes: Collection[int]) -> dict[int, str | None]:
        """Where the files of these versions are, as far as that is known for sure."""
        version, node = spine.version.c, tables.node.c
        query = select(node.id, version.body, version.details).join(
            tables.node, and_(node.kind == NodeKind.VERSION, node.scope == version.id)
        )
        return {
            row.id: resolved_files(row.details) or _own_files(decode_version(row.body))
            for part in chunks(nodes)
            for row in self._connection.execute(query.where(node.id.in_(part)))
        }

    def _referred(self, references: Sequence[Reference]) -> dict[Reference, list[Incarnation]]:
        """Every incarnation that each reference could mean."""
        names = {ref: (self._registries.get(ref.registry), encode_part(ref.model)) for ref in references}
        models = self._models({name for name in names.values() if name[0] is not None})
        versions = self._versions(
            {
                (row.id, encode_part(ref.version))
                for ref, name in names.items()
                if ref.version is not None
                for row in models.get(name, ())
            }
        )
        selectors = self._selectors(
            {row.id for ref, name in names.items() if ref.version is None for row in models.get(name, ())}
        )
        return {
            ref: [
                candidate
                for row in models.get(name, ())
                for candidate in (
                    versions[row.id, encode_part(ref.version)]
                    if ref.version is not None
                    else _selected(row, selectors.get((row.id, *selector(ref))))
                )
            ]
            for ref, name in names.items()
        }

    def _addressed(self, wanted: Collection[Address]) -> dict[Address, dict[int, list[Incarnation]]]:
        """Every version that ever had each address, by registry."""
        found: dict[Address, dict[int, list[Incarnation]]] = {address: {} for address in wanted}
        version, node, address = spine.version.c, tables.node.c, tables.address.c
        query = (
            select(address.address, node.id, version.registry_id, *lives(spine.version))
            .join(tables.node, node.id == address.node)
            .join(spine.version, version.id == node.scope)
        )
        for part in chunks([each.text for each in wanted]):
            for row in self._connection.execute(query.where(address.address.in_(part))):
                one = Incarnation(row.born, row.died, row.id)
                found[Address(row.address)].setdefault(row.registry_id, []).append(one)
        return found

    def _models(
        self, wanted: Collection[tuple[int | None, str]]
    ) -> dict[tuple[int | None, str], list[_NamedModel]]:
        found: dict[tuple[int | None, str], list[_NamedModel]] = defaultdict(list)
        columns, names = ("id", *_LIFE, "registry_id", "name"), ("registry_id", "name")
        for id_, *life, registry, name in bulk.match(
            self._connection, spine.model, columns, names, list(wanted)
        ):
            found[registry, name].append(_NamedModel(id_, *_lived(*life)))
        return found

    def _versions(self, wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], list[Incarnation]]:
        found: dict[tuple[int, str], list[Incarnation]] = defaultdict(list)
        columns, names = ("id", *_LIFE, "model_id", "version"), ("model_id", "version")
        rows = bulk.match(self._connection, spine.version, columns, names, list(wanted))
        nodes = dict(_NODES_OF.bare(self._connection, ids=[row[0] for row in rows])) if rows else {}
        for id_, *life, model, version in rows:
            if id_ in nodes:
                found[model, version].append(Incarnation(*_lived(*life), nodes[id_]))
        return found

    def _selectors(self, models: Collection[int]) -> dict[tuple[int, int, str], int]:
        rows = _SELECTORS_OF.bare(self._connection, ids=list(models)) if models else ()
        return {(scope, kind, name): id_ for scope, kind, name, id_ in rows}


def contradicts(files: str | None, others: str | None) -> bool:
    """Whether both are known and are not the same."""
    return files is not None and others is not None and place_of(files) != place_of(others)


def _own_files(record: VersionRecord) -> str | None:
    """Where a record's files are by its own address; what a copy says of itself may only name its source."""
    is_copy = any(parent.kind == COPY for parent in record.lineage.parents)
    return None if is_copy or record.artifact_uri in record.addresses else record.artifact_uri


def selector(ref: Reference) -> tuple[int, str]:
    """Kind and name of the selector node that a reference without a version means."""
    if ref.alias is not None:
        return NodeKind.ALIAS, encode_part(ref.alias)
    return (NodeKind.MODEL, "") if ref.stage is None else (NodeKind.STAGE, ref.stage)


def _selected(model: _NamedModel, node: int | None) -> list[Incarnation]:
    return [] if node is None else [Incarnation(model.born, model.died, node)]
