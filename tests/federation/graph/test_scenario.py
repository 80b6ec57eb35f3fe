"""encoder:3 (team A) → ranker:5 (team B) → search-blend:7 (team C, live): what each question answers."""

from dataclasses import replace

import pytest

from federation.access import EVERYTHING, View
from federation.errors import UnknownError
from federation.graph.graph import Question
from federation.graph.subject import ImpactQuestionError
from federation.references import parse
from tests.federation.graph.chain import MORE, Chain


def test_archiving_breaks_who_pins_or_follows_and_affects_the_rest(chain: Chain) -> None:
    found = chain.estate.graph.impact(EVERYTHING, Question(parse("texts/encoder:3")), "archive")
    assert [(a.ref, a.distance, a.breaks, a.severity) for a in found.affected] == [
        ("ranking/ranker:5", 1, True, "staging"),
        ("ranking/follower:1", 1, True, "other"),
        ("search/search-blend:7", 2, False, "live"),
    ]
    assert [a.reason for a in found.affected] == [
        "pinned to texts/encoder:3, which would be archived",
        "follows texts/encoder@champion, which means texts/encoder:3, which would be archived",
        "depends on ranking/ranker:5",
    ]
    assert [a.via for a in found.affected] == [[], ["texts/encoder@champion"], ["ranking/ranker:5"]]
    assert [e.name for e in found.affected[2].endpoints] == ["blend-live"]
    counts = found.counts
    assert (counts.affected, counts.breaking, counts.production, counts.live) == (3, 2, 1, 1)
    assert (counts.teams, counts.registries, found.severity) == (2, 2, "live")
    assert (found.scope, found.complete, found.note, found.unresolved) == ("all", True, "", [])


def test_moving_an_alias_breaks_only_whose_contract_refuses(chain: Chain) -> None:
    graph, question = chain.estate.graph, Question(parse("texts/encoder@champion"))
    refused = graph.impact(EVERYTHING, question, "move-alias", to="4")
    assert [(a.ref, a.breaks) for a in refused.affected] == [("ranking/follower:1", True)]
    assert "output vector: shape changed ([-1, 128] → [-1, 256])" in refused.affected[0].reason
    taken = graph.impact(EVERYTHING, question, "move-alias", to="texts/encoder:5")
    assert [(a.ref, a.breaks) for a in taken.affected] == [("ranking/follower:1", False)]
    stays = graph.impact(EVERYTHING, question, "move-alias", to="3")
    assert stays.counts.breaking == 0


def test_a_change_of_schema_breaks_whoever_consumed_it(chain: Chain) -> None:
    graph, question = chain.estate.graph, Question(parse("texts/encoder:3"))
    assert graph.impact(EVERYTHING, question, "change").counts.breaking == 2
    assert graph.impact(EVERYTHING, question, "change", to="4").counts.breaking == 2
    assert graph.impact(EVERYTHING, question, "change", to="5").counts.breaking == 0


def test_an_alias_that_moves_takes_its_followers_along(chain: Chain) -> None:
    estate = chain.estate
    estate.put("texts", replace(chain.encoder, aliases={"champion": "4"}))
    estate.settle()
    third, fourth = (
        estate.graph.impact(EVERYTHING, Question(parse(f"texts/encoder:{n}")), "delete") for n in (3, 4)
    )
    assert [a.ref for a in third.affected] == ["ranking/ranker:5", "search/search-blend:7"]
    assert [a.ref for a in fourth.affected] == ["ranking/follower:1"]


def test_a_follower_of_a_stage_gets_the_next_version_that_holds_it(chain: Chain) -> None:
    estate = chain.estate
    user = estate.model("user")
    estate.put(
        "search", user, estate.version(user, "1", tags={"depends_on": "texts/encoder@stage:production"})
    )
    estate.settle()
    alone = estate.graph.impact(EVERYTHING, Question(parse("texts/encoder:3")), "archive")
    assert next(a for a in alone.affected if a.ref == "search/user:1").breaks
    estate.put("texts", estate.version(chain.encoder, "2", schema=MORE, stage="Production"))
    estate.put("texts", replace(chain.third, tags={"again": "yes"}))
    estate.settle()
    newest = estate.graph.impact(EVERYTHING, Question(parse("texts/encoder:2")), "archive")
    (found,) = newest.affected
    assert (found.ref, found.breaks) == ("search/user:1", True)
    assert "which would mean texts/encoder:3: output norm: column missing" in found.reason


def test_datasets_and_commits_tell_who_learned_from_them(chain: Chain) -> None:
    graph = chain.estate.graph
    by_name = graph.impact(EVERYTHING, Question(dataset="clicks"))
    assert [(a.ref, a.distance) for a in by_name.affected][:1] == [("search/search-blend:7", 3)]
    assert by_name.counts.affected == 4
    assert by_name.counts.breaking == 0
    assert graph.impact(EVERYTHING, Question(dataset="clicks#d1")).counts == by_name.counts
    assert graph.impact(EVERYTHING, Question(commit="0123456")).counts == by_name.counts
    for unknown in (Question(dataset="click"), Question(commit="012"), Question(parse("texts/encoder:9"))):
        with pytest.raises(UnknownError):
            graph.impact(EVERYTHING, unknown)


def test_upstream_lists_everything_it_is_made_of(chain: Chain) -> None:
    found = chain.estate.graph.dependencies(EVERYTHING, parse("search/search-blend:7"))
    assert [(n.ref, n.kind, n.distance) for n in found.dependencies] == [
        ("ranking/ranker:5", "version", 1),
        ("texts/encoder:3", "version", 2),
        ("run:texts/r1", "run", 3),
        ("dataset:clicks#d1", "dataset", 3),
        ("commit:0123456789abcdef", "commit", 3),
    ]
    assert found.dependencies[0].sources[0].origin == "tag"
    assert found.dependencies[1].via == ["ranking/ranker:5"]
    assert (found.counts.versions, found.counts.datasets, found.counts.commits, found.counts.runs) == (
        2,
        1,
        1,
        1,
    )
    follower = chain.estate.graph.dependencies(EVERYTHING, parse("ranking/follower:1"), depth=1)
    assert [(n.ref, n.via) for n in follower.dependencies] == [
        ("texts/encoder:3", ["texts/encoder@champion"])
    ]
    assert follower.dependencies[0].sources[0].kind == "depends_on"


def test_pages_follow_each_other_without_gap_or_double(chain: Chain) -> None:
    graph, question = chain.estate.graph, Question(parse("texts/encoder:3"))
    seen, cursor = [], None
    while True:
        page = graph.impact(EVERYTHING, question, "archive", limit=1, cursor=cursor)
        assert page.counts.affected == 3
        seen += [a.ref for a in page.affected]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [a.ref for a in graph.impact(EVERYTHING, question, "archive").affected]


def test_a_restricted_view_sees_its_part_and_always_the_same_sentence(chain: Chain) -> None:
    estate = chain.estate
    mine = View.of([estate.ids["texts"], estate.ids["search"]])
    found = estate.graph.impact(mine, Question(parse("texts/encoder:3")), "archive")
    assert (found.counts.affected, found.scope, found.severity) == (0, "visible", "none")
    assert found.note.startswith("This covers the registries you may see")
    with pytest.raises(UnknownError):
        estate.graph.impact(mine, Question(parse("ranking/ranker:5")), "archive")
    up = estate.graph.dependencies(mine, parse("search/search-blend:7"))
    assert [(u.consumer, u.wanted) for u in up.unresolved] == [("search/search-blend:7", "ranking/ranker:5")]
    gate = estate.graph.impact(mine, Question(parse("texts/encoder:3")), "archive", everything=True)
    assert (gate.counts.affected, gate.counts.breaking, gate.severity, gate.affected) == (3, 2, "live", [])


def test_questions_that_make_no_sense_say_so(chain: Chain) -> None:
    graph = chain.estate.graph
    for ref, action, to in (
        ("texts/encoder:3", "move-alias", "4"),
        ("texts/encoder@champion", "move-alias", None),
        ("texts/encoder@champion", "move-alias", "99"),
        ("texts/encoder:3", "archive", "4"),
    ):
        with pytest.raises(ImpactQuestionError):
            graph.impact(EVERYTHING, Question(parse(ref)), action, to=to)  # type: ignore[arg-type]


def test_a_selector_is_called_after_its_own_model_whatever_ids_meet(chain: Chain) -> None:
    """The selector of search-blend and the version ranker:5 have the same number, each in its own table."""
    estate = chain.estate
    estate.put("ranking", replace(chain.ranker, tags={"depends_on": "search/search-blend"}))
    estate.settle()
    question = Question(parse("search/search-blend:7"))
    (found,) = estate.graph.impact(EVERYTHING, question, "delete").affected
    assert (found.ref, found.via) == ("ranking/ranker:5", ["search/search-blend"])
    assert 'label="search/search-blend"' in estate.graph.drawing(EVERYTHING, question, "delete")
