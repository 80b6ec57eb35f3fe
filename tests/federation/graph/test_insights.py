"""The top lists, on an estate small enough to know them by heart."""

from dataclasses import replace
from itertools import pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Lineage
from federation.access import EVERYTHING, View
from federation.graph.insights import INSIGHTS, UnknownInsightError
from federation.graph.links import Links, cycles, levels
from federation.graph.links import chain as longest
from tests.federation.graph.chain import Chain


def lines(chain: Chain, name: str, view: View = EVERYTHING) -> list[tuple[str, int, str, list[str]]]:
    found = chain.estate.graph.insights(view, name)
    assert found.total == len(found.items)
    assert found.explains
    return [(item.ref, item.value, item.detail, item.refs) for item in found.items]


def test_most_depended_on(chain: Chain) -> None:
    assert lines(chain, "most-depended-on") == [
        ("texts/encoder:3", 2, "", []),
        ("ranking/ranker:5", 1, "", []),
    ]


def test_deepest_chains(chain: Chain) -> None:
    blend = ("search/search-blend:7", 2, "", ["texts/encoder:3", "ranking/ranker:5", "search/search-blend:7"])
    follower = ("ranking/follower:1", 1, "", ["texts/encoder:3", "ranking/follower:1"])
    assert lines(chain, "deepest-chains") == [blend, follower]


def test_orphans_in_production(chain: Chain) -> None:
    assert lines(chain, "orphans") == [
        ("search/search-blend:7", 2, "no owner, no lineage", []),
        ("texts/encoder:3", 1, "no owner", []),
    ]


def test_single_points_of_failure(chain: Chain) -> None:
    found = lines(chain, "single-points-of-failure")
    assert found == [("texts/encoder:3", 1, "1 team", []), ("ranking/ranker:5", 1, "1 team", [])]


def test_dependencies_that_cross_teams(chain: Chain) -> None:
    assert lines(chain, "cross-team") == [
        ("search/search-blend:7", 1, "", ["ranking/ranker:5"]),
        ("ranking/ranker:5", 1, "", ["texts/encoder:3"]),
        ("ranking/follower:1", 1, "", ["texts/encoder:3"]),
    ]


def test_unresolved_is_what_nobody_knows_or_may_see(chain: Chain) -> None:
    assert lines(chain, "unresolved") == []
    mine = View.of([chain.estate.ids["search"]])
    expected: list[tuple[str, int, str, list[str]]] = [
        ("search/search-blend:7", 1, "depends on ranking/ranker:5", [])
    ]
    assert lines(chain, "unresolved", mine) == expected


def test_duplicates_and_findings(chain: Chain) -> None:
    estate = chain.estate
    digest = "sha256:" + "cd" * 32
    estate.put("texts", replace(chain.third, artifact_digest=digest, tags={"depends_on": "search/copy:1"}))
    copy = estate.model("copy")
    tags = {"depends_on": "ranking/ranker:5 texts/encoder:4"}
    estate.put("search", copy, estate.version(copy, "1", artifact_digest=digest, tags=tags))
    fleeting = estate.model("fleeting")
    one = estate.version(fleeting, "1")
    estate.put("search", fleeting, one)
    user = estate.model("user")
    estate.put("search", user, estate.version(user, "1", tags={"depends_on": "search/fleeting:1"}))
    estate.settle()
    estate.drop("search", "version", one.key)
    estate.settle()
    held = ["texts/encoder:3", "search/copy:1"]
    assert lines(chain, "duplicates") == [(f"digest:{digest}", 2, "", held)]
    cycle = ("texts/encoder:3", 3, "cycle", ["ranking/ranker:5", "search/copy:1"])
    claimed = (f"digest:{digest}", 2, "claimed by several registries", held)
    gone = ("search/user:1", 1, "depends on a deleted version", ["search/fleeting:1"])
    assert lines(chain, "findings") == [cycle, claimed, gone]
    estate.put("search", estate.version(fleeting, "1"))
    estate.settle()
    recreated = ("search/user:1", 1, "target-recreated", ["search/fleeting:1"])
    assert lines(chain, "findings") == [cycle, claimed, recreated]


def test_lineage_and_an_owner_end_being_an_orphan(chain: Chain) -> None:
    third = replace(chain.third, owner="someone", lineage=Lineage(run_id="r"))
    chain.estate.put("texts", third)
    chain.estate.settle()
    assert [line[0] for line in lines(chain, "orphans")] == ["search/search-blend:7"]


def test_every_list_is_empty_for_a_view_of_nothing_and_unknown_ones_are_named(chain: Chain) -> None:
    for name in INSIGHTS:
        assert lines(chain, name, View.of([])) == []
    with pytest.raises(UnknownInsightError, match="most-depended-on"):
        chain.estate.graph.insights(EVERYTHING, "nonsense")


pairs = st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda p: p[0] != p[1]), max_size=25)


@given(pairs)
def test_chains_and_cycles_are_those_of_the_textbook(edges: set[tuple[int, int]]) -> None:
    listed = np.array(sorted(edges), np.int32).reshape(-1, 2)
    found = Links(listed[:, 0], listed[:, 1], 10)
    graph = networkx.DiGraph(sorted(edges))
    assert cycles(found) == sorted(
        sorted(knot) for knot in networkx.strongly_connected_components(graph) if len(knot) > 1
    )
    level = levels(found)
    if networkx.is_directed_acyclic_graph(graph):
        assert level.max() == networkx.dag_longest_path_length(graph)
        end = int(level.argmax())
        path = longest(found, level, end)
        assert len(path) == level[end] + 1
        assert all((b, a) in edges for a, b in pairwise(path))
    else:
        assert level.min() == -1
