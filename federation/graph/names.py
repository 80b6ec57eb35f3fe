"""What nodes are called: references, stages, teams and endpoints of the few that an answer shows."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, select

from federation import tables as spine
from federation.access import View
from federation.graph import tables
from federation.graph.resolve import chunks
from federation.graph.words import SELECTORS, NodeKind
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
    found = {}
    for row in connection.execute(_REGISTRIES):
        whole = row.last_success_at is not None and not row.partial and not row.failures
        found[row.id] = Registry(row.name, row.team, whole and row.detached_at is None)
    return found


class Board:
    """The registries as last read: read again when the graph has moved on, and after FRESH seconds."""

    def __init__(self) -> None:
        self._read: tuple[int, float, dict[int, Registry]] = (-1, 0.0, {})

    def known(self, connection: Connection, position: int) -> dict[int, Registry]:
        """All registries by id, for answers at this position of the graph."""
        at, since, found = self._read
        if at != position or time.monotonic() - since > FRESH:
            found = registries(connection)
            self._read = (position, time.monotonic(), found)
        return found


def named(connection: Connection, nodes: Collection[int], known: Mapping[int, Registry]) -> dict[int, Named]:
    """The names of these nodes; those of a forgotten registry are left out."""
    found: dict[int, Named] = {}
    for part in chunks(sorted(set(nodes))):
        for row in connection.execute(_NAMES, {"nodes": part}):
            registry = known.get(row.registry_id)
            name = _thing(row, registry) if row.kind >= NodeKind.DIGEST else _reference(row, registry)
            if name is not None:
                found[row.id] = name
    return found


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
    .where(_node.id.in_(bindparam("nodes", expanding=True)))
)


def _reference(row: Any, registry: Registry | None) -> Named | None:
    """Names stand in the catalogue as they stand in a reference, so it is put together without being read again."""
    if registry is None or row.model is None:
        return None
    head, place = f"{registry.name}/{row.model}", (registry.name, registry.team)
    match row.kind:
        case NodeKind.VERSION:
            ref = f"{head}:{row.version}"
            return Named(ref, "version", *place, row.stage, row.gone, row.version_id)
        case NodeKind.ALIAS:
            return Named(f"{head}@{row.name}", "alias", *place, deleted=row.gone)
        case NodeKind.STAGE:
            return Named(f"{head}@stage:{row.name}", "stage", *place, deleted=row.gone)
        case _:
            return Named(head, NodeKind(row.kind).name.lower(), *place, deleted=row.gone)


def _thing(row: Any, registry: Registry | None) -> Named | None:
    kind = NodeKind(row.kind).name.lower()
    if row.registry_id == 0:
        return Named(f"{kind}:{row.name}", kind)
    name = row.endpoint if row.endpoint is not None else row.name
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
