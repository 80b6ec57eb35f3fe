"""Lists of a large graph are not waited for: they are shown as they were counted last."""

from typing import Any

import pytest

from federation.access import EVERYTHING, View
from federation.graph import remembered
from federation.graph.graph import Graph
from federation.graph.insights import INSIGHTS, InsightAnswer, UnknownInsightError
from federation.graph.paging import CursorError
from federation.graph.remembered import Remembered, RememberedList
from tests.federation.graph.chain import Chain
from tests.patience import until


def counted(lists: Remembered, name: str, view: View = EVERYTHING) -> InsightAnswer:
    found = until(lambda: lists.insights(view, name), f"{name} is counted")
    assert found is not None
    assert found.at is not None
    return found.answer


def test_over_a_small_graph_every_list_is_of_this_moment(chain: Chain) -> None:
    lists = Remembered(chain.estate.graph)
    found = lists.insights(EVERYTHING, "most-depended-on")
    assert found is not None
    assert found.at is None
    assert found.answer == chain.estate.graph.insights(EVERYTHING, "most-depended-on")


def test_over_a_large_graph_the_first_reader_is_told_to_ask_again(chain: Chain) -> None:
    lists = Remembered(chain.estate.graph, small=0)
    first = [lists.insights(EVERYTHING, name) for name in INSIGHTS]
    assert first[-1] is None
    for name in INSIGHTS:
        assert counted(lists, name) == chain.estate.graph.insights(EVERYTHING, name)


def test_what_is_old_is_shown_and_counted_anew(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FRESH_SECONDS", 0.0)
    lists = Remembered(chain.estate.graph, small=0)
    old = counted(lists, "most-depended-on").items[0].value
    one = chain.estate.model("one")
    chain.estate.put("search", one, chain.estate.version(one, "1", tags={"depends_on": "texts/encoder:3"}))
    chain.estate.settle()
    assert counted(lists, "most-depended-on").items[0].value in (old, old + 1)
    until(lambda: counted(lists, "most-depended-on").items[0].value == old + 1, "the new version counts")


def test_where_nothing_has_changed_what_is_old_is_not_counted_again(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "FRESH_SECONDS", 0.0)
    lists, asked = Remembered(chain.estate.graph, small=0), []
    insights = Graph.insights

    def counting(graph: Graph, view: View, name: str, **options: Any) -> InsightAnswer:
        asked.append(name)
        return insights(graph, view, name, **options)

    monkeypatch.setattr(Graph, "insights", counting)

    def shown() -> RememberedList | None:
        return lists.insights(EVERYTHING, "most-depended-on")

    first = until(shown, "it is counted")
    assert first is not None
    until(lambda: (later := shown()) is not None and later.at != first.at, "it is said of a later moment")
    assert asked == ["most-depended-on"]
    monkeypatch.setattr(remembered, "LONGEST_SECONDS", 0.0)
    until(lambda: shown() and len(asked) > 1, "whatever it is, it does not stand for ever")


def test_each_view_has_lists_of_its_own(chain: Chain) -> None:
    lists = Remembered(chain.estate.graph, small=0)
    mine = View.of([chain.estate.ids["search"]])
    for view in (EVERYTHING, mine):
        assert counted(lists, "unresolved", view) == chain.estate.graph.insights(view, "unresolved")


def test_the_least_recently_counted_is_forgotten(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "KEPT", 2)
    lists = Remembered(chain.estate.graph, small=0)
    for name in INSIGHTS:
        counted(lists, name)
    assert lists.insights(EVERYTHING, next(iter(INSIGHTS))) is None


def test_mistakes_are_told_at_once(chain: Chain) -> None:
    lists = Remembered(chain.estate.graph, small=0)
    with pytest.raises(UnknownInsightError, match="there is no list 'gossip'"):
        lists.insights(EVERYTHING, "gossip")
    with pytest.raises(CursorError):
        lists.insights(EVERYTHING, "orphans", cursor="?")
