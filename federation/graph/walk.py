"""Everything that can be reached from some nodes: which, how far, and through whom.

Arriving at a connector (alias, stage, whole model, artifact digest) costs no hop, arriving at anything else
costs one. A connector leads to no connector, so each layer is two steps: from the versions, then from the
connectors found there.
"""

from dataclasses import dataclass

import numpy as np

from federation.graph.rows import Array
from federation.graph.snapshot import Direction, Snapshot
from federation.graph.words import CONNECTORS, NodeKind

_IS_CONNECTOR = np.zeros(256, bool)
_IS_CONNECTOR[list(CONNECTORS)] = True


@dataclass(frozen=True)
class Closure:
    """Reached nodes in the order they were met, the start first."""

    node: Array
    distance: Array
    parent: Array
    """Index into these arrays of the node a shortest path comes from; -1 for the start."""
    kind: Array
    """Kind of the edge it was met through; 0 for the start."""
    cut: bool
    """True when `depth` ended the walk while there was more."""

    def path(self, index: int) -> list[int]:
        """Indices from the start to `index`, both included."""
        found = [index]
        while (index := int(self.parent[index])) >= 0:
            found.append(index)
        return found[::-1]


def closure(
    snapshot: Snapshot, start: Array, direction: Direction, visible: Array | None, depth: int | None = None
) -> Closure:
    """Walk from `start` (node ids; those too new for the snapshot are left out) in `direction`, which is
    `snapshot.down` or `snapshot.up`.

    `visible` is a lookup by registry id (None: everything is); a node of a registry that is not is neither
    met nor passed through. `depth` is the greatest distance wanted.
    """
    walk = _Walk(snapshot, direction, visible)
    walk.begin(start)
    hops = 0
    while walk.goes_on and (depth is None or hops < depth):
        hops += 1
        walk.step(hops)
    whole = walk.closure()
    if not walk.goes_on:
        return whole
    walk.step(hops + 1)
    return Closure(whole.node, whole.distance, whole.parent, whole.kind, cut=walk.goes_on)


_Front = tuple[Array, Array]
"""Nodes to go on from: their ids and their indices in the closure."""

_NOWHERE: _Front = (np.zeros(0, np.int32), np.zeros(0, np.int32))


class _Walk:
    """Breadth first: `_stops` are the last layer, `_between` are connectors that have not been passed yet."""

    def __init__(self, snapshot: Snapshot, direction: Direction, visible: Array | None) -> None:
        self._direction = direction
        self._visible = visible
        self._kinds = snapshot.nodes["kind"]
        self._registry = snapshot.nodes["registry"]
        self._seen = np.zeros(len(self._kinds), bool)
        self._first = np.empty(len(self._kinds), np.int32)
        self._parts: list[tuple[Array, Array, Array, Array]] = []
        self._count = 0

    @property
    def goes_on(self) -> bool:
        return bool(len(self._stops[0]) or len(self._between[0]))

    def begin(self, start: Array) -> None:
        if len(start) > 1:
            start = start[np.sort(np.unique(start, return_index=True)[1])]
        start = start[start < len(self._kinds)].astype(np.int32)
        if self._visible is not None:
            start = start[self._visible[self._registry[start]]]
        connector = _IS_CONNECTOR[self._kinds[start]]
        self._stops = self._add(start[~connector])
        self._between = self._add(start[connector])

    def step(self, distance: int) -> None:
        """Pass the connectors beside the last layer, then meet the stops that both lead to."""
        found, kind, parent = self._unseen(self._stops)
        connector = _IS_CONNECTOR[self._kinds[found]]
        met = [self._meet(found[~connector], kind[~connector], parent[~connector], distance)]
        between = [
            self._between,
            self._pass(found[connector], kind[connector], parent[connector], distance - 1),
        ]
        met += [self._meet(*self._unseen(front), distance) for front in between if len(front[0])]
        self._between = _NOWHERE
        self._stops = met[0] if len(met) == 1 else _join(met)

    def _unseen(self, front: _Front) -> tuple[Array, Array, Array]:
        found, kind, origin = self._direction.neighbours(front[0])
        wanted = ~self._seen[found]
        if self._visible is not None:
            wanted &= self._visible[self._registry[found]]
        if not wanted.all():
            found, kind, origin = found[wanted], kind[wanted], origin[wanted]
        return found, kind, front[1][origin]

    def _pass(self, found: Array, kind: Array, parent: Array, distance: int) -> _Front:
        """Meet connectors; digests last: a hidden registry may have spoken of one first, so its id tells of that."""
        digest = self._kinds[found] == NodeKind.DIGEST
        if digest.any() and not digest.all():
            order = np.argsort(digest, kind="stable")
            found, kind, parent = found[order], kind[order], parent[order]
        return self._meet(found, kind, parent, distance)

    def _meet(self, found: Array, kind: Array, parent: Array, distance: int) -> _Front:
        """Add what was found, each node once, through the first that led to it."""
        if not len(found):
            return _NOWHERE
        order = np.arange(len(found), dtype=np.int32)
        self._first[found[::-1]] = order[::-1]
        once = self._first[found] == order
        return self._add(found[once], parent[once], kind[once], distance)

    def _add(
        self, node: Array, parent: Array | None = None, kind: Array | None = None, distance: int = 0
    ) -> _Front:
        size = len(node)
        self._seen[node] = True
        parent = np.full(size, -1, np.int32) if parent is None else parent
        kind = np.zeros(size, np.uint8) if kind is None else kind
        self._parts.append((node, np.full(size, distance, np.int32), parent, kind))
        indices = np.arange(self._count, self._count + size, dtype=np.int32)
        self._count += size
        return node, indices

    def closure(self) -> Closure:
        node, distance, parent, kind = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        return Closure(node, distance, parent, kind, cut=False)


def _join(fronts: list[_Front]) -> _Front:
    node, index = zip(*fronts, strict=True)
    return np.concatenate(node), np.concatenate(index)


def visibility(registries: frozenset[int] | None, snapshot: Snapshot) -> Array | None:
    """The lookup by registry id for a view's registries. Id 0 is for what belongs to no registry."""
    if registries is None:
        return None
    size = max(max(registries, default=0), snapshot.registries) + 1
    lookup = np.zeros(size, bool)
    lookup[[0, *registries]] = True
    return lookup
