"""What is hit when something goes or changes, in node ids: who, how far away, who breaks, in which order.

Pure: a snapshot, what starts it and each start's fate go in. `impact.py` puts the names on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot
from federation.graph.walk import Closure, closure
from federation.graph.words import SELECTORS, EdgeKind, NodeKind, Severity, Stage

NEVER = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a consumer that depends on one start or selector: whether it breaks, and why."""

    breaks: bool
    reason: str
    until: int = NEVER
    """Holds for consumers created before this (seconds since 1970); the next fate holds for later ones."""


Fates = Mapping[int, Sequence[Fate]]
"""By node: a version that is hit, or a selector that is; ordered by `until`, the last one open."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Exact, whatever the page: versions affected, of them breaking, in production, behind a live
    endpoint.
    """

    affected: int
    breaking: int
    production: int
    staging: int
    live: int
    registries: tuple[int, ...]
    """Ids of the registries that are hit."""


@dataclass(frozen=True)
class Blast:
    """The affected versions: `items` are indices into `closure`, gravest first; `breaks` stands beside
    `items`.
    """

    closure: Closure
    items: Array
    breaks: Array
    counts: Counts

    @property
    def nodes(self) -> Array:
        """Node ids in the order of `items`."""
        return self.closure.node[self.items]


def blast(
    snapshot: Snapshot, start: Sequence[int], fates: Fates, visible: Array | None, depth: int | None = None
) -> Blast:
    """Everything downstream of `start` that `visible` lets through, breaking first, then by severity and
    distance.
    """
    reached = closure(snapshot, np.array(start, np.int32), snapshot.down, visible, depth)
    kinds = snapshot.nodes["kind"][reached.node]
    items = np.flatnonzero((kinds == NodeKind.VERSION) & (reached.parent >= 0))
    nodes = reached.node[items]
    breaks = breaking(snapshot, fates)[nodes]
    order = np.argsort(
        (~breaks).astype(np.uint8) << 2 | (Severity.LIVE - severity(snapshot, nodes)), kind="stable"
    )
    return of_closure(snapshot, reached, items[order], breaks[order])


def of_closure(snapshot: Snapshot, reached: Closure, items: Array, breaks: Array | None = None) -> Blast:
    """These items of a closure with their counts; none breaks where nothing is said of it."""
    nodes = reached.node[items]
    broken = np.zeros(len(items), bool) if breaks is None else breaks
    stage = snapshot.nodes["stage"][nodes]
    hit = np.bincount(snapshot.nodes["registry"][nodes], minlength=1)
    counts = Counts(
        affected=len(items),
        breaking=int(broken.sum()),
        production=int((stage == Stage.PRODUCTION).sum()),
        staging=int((stage == Stage.STAGING).sum()),
        live=int((snapshot.nodes["live"][nodes] != 0).sum()),
        registries=tuple(np.flatnonzero(hit).tolist()),
    )
    return Blast(reached, items, broken, counts)


def severity(snapshot: Snapshot, nodes: Array) -> Array:
    """`Severity` of each node, as bytes."""
    grave = _BY_STAGE[snapshot.nodes["stage"][nodes]]
    grave[snapshot.nodes["live"][nodes] != 0] = Severity.LIVE
    return grave


_BY_STAGE = np.array([Severity.OTHER, Severity.STAGING, Severity.PRODUCTION, Severity.OTHER], np.uint8)


def breaking(snapshot: Snapshot, fates: Fates) -> Array:
    """By node id, whether it breaks: it depends directly on something with a fate that says so."""
    broken = np.zeros(len(snapshot.nodes["kind"]), bool)
    for node, lot in fates.items():
        if node >= len(broken) or not any(fate.breaks for fate in lot):
            continue
        consumer, kind, _ = snapshot.down.neighbours(np.array([node]))
        consumer = consumer[kind == EdgeKind.DEPENDS_ON]
        breaks = np.array([fate.breaks for fate in lot])
        broken[consumer[breaks[_which(snapshot, lot, consumer)]]] = True
    return broken


def _which(snapshot: Snapshot, lot: Sequence[Fate], consumers: Array) -> Array:
    bounds = np.array([fate.until for fate in lot[:-1]], np.int64)
    return np.searchsorted(bounds, snapshot.nodes["created"][consumers], "right")


def fate_of(snapshot: Snapshot, fates: Fates, node: int) -> tuple[int, Fate] | None:
    """For a direct dependent: what it depends on and its fate there, a breaking one first. None if it has
    none.
    """
    found: tuple[int, Fate] | None = None
    provider, kind, _ = snapshot.up.neighbours(np.array([node]))
    for one in provider[kind == EdgeKind.DEPENDS_ON].tolist():
        if one in fates:
            fate = fates[one][int(_which(snapshot, fates[one], np.array([node]))[0])]
            if fate.breaks:
                return one, fate
            found = found or (one, fate)
    return found


def selectors_of(
    snapshot: Snapshot, nodes: Sequence[int], visible: Array | None
) -> Iterator[tuple[int, int]]:
    """The selectors that mean one of `nodes` now, as (selector, node)."""
    found, _, origin = snapshot.down.neighbours(np.array(nodes, np.int32))
    wanted = np.isin(snapshot.nodes["kind"][found], SELECTORS)
    if visible is not None:
        wanted &= visible[snapshot.nodes["registry"][found]]
    for selector, place in zip(found[wanted].tolist(), origin[wanted].tolist(), strict=True):
        yield selector, nodes[place]


def spans_to_fates(spans: Sequence[tuple[int, Fate]]) -> list[Fate]:
    """Fates by when they begin (seconds, ascending; the first also holds for everything before) as fates by
    `until`.
    """
    closed = [Fate(fate.breaks, fate.reason, until) for (_, fate), (until, _) in pairwise(spans)]
    return [*closed, spans[-1][1]]
