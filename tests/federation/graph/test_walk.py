"""Walking the arrays gives what a textbook walk over the same edges gives."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.graph import rows
from federation.graph.snapshot import Reader, Snapshot
from federation.graph.walk import Closure, closure, visibility
from federation.graph.words import CONNECTORS
from tests.federation.graph.worlds import World, arrays, columns, distances, store, worlds

views = st.none() | st.frozensets(st.integers(1, 3))


def walk(
    snapshot: Snapshot, start: int, *, down: bool, view: frozenset[int] | None, depth: int | None = None
) -> Closure:
    direction = snapshot.down if down else snapshot.up
    return closure(snapshot, np.array([start]), direction, visibility(view, snapshot), depth)


def met(found: Closure) -> dict[int, int]:
    return dict(zip(found.node.tolist(), found.distance.tolist(), strict=True))


@settings(max_examples=40)
@given(worlds(), views, st.booleans(), st.data())
def test_a_closure_holds_the_same_nodes_at_the_same_distance(
    world: World, view: frozenset[int] | None, down: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        found = walk(store(world, Path(folder)), start, down=down, view=view)
    assert len(set(found.node.tolist())) == len(found.node)
    assert met(found) == distances(world, start, down=down, visible=None if view is None else set(view))
    assert not found.cut


@settings(max_examples=40)
@given(worlds(), st.booleans(), st.integers(0, 4), st.data())
def test_a_depth_cuts_exactly_there_and_says_so(
    world: World, down: bool, depth: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        found = walk(store(world, Path(folder)), start, down=down, view=None, depth=depth)
    whole = {n: d for n, d in distances(world, start, down=down, visible=None).items() if stop(world, n)}
    assert {n: d for n, d in met(found).items() if stop(world, n)} == {
        n: d for n, d in whole.items() if d <= depth
    }
    assert found.cut == any(d > depth for d in whole.values())


def stop(world: World, node: int) -> bool:
    return world.kinds[node] not in CONNECTORS


@settings(max_examples=40)
@given(worlds(), st.booleans(), st.data())
def test_every_path_is_made_of_real_edges_and_as_long_as_it_says(
    world: World, down: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        found = walk(store(world, Path(folder)), start, down=down, view=None)
    real = {(t, s) if down else (s, t) for s, t, _ in world.final()}
    for index in range(len(found.node)):
        path = [int(found.node[step]) for step in found.path(index)]
        assert path[0] == start
        assert set(pairwise(path)) <= real
        assert sum(stop(world, node) for node in path[1:]) == found.distance[index]


@settings(max_examples=40)
@given(worlds(), views, st.booleans(), st.data())
def test_folding_the_overlay_into_new_rows_changes_nothing(
    world: World, view: frozenset[int] | None, down: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = store(world, folder)
        rows.write(folder, 3, columns(world, range(len(world.kinds))), before.edges(), slack=8)
        after = Reader(folder).snapshot()
        assert after.position == 3
        left, right = (walk(s, start, down=down, view=view) for s in (before, after))
        fresh = rows.write(folder, 4, columns(world, range(len(world.kinds))), arrays(world.final()), slack=8)
    for one, other in zip(
        (left.node, left.distance, left.parent, left.kind),
        (right.node, right.distance, right.parent, right.kind),
        strict=True,
    ):
        assert one.tolist() == other.tolist()
    assert fresh.edges == after.edges()[0].size
