"""Deriving the graph from the catalogue, one batch of changes at a time.

Whatever a change names is read again as it is now, so a batch may be applied twice. Order matters only inside
a batch: versions before endpoints and selectors, and both before references that waited for them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select

from federation import tables as spine
from federation.catalogue.codec import aliases_of, decode_model, decode_version, resolved_files
from federation.catalogue.order import AGE, age
from federation.changes import Change
from federation.database import micros
from federation.graph import tables
from federation.graph.claims import COPY, Claim, Thing, claims
from federation.graph.resolve import (
    WAITING,
    StatedReference,
    by_second_reading,
    chunks,
    contradicts,
    stated_in,
)
from federation.graph.store import NodeKey, NodeState, Stated, Store
from federation.graph.words import SELECTORS, EdgeKind, NodeKind, Stage
from federation.prepared import Prepared, among, usual
from federation.references import DEPENDS_ON, Address, ReferenceSyntaxError, encode_part, parse


@dataclass
class Touched:
    """What is to be read again, by id."""

    models: set[int] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    endpoints: set[int] = field(default_factory=set)
    registries: set[int] = field(default_factory=set)
    declared: set[int] = field(default_factory=set)
    nodes: set[int] = field(default_factory=set)
    """Versions of which only the nodes are wanted yet."""
    statements: set[int] = field(default_factory=set)
    """Versions whose nodes are there: read again what they state, as of their creation."""

    @classmethod
    def by(cls, changes: Iterable[Change]) -> "Touched":
        """What these changes name."""
        found = cls()
        places = {
            "model": found.models,
            "version": found.versions,
            "endpoint": found.endpoints,
            "registry": found.registries,
            "edge": found.declared,
        }
        for change in changes:
            places[change.kind].add(change.target_id)
        return found


def derive(store: Store, touched: Touched) -> None:
    """Bring nodes, selectors and edges up to what the catalogue says now."""
    rows = _version_rows(store, touched.versions | touched.nodes)
    _forget(store, NodeKind.VERSION, touched.versions - {row.id for row in rows})
    nodes, fresh = store.nodes({_key(row): _version_state(row) for row in rows})
    addresses = {nodes[_key(row)]: _addresses(row) for row in rows}
    gained = store.addressed(addresses)
    _endpoints(store, touched.endpoints)
    # Selectors before statements, so that a statement meets every incarnation that it could mean.
    models = _models(store, touched.models | {row.model_id for row in rows})
    spoken = [row for row in rows if row.id in touched.versions]
    _statements(store, spoken, nodes, {row.id for row in spoken if nodes[_key(row)] in fresh})
    touched.statements |= _copies_of(
        store, [nodes[_key(row)] for row in spoken if resolved_files(row.details)]
    )
    again = _version_rows(store, touched.statements)
    _statements(
        store, again, store.nodes({_key(row): _version_state(row) for row in again})[0], touched.statements
    )
    freed = _forget_registries(store, touched.registries)
    names = {row.name for row in models}
    wanted = names.union(_second_names(store, models), *addresses.values())
    _resolve_waiting(store, wanted, touched.registries)
    _turn_home(store, names)
    _lead_to_holders(store, freed | gained.union(*addresses.values() if touched.nodes else ()))
    _declared(store, touched.declared, names)


def _copies_of(store: Store, nodes: Collection[int]) -> set[int]:
    """The versions that are copies of these: where their files are was learned perhaps only now."""
    return {row.scope for row in _read(store, _COPIES, nodes)}


def _read(store: Store, query: Prepared, ids: Collection[Any]) -> list[Any]:
    return query.rows(store.connection, ids=sorted(ids)) if ids else []


def _by(column: ColumnElement[Any], query: Any) -> Prepared:
    """A query for rows by one of their columns, in the order of that."""
    return Prepared(query.where(among(column, "ids")).order_by(column))


_edge, _node = tables.edge.c, tables.node.c
_version, _model, _registry = spine.version.c, spine.model.c, spine.registry.c
_endpoint, _traffic, _dependency = spine.endpoint.c, spine.traffic.c, tables.dependency.c
_SAID = (
    "id", "registry_id", "model_id", "stage", "deployed", "body", "details", "created_at", "first_seen_at",
    "deleted_at",
)  # fmt: skip
"""What of a version makes its node and what it states."""
_COPIES = _by(
    _edge.target,
    select(_node.scope)
    .join(tables.edge, _edge.source == _node.id)
    .where(_edge.relation == COPY, ~_edge.gone),
)
_SCOPED = {
    kind: _by(_node.scope, select(_node.id).where(_node.kind == kind))
    for kind in (NodeKind.VERSION, NodeKind.ENDPOINT)
}
_VERSIONS = _by(
    _version.id,
    select(
        *(_version[name] for name in _SAID),
        _registry.name.label("registry_name"),
        case((_model.body.contains(f'"{DEPENDS_ON}"'), _model.body)).label("model_body"),
    )
    .join(spine.registry, _registry.id == _version.registry_id)
    .join(spine.model, _model.id == _version.model_id),
)
_ENDPOINTS = _by(
    _endpoint.id, select(_endpoint.id, _endpoint.registry_id, _endpoint.live, _endpoint.deleted_at)
)
_SERVED = _by(
    _traffic.endpoint_id,
    select(_traffic.endpoint_id, _node.id).join(
        tables.node, and_(_node.kind == NodeKind.VERSION, _node.scope == _traffic.version_id)
    ),
)
_MODELS = _by(_model.id, select(_model.id, _model.registry_id, _model.name, _model.body, _model.deleted_at))
_MEANT = _by(_node.scope, select(_node.id, _node.means).where(_node.kind.in_(SELECTORS)))
_LIVING = _by(
    _version.model_id,
    select(_version.model_id, _version.stage, *(_version[name] for name in AGE), _node.id.label("node"))
    .join(tables.node, and_(_node.kind == NodeKind.VERSION, _node.scope == _version.id))
    .where(_version.deleted_at.is_(None)),
)
_REGISTRIES = _by(_registry.id, select(_registry.id))
_OF_REGISTRY = _by(_node.registry_id, select(_node.id).where(~_node.gone))
_ADDRESSES = _by(tables.address.c.node, select(tables.address.c.address))
_WAITING = _by(_edge.wanted_model, WAITING.where(usual(_edge.target.is_(None)), ~_edge.gone))
_DECLARED = _by(_dependency.id, select(tables.dependency))
_DECLARED_OF = _by(
    _dependency.consumer_model, select(tables.dependency).where(_dependency.withdrawn_at.is_(None))
)
_KINDS = _by(_node.id, select(_node.id, _node.kind, _node.means))
_STANDING = _by(_edge.declared_id, select(_edge.id, _edge.source, _edge.declared_id).where(~_edge.gone))


def _forget(store: Store, kind: NodeKind, scopes: Collection[int]) -> None:
    store.bury([row.id for row in _read(store, _SCOPED[kind], scopes)])


def _version_rows(store: Store, ids: Collection[int]) -> list[Any]:
    return _read(store, _VERSIONS, ids)


def _addresses(row: Any) -> frozenset[str]:
    """What else a version is called; what no address can be is nobody's."""
    if '"addresses":["' not in row.body:
        return frozenset()
    found = set()
    for text in decode_version(row.body).addresses:
        with suppress(ReferenceSyntaxError):
            found.add(Address(text.rstrip("/")).text)
    return frozenset(found)


def _key(row: Any) -> NodeKey:
    return (NodeKind.VERSION, row.id, "")


def _statements(
    store: Store, rows: Collection[Any], nodes: Mapping[NodeKey, int], as_created: Collection[int]
) -> None:
    """What versions say. Those in `as_created` say it since their creation, the others since now."""
    said: dict[int, list[Stated]] = {}
    for row in rows:
        source, made_at = nodes[_key(row)], store.time
        if row.id in as_created and row.created_at:
            made_at = row.created_at
        born = row.created_at or row.first_seen_at
        stated = _claims(store, row) if row.deleted_at is None else []
        # What it is a copy of was decided when it was made, whenever it is read again.
        files = resolved_files(row.details)
        said[source] = [
            Stated(source, claim, born, home=row.registry_id, files=files)
            if claim.relation == COPY
            else Stated(source, claim, made_at, home=row.registry_id)
            for claim in stated
        ]
    _state(store, said)


def _claims(store: Store, row: Any) -> list[Claim]:
    tags = {} if row.model_body is None else decode_model(row.model_body).tags
    record = decode_version(row.body)
    return claims(record, tags, row.registry_name, row.registry_id)


def _version_state(row: Any) -> NodeState:
    created = micros(row.created_at or row.first_seen_at)
    gone = row.deleted_at is not None
    return NodeState(
        row.registry_id, Stage[row.stage.upper()], row.deployed and not gone, max(created, 0), gone
    )


def _state(store: Store, said: Mapping[int, Sequence[Stated]]) -> None:
    """Have exactly the edges that these versions state."""
    if not said:
        return
    held = store.held(said)

    def same(wanted: str, wanted_registry: str) -> tuple[str | int, str, str | int]:
        """A reference whose registry was renamed meanwhile is still the same statement."""
        registry, _, rest = wanted.partition("/")
        known = store.registries
        return known.get(registry, registry), rest, known.get(wanted_registry, wanted_registry)

    fresh: list[Stated] = []
    lost: list[int] = []
    for source, stated in said.items():
        rows: dict[tuple[object, ...], list[Any]] = defaultdict(list)
        for row in held[source]:
            key = (row.kind, row.relation, row.origin, same(row.wanted, row.wanted_registry))
            rows[key].append(row)
        wanted = {_same(one.claim, same): one for one in stated}
        gone = {*_mistaken(store, rows, wanted), *(rows.keys() - wanted.keys())}
        fresh += [one for key, one in wanted.items() if key not in rows or key in gone]
        lost += [row.id for key in gone for row in rows[key]]
    store.drop(lost)
    store.insert(fresh)


def _mistaken(
    store: Store,
    rows: Mapping[tuple[object, ...], Sequence[Any]],
    wanted: Mapping[tuple[object, ...], Stated],
) -> list[tuple[object, ...]]:
    """The copies that stand as made from something of which other files are known by now."""
    copies = {key: one.files for key, one in wanted.items() if one.files and one.claim.relation == COPY}
    aimed = {
        key: [row.target for row in rows[key] if row.target is not None] for key in copies if key in rows
    }
    nodes = {node for those in aimed.values() for node in those}
    files = store.resolver().files(nodes) if nodes else {}
    return [
        key
        for key, those in aimed.items()
        if any(contradicts(copies[key], files.get(node)) for node in those)
    ]


def _same(claim: Claim, same: Callable[[str, str], tuple[str | int, str, str | int]]) -> tuple[object, ...]:
    return int(claim.kind), claim.relation, claim.origin, same(*claim.wanted[:2])


def _endpoints(store: Store, ids: Collection[int]) -> None:
    rows = _read(store, _ENDPOINTS, ids)
    _forget(store, NodeKind.ENDPOINT, set(ids) - {row.id for row in rows})
    states: dict[NodeKey, NodeState] = {(NodeKind.ENDPOINT, row.id, ""): _endpoint_state(row) for row in rows}
    nodes, _ = store.nodes(states)
    served: dict[int, set[int]] = {node: set() for node in nodes.values()}
    for row in _read(store, _SERVED, [row.id for row in rows if row.deleted_at is None]):
        served[nodes[NodeKind.ENDPOINT, row.endpoint_id, ""]].add(row.id)
    held = store.held(served)
    store.drop(row.id for source, edges in held.items() for row in edges if row.target not in served[source])
    claim = Claim(EdgeKind.SERVES, Thing(NodeKind.VERSION, 0, ""), "backend")
    new = {source: targets - {row.target for row in held[source]} for source, targets in served.items()}
    store.insert(
        [Stated(s, claim, store.time, target) for s, targets in new.items() for target in sorted(targets)]
    )


def _endpoint_state(row: Any) -> NodeState:
    gone = row.deleted_at is not None
    return NodeState(row.registry_id, 0, row.live and not gone, 0, gone)


def _models(store: Store, ids: Collection[int]) -> list[Any]:
    """Selectors of these models and what they mean now. Returns the models' rows."""
    rows = _read(store, _MODELS, ids)
    meanings = _meanings(store, rows)
    states: dict[NodeKey, NodeState] = {}
    for row in rows:
        state = NodeState(registry_id=row.registry_id, gone=row.deleted_at is not None)
        states.update(((kind, row.id, name), state) for kind, name in sorted(meanings[row.id]))
    before: dict[int, int | None] = {}
    after: dict[int, int | None] = {}
    nodes, _ = store.nodes(states)
    for row in _read(store, _MEANT, ids):
        before[row.id], after[row.id] = row.means, None
    for (kind, scope, name), selector in nodes.items():
        after[selector] = meanings[scope][kind, name]
    store.means(after, before)
    return rows


def _second_names(store: Store, models: Collection[Any]) -> set[str]:
    """How other registries may name these models: with their registry in front."""
    names: dict[int, list[str]] = defaultdict(list)
    for name, registry in store.registries.items():
        names[registry].append(name)
    return {f"{registry}/{row.name}" for row in models for registry in names[row.registry_id]}


def _meanings(store: Store, models: Collection[Any]) -> dict[int, dict[tuple[int, str], int | None]]:
    """For each model, what its selectors mean, as nodes: (kind, name) → version."""
    found: dict[int, dict[tuple[int, str], int | None]] = defaultdict(dict)
    living: dict[int, list[Any]] = defaultdict(list)
    for row in _read(store, _LIVING, [row.id for row in models]):
        living[row.model_id].append(row)
    for model in models:
        meant = found[model.id]
        meant[NodeKind.MODEL, ""] = None
        by_version: dict[str, int] = {}
        for row in sorted(living[model.id], key=age):
            meant[NodeKind.MODEL, ""] = meant[NodeKind.STAGE, row.stage] = by_version[row.version] = row.node
        if model.deleted_at is None:
            for alias, name in aliases_of(model.body).items():
                meant[NodeKind.ALIAS, encode_part(alias)] = by_version.get(encode_part(name))
    return found


def _forget_registries(store: Store, ids: Collection[int]) -> set[str]:
    """Bury what those of these registries had that are no more. Returns the addresses that it had."""
    kept = {row.id for row in _read(store, _REGISTRIES, ids)}
    nodes = [row.id for row in _read(store, _OF_REGISTRY, set(ids) - kept)]
    freed = {row.address for row in _read(store, _ADDRESSES, nodes)}
    store.bury(nodes)
    store.unaim(nodes)
    return freed


def _resolve_waiting(store: Store, names: Collection[str], registries: Collection[int]) -> None:
    """Unresolved references to what these changes brought."""
    edge, registry = tables.edge.c, spine.registry.c
    rows: dict[int, Any] = {row.id: row for row in _read(store, _WAITING, names)}
    waiting = WAITING.where(edge.target.is_(None), ~edge.gone)
    renamed = select(registry.name, registry.former_names).where(registry.id.in_(registries))
    for found in store.connection.execute(renamed).all() if registries else ():
        names_of = [found.name, *found.former_names]
        second = [(edge.wanted_model > f"{name}/") & (edge.wanted_model < f"{name}0") for name in names_of]
        known = waiting.where(or_(edge.wanted_registry.in_(names_of), *second))  # 0 comes after /
        rows |= {row.id: row for row in store.connection.execute(known)}
    stated = {key: statement for key, row in rows.items() if (statement := stated_in(row)) is not None}
    _aim(store, stated)


def _turn_home(store: Store, names: Collection[str]) -> None:
    """Edges that lead to another registry because the model of their first reading was not there until now."""
    taken = [name for name in sorted(names) if name.partition("/")[0] in store.registries]
    for part in chunks(taken):
        rows = store.connection.execute(WAITING.where(by_second_reading(part, store.registries)))
        stated = {row.id: one for row in rows if (one := stated_in(row)) is not None}
        first = {
            key: replace(one, readings=one.readings[:1]) for key, one in stated.items() if one.readings[1:]
        }
        _aim(store, first, turned=True)


def _lead_to_holders(store: Store, addresses: Collection[str]) -> None:
    """What is stated by one of these addresses leads to each registry that has it, or to its own alone: so whoever
    sees one of them is told of it, whichever others there are.
    """
    edge, address = tables.edge.c, tables.address.c
    for part in chunks(sorted(addresses)):
        holders = select(address.node).where(address.address.in_(part))
        named = WAITING.where(~edge.gone, edge.wanted_model.in_(part), edge.wanted_registry == "")
        rows: dict[tuple[object, ...], list[Any]] = defaultdict(list)
        for row in store.connection.execute(
            named.where(or_(edge.target.is_(None), edge.target.in_(holders))).order_by(edge.id)
        ).all():
            rows[row.source, row.kind, row.relation, row.origin, row.wanted].append(row)
        stated = {key: one for key, those in rows.items() if (one := stated_in(those[0])) is not None}
        for key, nodes in zip(stated, store.resolver().meant(list(stated.values())), strict=True):
            led_to: dict[int | None, int] = {}
            for row in rows[key]:
                led_to.setdefault(row.target, row.id)
            kept = {edge for node, edge in led_to.items() if node in nodes or not nodes}
            store.drop(row.id for row in rows[key] if row.id not in kept)
            store.also((rows[key][0], node) for node in nodes if node not in led_to)


def _aim(store: Store, stated: Mapping[int, StatedReference], *, turned: bool = False) -> None:
    if stated:
        resolved = store.resolver().resolve(list(stated.values()))
        found = {edge: node for edge, node in zip(stated, resolved, strict=True) if node is not None}
        store.aim(found, turned=turned)


def _declared(store: Store, ids: Collection[int], names: Collection[str]) -> None:
    """Edges that people declared: those named, and those whose consumer belongs to a model that changed."""
    rows = {row.id: row for row in [*_read(store, _DECLARED, ids), *_read(store, _DECLARED_OF, names)]}
    if not rows:
        return
    standing = [row for row in rows.values() if row.withdrawn_at is None]
    consumers = [StatedReference((parse(row.consumer),), row.created_at) for row in standing]
    found = dict(zip([row.id for row in standing], store.resolver().resolve(consumers), strict=True))
    known = _read(store, _KINDS, {n for n in found.values() if n})
    source = {row.id: row.id if row.kind == NodeKind.VERSION else row.means for row in known}
    held = {row.declared_id: row for row in _read(store, _STANDING, rows)}
    wanted = {key: source[consumer] for key, consumer in found.items() if consumer and source[consumer]}
    store.drop(row.id for key, row in held.items() if wanted.get(key) != row.source)
    store.insert(
        [
            Stated(
                consumer,
                Claim(EdgeKind[rows[key].kind.upper()], (parse(rows[key].provider),), "api"),
                rows[key].created_at,
                said_by=rows[key].said_by,
                declared_id=key,
            )
            for key, consumer in wanted.items()
            if consumer is not None and (key not in held or held[key].source != consumer)
        ]
    )
