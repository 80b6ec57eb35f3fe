"""Everything that can be reached from some nodes: which, how far, and through whom.

Arriving at a connector (alias, stage, whole model, artifact digest) costs no hop, arriving at anything else
costs one. A connector leads to no connector, so each layer is two steps: from the versions, then from the
connectors found there.

Most closures are a handful of nodes, and are walked node by node; arrays, which have their price however little is in
them, take over where it takes looking along more than FEW edges.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from federation.graph.rows import Array
from federation.graph.snapshot import Direction, Snapshot
from federation.graph.words import CONNECTORS, NodeKind

FEW = 300
"""Edges to look along, node by node: about 0.1 ms."""
MANY = 20_000
"""Edges to look along where only what takes a few milliseconds is wanted."""
DENSE = 32
"""Of so many nodes one or more: then it is quicker to mark them and look for the marks than to look each up."""
_DIGEST = int(NodeKind.DIGEST)
_PASSED = frozenset(map(int, CONNECTORS))
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
        parent, found = self.parent.data, [index]
        while (index := parent[index]) >= 0:
            found.append(index)
        return found[::-1]


class LargeError(Exception):
    """It takes more than was asked for: the walk looks along too many edges."""


def closure(
    snapshot: Snapshot,
    start: Array,
    direction: Direction,
    visible: Array | None,
    depth: int | None = None,
    *,
    large: bool = True,
) -> Closure:
    """Walk from `start` (node ids; those too new for the snapshot are left out) in `direction`, which is
    `snapshot.down` or `snapshot.up`.

    `visible` is a lookup by registry id (None: everything is); a node of a registry that is not is neither
    met nor passed through. `depth` is the greatest distance wanted. Errors: `LargeError` where it takes looking
    along more than MANY edges, unless `large`.
    """
    try:
        return few(snapshot, start, direction, visible, depth)
    except LargeError:
        most = None if large else MANY
        return _walked(_BreadthFirst(snapshot, direction, visible, most), start, depth)


def few(
    snapshot: Snapshot, start: Array, direction: Direction, visible: Array | None, depth: int | None = None
) -> Closure:
    """The same where it takes looking along at most FEW edges. Errors: `LargeError`."""
    return _walked(_FewWalk(snapshot, direction, visible), start, depth)


def first(
    snapshot: Snapshot,
    start: Array,
    direction: Direction,
    visible: Array | None,
    enough: Callable[[Array], bool],
) -> Closure:
    """The beginning of the same: `enough` is told what each hop met and ends the walk."""
    walk, hops = _BreadthFirst(snapshot, direction, visible, None), 0
    walk.begin(start)
    walk.news()
    while walk.goes_on:
        hops += 1
        walk.step(hops)
        if enough(walk.news()):
            break
    return walk.closure()


def reach(
    snapshot: Snapshot, start: Array, direction: Direction, visible: Array | None, count_to: int | None = None
) -> tuple[Array, bool]:
    """The nodes of the same closure, the start among them, in the order of their ids: where there are very many, in a
    third of the time that it takes to tell how far they are and through whom. And whether there are more: it ends once
    it has met `count_to` besides the start (None: never).
    """
    registry = snapshot.nodes["registry"]
    size = len(registry)
    seen, place = np.zeros(size, bool), np.empty(size, np.int32)

    def shown(nodes: Array) -> Array:
        return nodes if visible is None else nodes[visible[registry[nodes]]]

    found = shown(start[start < size])
    met = -len(found)  # the start is not counted
    while len(found) and (count_to is None or met < count_to):
        found = _distinct(found, place)
        seen[found] = True
        met += len(found)
        found = direction.beyond(found)
        found = shown(found.compress(~seen.take(found)))
    return np.flatnonzero(seen), len(found) > 0


def _distinct(nodes: Array, place: Array) -> Array:
    """Each once. `place` has room for a number for each node that there is."""
    if len(nodes) > len(place) // DENSE:
        marks = np.zeros(len(place), bool)
        marks[nodes] = True
        return np.flatnonzero(marks)
    order = np.arange(len(nodes), dtype=np.int32)
    place[nodes] = order
    return nodes.compress(place.take(nodes) == order)


class _Stepper(Protocol):
    """A way to walk: from the start, one hop at a time."""

    @property
    def goes_on(self) -> bool: ...
    def begin(self, start: Array) -> None: ...
    def step(self, distance: int) -> None: ...
    def closure(self) -> Closure: ...


def _walked(walk: _Stepper, start: Array, depth: int | None) -> Closure:
    walk.begin(start)
    hops = 0
    while walk.goes_on and (depth is None or hops < depth):
        hops += 1
        walk.step(hops)
    whole = walk.closure()
    if not walk.goes_on:
        return whole
    walk.step(hops + 1)
    return replace(whole, cut=walk.goes_on)


class _FewWalk:
    """Breadth first, node by node; what `_stops` and `_between` hold are indices in the closure."""

    def __init__(self, snapshot: Snapshot, direction: Direction, visible: Array | None) -> None:
        self._direction = direction
        self._visible = None if visible is None else visible.data
        self._kinds, self._registry = snapshot.plain["kind"], snapshot.plain["registry"]
        self._left = FEW
        self._seen: set[int] = set()
        self._met: list[tuple[int, int, int, int]] = []

    @property
    def goes_on(self) -> bool:
        return bool(self._stops or self._between)

    def begin(self, start: Array) -> None:
        if len(start) > FEW:
            raise LargeError
        known = [(node, 0, -1) for node in start.tolist() if node < len(self._kinds) and self._shown(node)]
        self._stops: Sequence[int] = self._meet(
            (one for one in known if self._kinds[one[0]] not in _PASSED), 0
        )
        self._between: Sequence[int] = self._meet((one for one in known if self._kinds[one[0]] in _PASSED), 0)

    def step(self, distance: int) -> None:
        """As `_BreadthFirst.step`, in the same order."""
        found = self._unseen(self._stops)
        through = [one for one in found if self._kinds[one[0]] in _PASSED]
        stops = found if not through else [one for one in found if self._kinds[one[0]] not in _PASSED]
        met: Sequence[int] = self._meet(stops, distance)
        through.sort(key=lambda one: self._kinds[one[0]] == _DIGEST)
        for front in (self._between, self._meet(through, distance - 1)):
            met = [*met, *self._meet(self._unseen(front), distance)] if front else met
        self._stops, self._between = met, ()

    def _unseen(self, front: Sequence[int]) -> list[tuple[int, int, int]]:
        """Neighbours of a front that are new: (node, edge kind, index of the one before)."""
        direction, seen, found = self._direction, self._seen, []
        everything = self._visible is None
        nodes = [self._met[index][0] for index in front]
        self._left -= len(nodes) + sum(map(direction.degree, nodes))
        if self._left < 0:
            raise LargeError
        for index, node in zip(front, nodes, strict=True):
            found += [
                (other, kind, index)
                for other, kind in direction.beside(node)
                if other not in seen and (everything or self._shown(other))
            ]
        return found

    def _shown(self, node: int) -> bool:
        return self._visible is None or bool(self._visible[self._registry[node]])

    def _meet(self, found: Iterable[tuple[int, int, int]], distance: int) -> Sequence[int]:
        """Add what was found, each node once, through the first that led to it."""
        seen, met = self._seen, self._met
        begin = len(met)
        for node, kind, parent in found:
            if node not in seen:
                seen.add(node)
                met.append((node, distance, parent, kind))
        return range(begin, len(met))

    def closure(self) -> Closure:
        columns = np.array(self._met, np.int32).reshape(-1, 4).T
        node, distance, parent, kind = columns
        return Closure(node, distance, parent, kind.astype(np.uint8), cut=False)


_Front = tuple[Array, Array]
"""Nodes to go on from: their ids and their indices in the closure."""

_NOWHERE: _Front = (np.zeros(0, np.int32), np.zeros(0, np.int32))


class _BreadthFirst:
    """Breadth first: `_stops` are the last layer, `_between` are connectors that have not been passed yet."""

    def __init__(
        self, snapshot: Snapshot, direction: Direction, visible: Array | None, most: int | None
    ) -> None:
        self._direction = direction
        self._visible = visible
        self._left = most
        self._kinds = snapshot.nodes["kind"]
        self._registry = snapshot.nodes["registry"]
        self._seen = np.zeros(len(self._kinds), bool)
        self._first = np.empty(len(self._kinds), np.int32)
        self._parts: list[tuple[Array, Array, Array, Array]] = []
        self._count = self._told = 0

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
        if self._left is not None:
            self._left -= self._direction.degrees(front[0])
            if self._left < 0:
                raise LargeError
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

    def news(self) -> Array:
        """The nodes met since this was asked last."""
        news = [part[0] for part in self._parts[self._told :]]
        self._told = len(self._parts)
        return np.concatenate([_NOWHERE[0], *news])

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
