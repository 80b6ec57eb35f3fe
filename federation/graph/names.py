"""What nodes are called: references, stages, teams and endpoints of the few that an answer shows."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, and_, bindparam, case, func, select

from federation import tables as spine
from federation.access import View
from federation.graph import tables
from federation.graph.resolve import CHUNK, chunks
from federation.graph.words import SELECTORS, NodeKind
from federation.prepared import Statement, cursor_of, prepare
from federation.references import decode_part

FRESH = 1.0
"""Seconds for which the state of the registries may be taken as it was."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What an answer says of a registry; `current` when its last synchronisation was whole."""

    name: str
    team: str
    current: bool


@dataclass(frozen=True, slots=True)
class ServingEndpoint:
    """What serves a version. `percent` of its traffic, 0 to 100."""

    name: str
    registry: str
    live: bool
    percent: float


class Named(NamedTuple):
    """One node for people. `ref` is a reference for versions and selectors, else `dataset:…`, `run:…` and so on."""

    ref: str
    kind: str
    registry: str = ""
    team: str = ""
    stage: str = ""
    deleted: bool = False
    version_id: int = 0


def needed_elsewhere(connection: Connection, view: View, registry_id: int) -> dict[str, int]:
    """How many versions of each other registry of the view need something of this one, by the registries' names."""
    source, target, edge = tables.node.alias("source"), tables.node.alias("target"), tables.edge.c
    query = (
        select(spine.registry.c.id, spine.registry.c.name, func.count(source.c.id.distinct()))
        .join(source, source.c.registry_id == spine.registry.c.id)
        .join(tables.edge, edge.source == source.c.id)
        .join(target, target.c.id == edge.target)
        .where(
            target.c.registry_id == registry_id,
            source.c.registry_id != registry_id,
            source.c.kind == int(NodeKind.VERSION),
            ~edge.gone & ~source.c.gone & ~target.c.gone,
        )
        .group_by(spine.registry.c.id, spine.registry.c.name)
        .order_by(spine.registry.c.name)
    )
    return {name: count for id_, name, count in connection.execute(query) if view.sees(id_)}


def registries(connection: Connection) -> dict[int, Registry]:
    """All registries by id."""
    found = {}
    for row in connection.execute(_REGISTRIES):
        whole = row.last_success_at is not None and not row.partial and not row.failures
        found[row.id] = Registry(row.name, row.team, whole and row.detached_at is None)
    return found


class RegistryNames:
    """The registries as last read: read again when the graph has moved on, and after FRESH seconds."""

    def __init__(self) -> None:
        self._read: tuple[int, float, dict[int, Registry]] = (-1, 0.0, {})

    def known(self, connection: Connection, position: int) -> dict[int, Registry]:
        """All registries by id, for answers at this position of the graph: the same object while they are the same."""
        at, since, found = self._read
        if at != position or time.monotonic() - since > FRESH:
            now = registries(connection)
            found = found if now == found else now
            self._read = (position, time.monotonic(), found)
        return found


def named(connection: Connection, nodes: Collection[int], known: Mapping[int, Registry]) -> dict[int, Named]:
    """The names of these nodes; those of a forgotten registry are left out."""
    found: dict[int, Named] = {}
    for part in chunks(sorted(set(nodes))):
        places = (
            -(-len(part) // 8) * 8
        )  # the last one again where places are left over: so there are few statements
        wanted = dict(zip(_PLACES, part + part[-1:] * (places - len(part)), strict=False))
        rows = _names(connection.dialect, places).bare(cursor_of(connection), wanted)
        for node, kind, name, registry_id, gone, version_id, version, stage, model, endpoint in rows:
            registry = known.get(registry_id)
            if kind == _VERSION and registry is not None and model is not None:
                # Names stand in the catalogue as they stand in a reference, so it is put together, not read again.
                ref = f"{registry.name}/{model}:{version}"
                place = (registry.name, registry.team)
                found[node] = Named(ref, "version", *place, stage, bool(gone), version_id)
            elif kind >= _DIGEST and (registry_id == 0 or registry is not None):
                found[node] = _thing(kind, name if endpoint is None else endpoint, registry, bool(gone))
            elif kind != _VERSION and registry is not None and model is not None:
                found[node] = _selector(kind, f"{registry.name}/{model}", name, registry, bool(gone))
    return found


_VERSION, _DIGEST = int(NodeKind.VERSION), int(NodeKind.DIGEST)
_PLACES = [f"n{place}" for place in range(CHUNK + 8)]


@lru_cache
def _names(dialect: Dialect, places: int) -> Statement:
    wanted: list[Any] = [bindparam(place, 0) for place in _PLACES[:places]]
    return prepare(dialect, _NAMES.where(_node.id.in_(wanted)))


_REGISTRIES = select(
    *(
        spine.registry.c[name]
        for name in ("id", "name", "team", "last_success_at", "partial", "failures", "detached_at")
    )
)
_node, _version, _model, _endpoint = tables.node.c, spine.version.c, spine.model.c, spine.endpoint.c
# A scope is an id of a table that the kind tells: equal numbers of two tables are no kin.
_NAMES = (
    select(
        *(_node[name] for name in ("id", "kind", "name", "registry_id", "gone")),
        _version.id.label("version_id"),
        _version.version,
        _version.stage,
        _model.name.label("model"),
        _endpoint.name.label("endpoint"),
    )
    .outerjoin(spine.version, and_(_node.kind == NodeKind.VERSION, _version.id == _node.scope))
    .outerjoin(
        spine.model,
        _model.id
        == case(
            (_node.kind == NodeKind.VERSION, _version.model_id), (_node.kind.in_(SELECTORS), _node.scope)
        ),
    )
    .outerjoin(spine.endpoint, and_(_node.kind == NodeKind.ENDPOINT, _endpoint.id == _node.scope))
)


def _selector(kind: int, head: str, name: str, registry: Registry, gone: bool) -> Named:
    endings = {NodeKind.ALIAS: f"@{name}", NodeKind.STAGE: f"@stage:{name}"}
    word = NodeKind(kind).name.lower()
    return Named(head + endings.get(NodeKind(kind), ""), word, registry.name, registry.team, deleted=gone)


def _thing(kind: int, name: str, registry: Registry | None, gone: bool) -> Named:
    word = NodeKind(kind).name.lower()
    if registry is None:
        return Named(f"{word}:{name}", word)
    return Named(f"{word}:{registry.name}/{name}", word, registry.name, registry.team, deleted=gone)


def endpoints_of(
    connection: Connection, view: View, versions: Collection[int], known: Mapping[int, Registry]
) -> dict[int, list[ServingEndpoint]]:
    """What serves these versions (surrogate ids), as far as the view reaches, live ones with most traffic first."""
    endpoint, traffic = spine.endpoint.c, spine.traffic.c
    query = (
        select(traffic.version_id, endpoint.name, endpoint.registry_id, endpoint.live, traffic.percent)
        .join(spine.endpoint, endpoint.id == traffic.endpoint_id)
        .where(endpoint.deleted_at.is_(None), view.clause(endpoint.registry_id))
        .order_by(endpoint.live.desc(), traffic.percent.desc(), endpoint.name, endpoint.id)
    )
    found: dict[int, list[ServingEndpoint]] = defaultdict(list)
    for part in chunks(sorted(set(versions))):
        for row in connection.execute(query.where(traffic.version_id.in_(part))):
            registry = known[row.registry_id].name
            found[row.version_id].append(
                ServingEndpoint(decode_part(row.name), registry, row.live, row.percent)
            )
    return found
