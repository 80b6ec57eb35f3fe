"""Walking the arrays gives what a textbook walk over the same edges gives."""

import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.graph import rows
from federation.graph.snapshot import Snapshot, SnapshotReader
from federation.graph.walk import FEW, Closure, LargeError, closure, reach, visibility
from federation.graph.words import CONNECTORS, EdgeKind, NodeKind
from tests.federation.graph.worlds import GraphWorld, arrays, columns, distances, store, worlds

views = st.none() | st.frozensets(st.integers(1, 3))


def walk(
    snapshot: Snapshot, start: int, *, down: bool, view: frozenset[int] | None, depth: int | None = None
) -> Closure:
    direction = snapshot.down if down else snapshot.up
    return closure(snapshot, np.array([start]), direction, visibility(view, snapshot), depth)


def met(found: Closure) -> dict[int, int]:
    return dict(zip(found.node.tolist(), found.distance.tolist(), strict=True))


@settings(max_examples=20)
@given(worlds(), views, st.booleans(), st.data())
def test_a_closure_holds_the_same_nodes_at_the_same_distance(
    world: GraphWorld, view: frozenset[int] | None, down: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        found = walk(store(world, Path(folder)), start, down=down, view=view)
    assert len(set(found.node.tolist())) == len(found.node)
    assert met(found) == distances(world, start, down=down, visible=None if view is None else set(view))
    assert not found.cut


@settings(max_examples=60)
@given(worlds(), views, st.booleans(), st.sampled_from([1, 32]), st.data())
def test_what_is_reached_is_the_closure_without_its_order(
    world: GraphWorld, view: frozenset[int] | None, down: bool, dense: int, data: st.DataObject
) -> None:
    start = data.draw(st.lists(st.integers(0, len(world.kinds) - 1), min_size=1, max_size=3))
    with tempfile.TemporaryDirectory() as folder, patch("federation.graph.walk.DENSE", dense):
        snapshot = store(world, Path(folder))
        direction, visible = snapshot.down if down else snapshot.up, visibility(view, snapshot)
        found, cut = reach(snapshot, np.array(start), direction, visible)
        whole = closure(snapshot, np.array(start), direction, visible)
    assert found.tolist() == sorted(whole.node.tolist())
    assert not cut


@settings(max_examples=60)
@given(worlds(), views, st.integers(0, 6), st.data())
def test_a_count_ends_once_it_has_met_so_many_and_says_whether_there_are_more(
    world: GraphWorld, view: frozenset[int] | None, count_to: int, data: st.DataObject
) -> None:
    start = np.array([data.draw(st.integers(0, len(world.kinds) - 1))])
    with tempfile.TemporaryDirectory() as folder:
        snapshot = store(world, Path(folder))
        visible = visibility(view, snapshot)
        found, cut = reach(snapshot, start, snapshot.down, visible, count_to)
        whole, _ = reach(snapshot, start, snapshot.down, visible)
    assert set(found.tolist()) <= set(whole.tolist())
    assert len(found) >= min(count_to, len(whole))
    assert cut == (len(found) < len(whole))


@settings(max_examples=20)
@given(worlds(), st.booleans(), st.integers(0, 4), st.data())
def test_a_depth_cuts_exactly_there_and_says_so(
    world: GraphWorld, down: bool, depth: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        found = walk(store(world, Path(folder)), start, down=down, view=None, depth=depth)
    whole = {n: d for n, d in distances(world, start, down=down, visible=None).items() if stop(world, n)}
    assert {n: d for n, d in met(found).items() if stop(world, n)} == {
        n: d for n, d in whole.items() if d <= depth
    }
    assert found.cut == any(d > depth for d in whole.values())


def stop(world: GraphWorld, node: int) -> bool:
    return world.kinds[node] not in CONNECTORS


@settings(max_examples=20)
@given(worlds(), st.booleans(), st.data())
def test_every_path_is_made_of_real_edges_and_as_long_as_it_says(
    world: GraphWorld, down: bool, data: st.DataObject
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


@settings(max_examples=30)
@given(worlds(), views, st.booleans(), st.none() | st.integers(0, 4), st.data())
def test_many_are_walked_as_few_are(
    world: GraphWorld, view: frozenset[int] | None, down: bool, depth: int | None, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as folder:
        snapshot = store(world, Path(folder))
        few = walk(snapshot, start, down=down, view=view, depth=depth)
        with patch("federation.graph.walk.FEW", -1):
            many = walk(snapshot, start, down=down, view=view, depth=depth)
    for name in ("node", "distance", "parent", "kind"):
        one, other = getattr(few, name), getattr(many, name)
        assert (one.tolist(), one.dtype) == (other.tolist(), other.dtype)
    assert few.cut == many.cut


def test_a_large_walk_is_refused_where_only_a_small_one_is_wanted(tmp_path: Path) -> None:
    nodes = {name: np.zeros(FEW + 2, np.int64) for name in rows.NODE_COLUMNS}
    nodes["kind"] += NodeKind.VERSION
    needs = np.full(FEW, int(EdgeKind.DEPENDS_ON))
    rows.write(tmp_path, 1, nodes, (np.arange(1, FEW + 1), np.zeros(FEW, np.int64), needs))
    snapshot, hub = SnapshotReader(tmp_path).snapshot(), np.array([0])
    assert len(closure(snapshot, hub, snapshot.down, None, large=False).node) == FEW + 1
    with patch("federation.graph.walk.MANY", FEW - 1), pytest.raises(LargeError):
        closure(snapshot, hub, snapshot.down, None, large=False)
    assert len(closure(snapshot, hub, snapshot.down, None).node) == FEW + 1
    assert closure(snapshot, np.array([1]), snapshot.down, None, large=False).node.tolist() == [1]


@settings(max_examples=20)
@given(worlds(), views, st.booleans(), st.data())
def test_folding_the_overlay_into_new_rows_changes_nothing(
    world: GraphWorld, view: frozenset[int] | None, down: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(world.kinds) - 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = store(world, folder)
        rows.write(folder, 3, columns(world, range(len(world.kinds))), before.edges(), slack=8)
        after = SnapshotReader(folder).snapshot()
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
