"""Who breaks, who is merely affected, in which order: on graphs small enough to see."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.graph import rows
from federation.graph.blast import Blast, Effect, blast, effect_on, effects_by_time
from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot, SnapshotReader
from federation.graph.walk import visibility
from federation.graph.words import EdgeKind, NodeKind, Stage
from tests.federation.graph.worlds import GraphWorld, arrays, store, worlds

NEEDS = int(EdgeKind.DEPENDS_ON)
ENCODER, CHAMPION, PINNED, FOLLOWER, TUNED, SEARCH = range(6)
GONE = {ENCODER: [Effect(True, "pinned to it")]}


def graph(folder: Path) -> Snapshot:
    """encoder ← pinned ← search (live); encoder ← @champion ← follower (production); tuned derives from encoder."""
    nodes = {
        "kind": np.array([NodeKind.VERSION, NodeKind.ALIAS] + [NodeKind.VERSION] * 4),
        "stage": np.array([0, 0, Stage.STAGING, Stage.PRODUCTION, 0, 0]),
        "live": np.array([0, 0, 0, 0, 0, 1]),
        "registry": np.array([1, 1, 1, 2, 2, 3]),
        "created": np.array([0, 0, 10, 20, 30, 40]),
    }
    edges = {
        (PINNED, ENCODER, NEEDS),
        (CHAMPION, ENCODER, int(EdgeKind.MEANS)),
        (FOLLOWER, CHAMPION, NEEDS),
        (TUNED, ENCODER, int(EdgeKind.DERIVED_FROM)),
        (SEARCH, PINNED, NEEDS),
    }
    rows.write(folder, 1, nodes, arrays(edges))
    return SnapshotReader(folder).snapshot()


def test_only_a_direct_dependent_breaks_and_the_gravest_comes_first(tmp_path: Path) -> None:
    found = blast(graph(tmp_path), [ENCODER], GONE, None)
    assert found.nodes.tolist() == [PINNED, SEARCH, FOLLOWER, TUNED]
    assert found.breaks.tolist() == [True, False, False, False]
    assert found.closure.distance[found.items].tolist() == [1, 2, 1, 1]
    counts = found.counts
    assert (counts.affected, counts.breaking, counts.production, counts.staging, counts.live) == (
        4,
        1,
        1,
        1,
        1,
    )
    assert counts.registries == (1, 2, 3)


def test_a_follower_of_an_alias_breaks_with_the_alias(tmp_path: Path) -> None:
    snapshot = graph(tmp_path)
    effects = {CHAMPION: [Effect(True, "its contract refuses it")]}
    found = blast(snapshot, [CHAMPION], effects, None)
    assert (found.nodes.tolist(), found.breaks.tolist()) == ([FOLLOWER], [True])
    assert effect_on(snapshot, effects, FOLLOWER) == (CHAMPION, effects[CHAMPION][0])
    assert effect_on(snapshot, effects, SEARCH) is None


def test_a_consumer_meets_the_effect_of_its_time(tmp_path: Path) -> None:
    snapshot = graph(tmp_path)
    effects = effects_by_time([(0, Effect(False, "built against 1")), (20, Effect(True, "built against 2"))])
    assert blast(snapshot, [ENCODER], {ENCODER: effects}, None).counts.breaking == 0
    assert blast(snapshot, [CHAMPION], {CHAMPION: effects}, None).counts.breaking == 1


def test_nothing_is_met_behind_a_hidden_registry(tmp_path: Path) -> None:
    hidden_first = np.array([True, False, True, True])
    assert blast(graph(tmp_path), [ENCODER], GONE, hidden_first).counts.affected == 0
    hidden_third = np.array([True, True, True, False])
    assert blast(graph(tmp_path), [ENCODER], GONE, hidden_third).nodes.tolist() == [PINNED, FOLLOWER, TUNED]


effect = st.builds(Effect, st.booleans(), st.just(""))


class Blown(NamedTuple):
    """Something happens at `start` in a world, to which it does this, and somebody who sees these registries asks."""

    world: GraphWorld
    view: frozenset[int] | None
    start: list[int]
    effects: dict[int, list[Effect]]

    @contextmanager
    def stored(self) -> Iterator[tuple[Snapshot, Array | None]]:
        """The world as a graph, and what of it is seen."""
        with tempfile.TemporaryDirectory() as folder:
            snapshot = store(self.world, Path(folder))
            yield snapshot, visibility(self.view, snapshot)


@st.composite
def blown(draw: st.DrawFn) -> Blown:
    world, view = draw(worlds()), draw(st.none() | st.frozensets(st.integers(1, 3)))
    node = st.integers(0, len(world.kinds) - 1)
    start = draw(st.lists(node, min_size=1, max_size=3))
    return Blown(world, view, start, {one: [draw(effect)] for one in draw(st.sets(node, max_size=3))})


@settings(max_examples=60)
@given(blown())
def test_many_are_counted_and_ordered_as_few_are(case: Blown) -> None:
    start, effects = case.start, case.effects
    with case.stored() as (snapshot, visible):
        few = blast(snapshot, start, effects, visible)
        with patch("federation.graph.walk.FEW", -1), patch("federation.graph.blast.FEW", -1):
            many = blast(snapshot, start, effects, visible)
    assert (few.items.tolist(), few.breaks.tolist()) == (many.items.tolist(), many.breaks.tolist())
    assert (few.counts, few.served) == (many.counts, many.served)
    assert {one: list(hit) for one, hit in few.hits.items()} == many.hits


@settings(max_examples=100)
@given(blown(), st.integers(0, 6))
def test_the_first_of_many_are_the_first_of_all_and_all_are_counted(case: Blown, most: int) -> None:
    start, effects = case.start, case.effects
    with case.stored() as (snapshot, visible):
        whole = blast(snapshot, start, effects, visible)
        with patch("federation.graph.walk.FEW", -1):
            begun = blast(snapshot, start, effects, visible, most=most)
    assert begun.nodes.tolist() == whole.nodes.tolist()[:most]
    assert begun.breaks.tolist() == whole.breaks.tolist()[:most]
    assert (begun.counts, begun.served) == (whole.counts, whole.served)
    for ours, theirs in zip(begun.items.tolist(), whole.items.tolist()[:most], strict=True):
        assert path(begun, ours) == path(whole, theirs)
        assert begun.closure.kind[ours] == whole.closure.kind[theirs]


@settings(max_examples=60)
@given(blown(), st.integers(0, 6), st.integers(0, 4))
def test_a_count_in_part_counts_no_more_than_there_is_and_is_exact_unless_it_is_cut(
    case: Blown, most: int, count_to: int
) -> None:
    start, effects = case.start, case.effects
    with case.stored() as (snapshot, visible):
        whole = blast(snapshot, start, effects, visible)
        with patch("federation.graph.walk.FEW", -1):
            part = blast(snapshot, start, effects, visible, most=most, count_to=count_to)
    assert len(part.items) == min(most, part.counts.affected)
    assert set(part.nodes.tolist()) <= set(whole.nodes.tolist())
    for name in ("affected", "breaking", "production", "staging", "live"):
        assert getattr(part.counts, name) <= getattr(whole.counts, name)
    if not part.closure.cut:
        assert (part.counts, part.served) == (whole.counts, whole.served)


def path(found: Blast, item: int) -> list[int]:
    return [int(found.closure.node[step]) for step in found.closure.path(item)]
