"""What is around a version: what it needs and what needs it, opened node by node."""

import re
from collections.abc import Sequence

import pytest

from federation.access import EVERYTHING, View
from federation.graph.around import NEAR, Surroundings
from federation.graph.drawing import LIMIT
from federation.references import parse
from tests.federation.graph.chain import Chain
from tests.federation.graph.estate import Estate


def drawn(
    estate: Estate, ref: str, *opened: str, whole: bool = False, view: View = EVERYTHING
) -> Surroundings:
    return estate.graph.around(
        view, parse(ref), opened=opened, whole=whole, page="/versions/", opens=lambda name: f"?open={name}"
    )


def boxes(found: Surroundings) -> set[str]:
    return set(re.findall(r'^  \w+ \[label="(.*?)", ', found.dot, re.MULTILINE))


def arrows(found: Surroundings) -> set[tuple[str, str]]:
    names = dict(re.findall(r'^  (\w+) \[label="(.*?)", ', found.dot, re.MULTILINE))
    return {(names[a], names[b]) for a, b in re.findall(r"^  (\w+) -> (\w+) ", found.dot, re.MULTILINE)}


def test_what_it_needs_stands_before_it_and_what_needs_it_behind(chain: Chain) -> None:
    found = drawn(chain.estate, "ranking/ranker:5")
    assert boxes(found) == {
        "+ 3",
        "texts/encoder:3",
        "ranking/ranker:5",
        "search/search-blend:7",
        "+ 1",
    }
    assert ("texts/encoder:3", "ranking/ranker:5") in arrows(found)
    assert ("ranking/ranker:5", "search/search-blend:7") in arrows(found)
    assert set(found.teams) == {"a", "b", "c"}
    assert 'URL="/versions/search/search-blend:7"' in found.dot


def test_a_node_is_opened_in_its_own_direction(chain: Chain) -> None:
    closed = drawn(chain.estate, "ranking/ranker:5")
    assert 'URL="?open=texts/encoder:3"' in closed.dot
    opened = drawn(chain.estate, "ranking/ranker:5", "texts/encoder:3", "somebody/unheard:1")
    assert opened.opened == ["texts/encoder:3"]
    added = boxes(opened) - boxes(closed)
    assert {name.partition(":")[0] for name in added} == {"dataset", "commit", "run"}
    assert "ranking/follower:1" not in boxes(opened)  # it needs the encoder too, but is around that


def test_the_whole_needs_no_opening(chain: Chain) -> None:
    found = drawn(chain.estate, "ranking/ranker:5", whole=True)
    assert found.closed == 0
    assert not [name for name in boxes(found) if name.startswith("+")]
    assert "endpoint:search/blend-live" in boxes(found)


def test_what_is_hidden_is_not_even_counted(chain: Chain) -> None:
    ranking = View.of([chain.estate.ids["ranking"]])
    found = drawn(chain.estate, "ranking/ranker:5", "texts/encoder:3", whole=True, view=ranking)
    assert boxes(found) == {"ranking/ranker:5"}
    assert (found.closed, found.opened, set(found.teams)) == (0, [], {"b"})


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """A base with 300 dependents, the last of them in production, and one before it that needs something."""
    estate = Estate(tmp_path_factory.mktemp("hub"))
    estate.join("bases", "a")
    for name, needed in (("first", ""), ("base", "bases/first:1")):
        model = estate.model(name)
        estate.put("bases", model, estate.version(model, "1", tags={"depends_on": needed} if needed else {}))
    model = estate.model("user")
    tags = {"depends_on": "bases/base:1"}
    stages: Sequence[str | None] = [None] * 299 + ["Production"]
    versions = [estate.version(model, str(n), tags=tags, stage=stage) for n, stage in enumerate(stages)]
    estate.put("bases", model, *versions)
    estate.settle()
    return estate


def test_of_many_neighbours_those_in_production_come_first_and_the_others_are_counted(hub: Estate) -> None:
    found = drawn(hub, "bases/base:1")
    assert {"bases/user:299", f"+ {300 - NEAR}"} < boxes(found)
    assert len([name for name in boxes(found) if "user" in name]) == NEAR
    opened = drawn(hub, "bases/base:1", "bases/base:1")
    assert NEAR < len(boxes(opened)) <= LIMIT
    assert drawn(hub, "bases/base:1", whole=True).closed == 1


def test_a_neighbour_of_many_is_closed_and_says_how_many(hub: Estate) -> None:
    assert boxes(drawn(hub, "bases/first:1")) == {"bases/first:1", "bases/base:1", "+ 300"}
