"""Random small graphs and a slow, obvious reference for walking them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import networkx
import numpy as np
from hypothesis import strategies as st

from federation.graph import overlay, rows
from federation.graph.snapshot import Snapshot, SnapshotReader
from federation.graph.words import CONNECTORS, NodeKind

Edge = tuple[int, int, int]


@dataclass
class GraphWorld:
    """Node kinds and registries by id, edges as (source, target, kind)."""

    kinds: list[int]
    registries: list[int]
    edges: set[Edge]
    later: list[tuple[bool, Edge]] = field(default_factory=list)
    """Edits after the rows were written: (added, edge)."""
    late_nodes: int = 0
    """How many of the last nodes arrive after the rows were written."""

    def final(self) -> set[Edge]:
        edges = set(self.edges)
        for added, edge in self.later:
            (edges.add if added else edges.discard)(edge)
        return edges


KINDS = [NodeKind.VERSION] * 5 + [NodeKind.ALIAS, NodeKind.DIGEST, NodeKind.DATASET, NodeKind.ENDPOINT]


@st.composite
def worlds(draw: st.DrawFn) -> GraphWorld:
    size = draw(st.integers(1, 14))
    kinds = [int(draw(st.sampled_from(KINDS))) for _ in range(size)]
    registries = [
        0 if kind in (NodeKind.DATASET, NodeKind.DIGEST) else draw(st.integers(1, 3)) for kind in kinds
    ]
    node = st.integers(0, size - 1)
    edge = st.tuples(node, node, st.integers(1, 3)).filter(
        lambda e: e[0] != e[1] and not {kinds[e[0]], kinds[e[1]]} <= set(CONNECTORS)
    )
    late = draw(st.integers(0, min(3, size - 1)))
    if size == 1:
        return GraphWorld(kinds, registries, set())
    pool = draw(st.lists(edge, max_size=30)) if any(kind not in CONNECTORS for kind in kinds) else []
    edges = {e for e in pool if max(e[0], e[1]) < size - late}
    later = (
        [(draw(st.booleans()), e) for e in draw(st.lists(st.sampled_from(pool), max_size=12))] if pool else []
    )
    return GraphWorld(kinds, registries, edges, later, late)


def columns(world: GraphWorld, nodes: Iterable[int]) -> dict[str, rows.Array]:
    nodes = list(nodes)
    zeros = np.zeros(len(nodes), np.int64)
    return {
        "kind": np.array([world.kinds[n] for n in nodes], np.int64),
        "registry": np.array([world.registries[n] for n in nodes], np.int64),
        "stage": np.array([n % 4 for n in nodes], np.int64),
        "live": np.array([n % 5 == 0 for n in nodes], np.int64),
        "created": zeros,
    }


def arrays(edges: Iterable[Edge]) -> tuple[rows.Array, rows.Array, rows.Array]:
    listed = np.array(sorted(edges), np.int64).reshape(-1, 3)
    return listed[:, 0], listed[:, 1], listed[:, 2]


def store(world: GraphWorld, folder: Path) -> Snapshot:
    """The world as files: rows first, then the overlay, read back."""
    early = len(world.kinds) - world.late_nodes
    written = rows.write(folder, 1, columns(world, range(early)), arrays(world.edges), slack=8)
    edits = overlay.Overlay(written.name, 2)
    for added, edge in world.later:
        (edits.add if added else edits.remove)(edge)
    late = columns(world, range(early, len(world.kinds)))
    for place, node in enumerate(range(early, len(world.kinds))):
        edits.nodes[node] = tuple(int(late[column][place]) for column in rows.NODE_COLUMNS)
    overlay.save(folder, edits)
    return SnapshotReader(folder).snapshot()


def distances(world: GraphWorld, start: int, *, down: bool, visible: set[int] | None) -> dict[int, int]:
    """Distance of each node that can be reached, by Dijkstra: arriving at a connector costs 0, elsewhere
    1.
    """
    shown = {n for n, r in enumerate(world.registries) if visible is None or r == 0 or r in visible}
    graph = networkx.DiGraph()
    graph.add_nodes_from(shown)
    for source, target, _ in world.final():
        a, b = (target, source) if down else (source, target)
        if a in shown and b in shown:
            graph.add_edge(a, b, weight=0 if world.kinds[b] in CONNECTORS else 1)
    if start not in shown:
        return {}
    found: dict[int, int] = networkx.single_source_dijkstra_path_length(graph, start)
    return found
