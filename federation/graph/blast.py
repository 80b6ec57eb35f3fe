"""The blast radius of a change, in node ids: who, how far away, who breaks, in which order.

Pure: a snapshot, what starts it and each start's effect go in. `impact.py` puts the names on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, repeat
from operator import add

import numpy as np

from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot
from federation.graph.walk import FEW, Closure, LargeError, closure, few, first, reach
from federation.graph.words import EdgeKind, NodeKind, Severity, Stage

NEVER = (1 << 63) - 1
# A member of an enumeration is looked up anew each time, which takes as long as all that is done with it here.
DEPENDS_ON, VERSION, ENDPOINT = int(EdgeKind.DEPENDS_ON), int(NodeKind.VERSION), int(NodeKind.ENDPOINT)


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of a consumer that depends on one start or selector: whether it breaks, and why."""

    breaks: bool
    reason: str
    until: int = NEVER
    """Holds for consumers created before this (microseconds since 1970); the next effect holds for later ones."""


Effects = Mapping[int, Sequence[Effect]]
"""By node: a version that is hit, or a selector that is; ordered by `until`, the last one open."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Exact, whatever the page: versions affected, of them breaking, in production, behind a live endpoint."""

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
    `items`. They may be the first of them only: what is counted is all.
    """

    closure: Closure
    items: Array
    breaks: Array
    hits: Mapping[int, Sequence[int]]
    """By id of each registry that is hit: how many of its versions are what COUNTED says."""
    served: bool
    """Whether an endpoint may serve any of the found."""

    @cached_property
    def nodes(self) -> Array:
        """Node ids in the order of `items`."""
        return self.closure.node[self.items]

    @cached_property
    def counts(self) -> Counts:
        """What the hits add up to."""
        sums = map(sum, zip(*self.hits.values(), strict=True)) if self.hits else repeat(0, len(COUNTED))
        affected, breaking, live, production, staging = sums
        return Counts(affected, breaking, production, staging, live, tuple(sorted(self.hits)))


def blast(
    snapshot: Snapshot,
    start: Sequence[int],
    effects: Effects,
    visible: Array | None,
    depth: int | None = None,
    *,
    most: int | None = None,
    count_to: int | None = None,
    large: bool = True,
) -> Blast:
    """Everything downstream of `start` that `visible` lets through, breaking first, then by severity and
    distance: of the items at least the first `most` (None: all), with the counts of them all. With `most`, the count
    ends once it has met `count_to` (None: never), and the closure is cut where there are more. Errors: `LargeError`
    unless `large`.
    """
    nodes, down = np.array(start, np.int32), snapshot.down
    if most is None or depth is not None or not large:
        reached = closure(snapshot, nodes, down, visible, depth, large=large)
    else:
        try:
            reached = few(snapshot, nodes, down, visible)
        except LargeError:
            return _beginning(_MarkTable(snapshot, effects), nodes, visible, most, count_to)
    if len(reached.node) + sum(map(down.degree, effects)) <= FEW:
        return _of_few(snapshot, reached, effects)
    return _ordered(_MarkTable(snapshot, effects), reached)


def _ordered(marker: "_MarkTable", reached: Closure) -> Blast:
    kinds = marker.snapshot.nodes["kind"][reached.node]
    items = np.flatnonzero((kinds == VERSION) & (reached.parent >= 0))
    nodes = reached.node[items]
    marks = marker.marks(nodes)
    order = np.argsort(_RANK[marks], kind="stable")
    served = reached.cut or bool((kinds == ENDPOINT).any())
    return Blast(reached, items[order], marks[order] >= BREAKS, _hits(marker.snapshot, nodes, marks), served)


def _beginning(
    marker: "_MarkTable", start: Array, visible: Array | None, most: int, count_to: int | None
) -> Blast:
    """The counts of all that is reached, which need no order, and the first items: the walk in order ends as soon as it
    has met them, which mostly is after a few hops.
    """
    snapshot, kinds = marker.snapshot, marker.snapshot.nodes["kind"]
    nodes, cut = reach(snapshot, start, snapshot.down, visible, count_to)
    served = cut or bool((kinds[nodes] == ENDPOINT).any())
    nodes = nodes[(kinds[nodes] == VERSION) & ~np.isin(nodes, start)]
    marks = marker.marks(nodes)
    totals = np.bincount(_RANK[marks], minlength=RANKS)
    missing = np.clip(most - (np.cumsum(totals) - totals), 0, totals)

    def enough(news: Array) -> bool:
        nonlocal missing
        met = news[kinds[news] == VERSION]
        missing = missing - np.bincount(_RANK[marker.marks(met)], minlength=RANKS)
        return bool((missing <= 0).all())

    found = _ordered(marker, first(snapshot, start, snapshot.down, visible, enough))
    hits, known = _hits(snapshot, nodes, marks), replace(found.closure, cut=cut)
    return Blast(known, found.items[:most], found.breaks[:most], hits, served)


def _of_few(snapshot: Snapshot, reached: Closure, effects: Effects) -> Blast:
    """The same, node by node: where there are few, arrays would take longer than everything else."""
    kinds, live, stage, registry = (snapshot.plain[name] for name in ("kind", "live", "stage", "registry"))
    broken = {
        consumer
        for provider, own in effects.items()
        for consumer, kind in snapshot.down.beside(provider)
        if kind == DEPENDS_ON and _meets(snapshot, own, consumer).breaks
    }
    found: list[tuple[int, int, bool]] = []
    hits: dict[int, Sequence[int]] = {}
    served = reached.cut
    for index, (node, parent) in enumerate(zip(reached.node.tolist(), reached.parent.tolist(), strict=True)):
        served = served or kinds[node] == ENDPOINT
        if parent >= 0 and kinds[node] == VERSION:
            mark = (node in broken) << 3 | (live[node] != 0) << 2 | stage[node]
            found.append((_RANKS[mark], index, node in broken))
            hit, counted = registry[node], _COUNTS[mark]
            hits[hit] = list(map(add, hits[hit], counted)) if hit in hits else counted
    found.sort()
    items = np.array([index for _, index, _ in found], np.int64)
    return Blast(reached, items, np.array([breaks for _, _, breaks in found], bool), hits, served)


def of_closure(snapshot: Snapshot, reached: Closure, items: Array) -> Blast:
    """These items of a closure with their counts; none breaks."""
    nodes, breaks = reached.node[items], np.zeros(len(items), bool)
    return Blast(
        reached, items, breaks, _hits(snapshot, nodes, _MarkTable(snapshot, {}).marks(nodes)), served=True
    )


def _hits(snapshot: Snapshot, nodes: Array, marks: Array) -> dict[int, Sequence[int]]:
    registry = snapshot.nodes["registry"][nodes]
    numbers = np.bincount(registry << MARK_BITS | marks, minlength=(snapshot.registries + 1) << MARK_BITS)
    hit = np.flatnonzero(np.bincount(registry))
    counted = numbers.reshape(-1, 1 << MARK_BITS)[hit] @ np.array(_COUNTS)
    return dict(zip(hit.tolist(), counted.tolist(), strict=True))


class _MarkTable:
    """What nodes are counted and ordered by, as one byte each: whether it breaks (8), is live (4), and its stage."""

    def __init__(self, snapshot: Snapshot, effects: Effects) -> None:
        self.snapshot = snapshot
        self._broken = np.zeros(len(snapshot.nodes["kind"]), np.uint8)
        self._broken[broken(snapshot, effects)] = BREAKS

    def marks(self, nodes: Array) -> Array:
        live, stage = self.snapshot.nodes["live"], self.snapshot.nodes["stage"]
        marks: Array = self._broken[nodes] | (live[nodes] != 0).astype(np.uint8) << 2 | stage[nodes]
        return marks


_BY_STAGE = (Severity.OTHER, Severity.STAGING, Severity.PRODUCTION, Severity.OTHER)


def severity(live: bool, stage: int) -> Severity:
    """How grave it is that a version is hit."""
    return Severity.LIVE if live else _BY_STAGE[stage]


MARK_BITS, BREAKS = 4, 8
_MARKS = [(bool(mark & 8), bool(mark & 4), mark & 3) for mark in range(1 << MARK_BITS)]
_RANKS = [(not breaks) << 2 | Severity.LIVE - severity(live, stage) for breaks, live, stage in _MARKS]
"""By mark: the gravest first, and before them all that break."""
_RANK = np.array(_RANKS, np.uint8)
RANKS = max(_RANKS) + 1
COUNTED = ("affected", "breaking", "live", "production", "staging")
_COUNTS = [
    (1, int(breaks), int(live), int(stage == Stage.PRODUCTION), int(stage == Stage.STAGING))
    for breaks, live, stage in _MARKS
]


def broken(snapshot: Snapshot, effects: Effects) -> Array:
    """What depends directly on something with an effect that breaks it: node ids, some more than once."""
    found: list[Array] = [np.zeros(0, np.int32)]
    for node, own in effects.items():
        if node >= len(snapshot.nodes["kind"]) or not any(effect.breaks for effect in own):
            continue
        consumer, kind, _ = snapshot.down.neighbours(np.array([node]))
        consumer = consumer[kind == DEPENDS_ON]
        if len(own) > 1:
            breaks = np.array([effect.breaks for effect in own])
            consumer = consumer[breaks[_which(snapshot, own, consumer)]]
        found.append(consumer)
    return np.concatenate(found)


def _which(snapshot: Snapshot, own: Sequence[Effect], consumers: Array) -> Array:
    bounds = np.array([effect.until for effect in own[:-1]], np.int64)
    return np.searchsorted(bounds, snapshot.nodes["created"][consumers], "right")


def _meets(snapshot: Snapshot, own: Sequence[Effect], consumer: int) -> Effect:
    """The effect of a consumer's time."""
    if len(own) == 1:
        return own[0]
    created = snapshot.plain["created"][consumer]
    return next(effect for effect in own if created < effect.until or effect is own[-1])


def effect_on(snapshot: Snapshot, effects: Effects, node: int) -> tuple[int, Effect] | None:
    """For a direct dependent: what it depends on and its effect there, a breaking one first. None if it has none."""
    found: tuple[int, Effect] | None = None
    for provider, kind in snapshot.up.beside(node):
        if kind == DEPENDS_ON and (own := effects.get(provider)) is not None:
            effect = _meets(snapshot, own, node)
            if effect.breaks:
                return provider, effect
            found = found or (provider, effect)
    return found


def effects_by_time(spans: Sequence[tuple[int, Effect]]) -> list[Effect]:
    """Effects by when they begin (microseconds, ascending; the first also holds for everything before) as effects by
    `until`.
    """
    closed = [Effect(effect.breaks, effect.reason, until) for (_, effect), (until, _) in pairwise(spans)]
    return [*closed, spans[-1][1]]
