"""What nodes are called: references, stages, teams and endpoints of the few that an answer shows."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from federation import tables as spine
from federation.access import View
from federation.graph import tables
from federation.graph.resolve import chunks
from federation.graph.words import NodeKind
from federation.references import Reference, decode_part


@dataclass(frozen=True, slots=True)
class Registry:
    """What an answer says of a registry; `current` when its last synchronisation was whole."""

    name: str
    team: str
    current: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What serves a version. `percent` of its traffic, 0 to 100."""

    name: str
    registry: str
    live: bool
    percent: float


@dataclass(frozen=True, slots=True)
class Named:
    """One node for people. `ref` is a reference for versions and selectors, else `dataset:…`, `run:…` and so on."""

    ref: str
    kind: str
    registry: str = ""
    team: str = ""
    stage: str = ""
    deleted: bool = False
    version_id: int = 0


def registries(connection: Connection) -> dict[int, Registry]:
    """All registries by id."""
    c = spine.registry.c
    query = select(c.id, c.name, c.team, c.last_success_at, c.partial, c.failures, c.detached_at)
    found = {}
    for row in connection.execute(query):
        whole = row.last_success_at is not None and not row.partial and not row.failures
        found[row.id] = Registry(row.name, row.team, whole and row.detached_at is None)
    return found


def named(connection: Connection, nodes: Collection[int], known: Mapping[int, Registry]) -> dict[int, Named]:
    """The names of these nodes; those of a forgotten registry are left out."""
    found: dict[int, Named] = {}
    for part in chunks(sorted(set(nodes))):
        rows = {
            row.id: row for row in connection.execute(select(tables.node).where(tables.node.c.id.in_(part)))
        }
        scopes: dict[int, set[int]] = defaultdict(set)
        for row in rows.values():
            scopes[row.kind].add(row.scope)
        versions = _by_id(connection, _VERSIONS, scopes[NodeKind.VERSION])
        selected = scopes[NodeKind.MODEL] | scopes[NodeKind.ALIAS] | scopes[NodeKind.STAGE]
        models = _by_id(connection, _MODELS, selected | {v.model_id for v in versions.values()})
        endpoints = _by_id(connection, _ENDPOINTS, scopes[NodeKind.ENDPOINT])
        for row in rows.values():
            registry = known.get(row.registry_id)
            # A scope is an id of a table that the kind tells: equal numbers of two tables are no kin.
            if row.kind >= NodeKind.DIGEST:
                endpoint = endpoints.get(row.scope) if row.kind == NodeKind.ENDPOINT else None
                name = _thing(row, registry, endpoint)
            else:
                version = versions.get(row.scope) if row.kind == NodeKind.VERSION else None
                name = _reference(row, registry, version, models)
            if name is not None:
                found[row.id] = name
    return found


_VERSIONS = select(*(spine.version.c[name] for name in ("id", "model_id", "version", "stage", "deleted_at")))
_MODELS = select(spine.model.c.id, spine.model.c.name)
_ENDPOINTS = select(spine.endpoint.c.id, spine.endpoint.c.name)


def _by_id(connection: Connection, query: Select[Any], ids: Collection[int]) -> dict[int, Any]:
    column = query.selected_columns["id"]
    return {row.id: row for row in connection.execute(query.where(column.in_(ids)))} if ids else {}


def _reference(row: Any, registry: Registry | None, version: Any, models: Mapping[int, Any]) -> Named | None:
    model = models.get(version.model_id if version is not None else row.scope)
    if registry is None or model is None:
        return None
    kind, name = NodeKind(row.kind), decode_part(model.name)
    if kind == NodeKind.VERSION:
        ref = Reference(registry.name, name, version=decode_part(version.version))
        stage, version_id = version.stage, version.id
    else:
        alias = decode_part(row.name) if kind == NodeKind.ALIAS else None
        wanted = row.name if kind == NodeKind.STAGE else None
        ref = Reference(registry.name, name, alias=alias, stage=wanted)
        stage, version_id = "", 0
    return Named(str(ref), kind.name.lower(), registry.name, registry.team, stage, row.gone, version_id)


def _thing(row: Any, registry: Registry | None, endpoint: Any) -> Named | None:
    kind = NodeKind(row.kind).name.lower()
    if row.registry_id == 0:
        return Named(f"{kind}:{row.name}", kind)
    name = endpoint.name if endpoint is not None else row.name
    if registry is None:
        return None
    return Named(f"{kind}:{registry.name}/{name}", kind, registry.name, registry.team, deleted=row.gone)


def endpoints_of(
    connection: Connection, view: View, versions: Collection[int], known: Mapping[int, Registry]
) -> dict[int, list[Endpoint]]:
    """What serves these versions (surrogate ids), as far as the view reaches, live ones with most traffic first."""
    endpoint, traffic = spine.endpoint.c, spine.traffic.c
    query = (
        select(traffic.version_id, endpoint.name, endpoint.registry_id, endpoint.live, traffic.percent)
        .join(spine.endpoint, endpoint.id == traffic.endpoint_id)
        .where(endpoint.deleted_at.is_(None), view.clause(endpoint.registry_id))
        .order_by(endpoint.live.desc(), traffic.percent.desc(), endpoint.name, endpoint.id)
    )
    found: dict[int, list[Endpoint]] = defaultdict(list)
    for part in chunks(sorted(set(versions))):
        for row in connection.execute(query.where(traffic.version_id.in_(part))):
            registry = known[row.registry_id].name
            found[row.version_id].append(Endpoint(decode_part(row.name), registry, row.live, row.percent))
    return found
