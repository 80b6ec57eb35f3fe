"""Real base-model edges: 2,178 are stated in the public models, 1,647 of them resolve, and the walks come out right."""

from collections import defaultdict

import networkx
import pytest

from adapters import Lineage, Parent, Record
from federation.access import EVERYTHING
from federation.graph.graph import Question
from federation.references import Reference
from tests.benchmarks.relevance.models import records
from tests.federation.graph.estate import Estate


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """All public models in one registry, as whole-model references to their bases."""
    estate = Estate(tmp_path_factory.mktemp("public"))
    estate.join("hub", "public")
    chunk: list[Record] = []
    for record in records():
        model = estate.model(record["name"])
        parents = tuple(Parent(str(Reference("hub", base)), "base") for base in record["base_models"])
        chunk += [model, estate.version(model, "1", lineage=Lineage(parents=parents))]
    for start in range(0, len(chunk), 2000):
        estate.put("hub", *chunk[start : start + 2000])
    estate.settle()
    return estate


def test_every_edge_loads_and_what_is_listed_resolves(hub: Estate) -> None:
    names = {record["name"] for record in records()}
    stated = [base for record in records() for base in record["base_models"]]
    assert (len(stated), sum(base in names for base in stated)) == (2178, 1647)
    assert hub.graph.insights(EVERYTHING, "unresolved").total == 2178 - 1647
    # Five hops are stated, the last of them to a base that is not listed.
    assert hub.graph.insights(EVERYTHING, "deepest-chains").items[0].value == 4
    assert hub.graph.insights(EVERYTHING, "most-depended-on").items[0].value == 36


def test_walks_over_them_are_those_of_networkx(hub: Estate) -> None:
    graph = networkx.DiGraph()
    names = {record["name"] for record in records()}
    for record in records():
        graph.add_edges_from((base, record["name"]) for base in record["base_models"] if base in names)
    fan_out = sorted(graph, key=lambda name: (-graph.out_degree(name), name))
    for name in fan_out[:20] + fan_out[-20:]:
        wanted = networkx.single_source_shortest_path_length(graph, name)
        ref = Reference("hub", name, version="1")
        found = hub.graph.impact(EVERYTHING, Question(ref), "delete", limit=1000)
        assert found.counts.affected == len(wanted) - 1
        by_distance: dict[int, set[str]] = defaultdict(set)
        for item in found.affected:
            by_distance[item.distance].add(item.ref)
        assert {ref for refs in by_distance.values() for ref in refs} == {
            str(Reference("hub", other, version="1")) for other in wanted if other != name
        }
        assert all(
            str(Reference("hub", other, version="1")) in by_distance[distance]
            for other, distance in wanted.items()
            if distance
        )
