"""What search finds, in which order, and what it says about it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters import Schema
from federation.access import EVERYTHING, NOTHING, View
from federation.search import cursor
from federation.search.answer import Group, SearchError, SearchRequest
from federation.search.cursor import PagePosition
from federation.search.lexicon import Lexicon
from federation.search.sorting import fingerprint
from federation.search.tantivy import facets, order
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.federation.search.world import SearchWorld, document

OLD, NEW = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    world = SearchWorld()
    world.put(
        document("fraud-detector", 1, stage="archived", created=OLD, metrics={"auc": 0.91}),
        document(
            "fraud-detector", 2, stage="production", created=OLD, metrics={"auc": 0.95}, aliases=("champion",)
        ),
        document(
            "fraud-detector", 3, stage="none", created=NEW, tags={"git.commit": "abc123", "größe": "klein"}
        ),
    )
    world.put(document("FraudDetectorV2", 1, framework="xgboost", license="MIT", owner="Ada"))
    world.put(
        document("churn", 1, registry="crm", registry_id=2, team="growth", description="not fraud but churn")
    )
    world.put(
        document(
            "click-classifier",
            7,
            registry="ads",
            registry_id=3,
            team="ads",
            tags={"task": "nlp"},
            params={"lr": "0.01"},
            depends_on=("ads/feature-encoder:3",),
            schema=Schema(),
        )
    )
    world.put(document("resnet-50", 1, registry="vision", registry_id=4, team="cv"))
    world.put(document("empty-model", None, registry="vision", registry_id=4, team="cv"))
    return world.search(tmp_path_factory.mktemp("index"))


def found(search: Search, text: str, view: View = EVERYTHING, **asked: Any) -> list[str]:
    return [hit.ref for hit in search.query(view, SearchRequest(q=text, **asked)).hits]


def test_a_name_is_found_whole_in_parts_and_however_it_is_spelled(search: Search) -> None:
    for text in (
        "fraud-detector",
        "fraud detector",
        "FraudDetector",
        "frauddetector",
        "detector fraud",
        "fraud det",
    ):
        assert found(search, text)[0].startswith("fraud/"), text
    for text in ("resnet50", "ResNet-50", "resnet 50", "resnet_50", "50"):
        assert found(search, text) == ["vision/resnet-50:1"], text


def test_the_exact_name_comes_before_a_longer_one_and_a_name_before_a_description(search: Search) -> None:
    assert found(search, "fraud") == ["fraud/fraud-detector:2", "fraud/FraudDetectorV2:1", "crm/churn:1"]


def test_a_model_is_one_hit_with_its_best_version_and_the_number_of_others(search: Search) -> None:
    answer = search.query(EVERYTHING, SearchRequest(q="fraud-detector"))
    assert [(hit.ref, hit.others) for hit in answer.hits] == [
        ("fraud/fraud-detector:2", 2), ("fraud/FraudDetectorV2:1", 0)
    ]  # fmt: skip
    assert (answer.total, answer.models) == (4, 2)


def test_a_model_without_versions_counts_as_a_model_and_no_version(search: Search) -> None:
    for text, expected in (("empty-model", (0, 1)), ("team:cv", (1, 2)), ("", (7, 6)), ("nowhere", (0, 0))):
        for group in ("model", "version"):
            answer = search.query(EVERYTHING, SearchRequest(q=text, group=group))
            assert (answer.versions, answer.models) == expected, text
            assert answer.total >= len(answer.hits) > 0 or answer.models == 0


LARGEST = 1.7976931348623157e308
"""What MLflow stores for infinity."""


def test_every_finite_metric_is_found_and_sorted(tmp_path: Path) -> None:
    values = [LARGEST, 1e300, 1e-300, 5e-324, 0.0, -1e300, -LARGEST]
    world = SearchWorld()
    for at, value in enumerate(values):
        world.put(
            document(f"m{at}", metrics={"loss": value}, params={"p": repr(value)}, tags={"t": repr(value)})
        )
    search = world.search(tmp_path)
    for field in ("metric.loss", "param.p", "tag.t"):
        for text, expected in ((">=1e300", [0, 1]), (">1e300", [0]), ("<=-1e300", [5, 6]), ("1..1e301", [1]),
                               (f">={LARGEST!r}", [0]), (f"<={-LARGEST!r}", [6])):  # fmt: skip
            assert sorted(found(search, f"{field}:{text}")) == [f"fraud/m{at}:1" for at in expected], text
    assert found(search, "", sort="metric.loss") == [f"fraud/m{at}:1" for at in range(7)]


def test_every_version_is_a_hit_when_asked(search: Search) -> None:
    assert found(search, "fraud-detector", group="version")[:3] == [
        "fraud/fraud-detector:2", "fraud/fraud-detector:3", "fraud/fraud-detector:1"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("stage:production", {"fraud/fraud-detector:2"}),
        ("alias:champion", {"fraud/fraud-detector:2"}),
        (
            "registry:fraud stage:(production OR archived)",
            {"fraud/fraud-detector:2", "fraud/fraud-detector:1"},
        ),
        ("team:gro*", {"crm/churn:1"}),
        ("owner:ada", {"fraud/FraudDetectorV2:1"}),
        ("framework:XGBoost license:mit", {"fraud/FraudDetectorV2:1"}),
        ("xgb", {"fraud/FraudDetectorV2:1"}),
        ("tag.git.commit:abc*", {"fraud/fraud-detector:3"}),
        ("tag.größe:KLEIN", {"fraud/fraud-detector:3"}),
        ("metric.auc:>0.91", {"fraud/fraud-detector:2"}),
        ("metric.auc:0.9..0.92", {"fraud/fraud-detector:1"}),
        ("metric.auc:<1e-7", set()),
        ("metric.auc:>-1e290", {"fraud/fraud-detector:1", "fraud/fraud-detector:2"}),
        ("param.lr:0.01", {"ads/click-classifier:7"}),
        ("param.lr:<0.1", {"ads/click-classifier:7"}),
        ("depends_on:ads/feature-encoder:3", {"ads/click-classifier:7"}),
        ("depends_on:feature-encoder", {"ads/click-classifier:7"}),
        ("depends_on:feature-enc*", {"ads/click-classifier:7"}),
        ("has:schema", {"ads/click-classifier:7"}),
        ("created:<2021 model:fraud-detector", {"fraud/fraud-detector:1", "fraud/fraud-detector:2"}),
        ("created:>2026-01-01", set()),
        ("created:>=2026-01-01", {"fraud/fraud-detector:3"}),
        ("natural language processing", {"ads/click-classifier:7"}),
        ('"not fraud"', {"crm/churn:1"}),
        ('"fraud not"', set()),
        ("fraud -detector", {"crm/churn:1"}),
        ("churn OR resnet", {"crm/churn:1", "vision/resnet-50:1"}),
        ("-(fraud OR churn) -team:cv", {"ads/click-classifier:7"}),
        ("registry:vision", {"vision/resnet-50:1", "vision/empty-model"}),
        ("ads/click-classifier:7", {"ads/click-classifier:7"}),
        ("model:fraud-*", {"fraud/fraud-detector:1", "fraud/fraud-detector:2", "fraud/fraud-detector:3"}),
        ("is:production", {"fraud/fraud-detector:2"}),
        ("is:stale", set()),
        ("!!!", None),
    ],
)
def test_the_language_finds_what_it_says(search: Search, text: str, refs: set[str] | None) -> None:
    refs_found = set(found(search, text, group="version"))
    assert refs_found == refs if refs is not None else len(refs_found) == 8


def test_one_typo_is_forgiven_and_said(search: Search) -> None:
    answer = search.query(EVERYTHING, SearchRequest(q="clasifier"))
    assert [hit.ref for hit in answer.hits] == ["ads/click-classifier:7"]
    assert [(one.word, one.instead) for one in answer.corrections] == [("clasifier", "classifier")]
    assert found(search, "chrn") == ["crm/churn:1"]
    assert found(search, "chn") == []


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("malmø", "malmo"),
        ("prognose-für-wäsche", "wasceh"),
        ("модель", "модкль"),
        ("推薦システム", "推薦シテム"),
        ("overdraftprobabilityestimator", "overdraftprobabiltyestimator"),
        ("credit-risk", "creditrsik"),
    ],
)
def test_a_typo_is_forgiven_in_any_script_and_length(name: str, typed: str, tmp_path: Path) -> None:
    world = SearchWorld()
    world.put(document(name, 1))
    world.put(document("something-else", 1))
    assert found(world.search(tmp_path), typed) == [f"fraud/{name}:1"]


def test_beside_a_word_that_nothing_is_like_no_other_spelling_is_tried(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    count = facets.count

    def counting(*asked: Any) -> facets.ResultCounts:
        counted.append("once")
        return count(*asked)

    monkeypatch.setattr(facets, "count", counting)
    assert not search.query(EVERYTHING, SearchRequest(q="churm unheardof", strict=True)).hits
    assert counted == ["once"]


def test_a_word_that_only_a_hidden_registry_has_is_still_corrected(search: Search) -> None:
    visible = View.of([1, 2])
    assert found(search, "churm", visible) == ["crm/churn:1"]
    assert found(search, "clasifier", visible) == []
    assert found(search, "churn", NOTHING) == []


def test_facets_count_versions_of_the_whole_result(search: Search) -> None:
    answer = search.query(EVERYTHING, SearchRequest(q="", limit=1, facets=("registry", "stage", "tag.größe")))
    assert [(one.value, one.count) for one in answer.facets["registry"]] == [
        ("fraud", 4), ("vision", 2), ("ads", 1), ("crm", 1)
    ]  # fmt: skip
    assert {one.value: one.count for one in answer.facets["stage"]} == {
        "none": 6,
        "production": 1,
        "archived": 1,
    }
    assert [(one.value, one.count) for one in answer.facets["tag.größe"]] == [("klein", 1)]


def test_highlights_say_where_the_words_stand(search: Search) -> None:
    hit = search.query(EVERYTHING, SearchRequest(q="detector")).hits[0]
    assert [(one.field, [one.text[low:high] for low, high in one.ranges]) for one in hit.highlights] == [
        ("model", ["detector"])
    ]


def test_an_explanation_says_why_a_hit_stands_where_it_does(search: Search) -> None:
    hits = search.query(EVERYTHING, SearchRequest(q="fraud", explain=True)).hits
    assert [hit.explanation["matched"] for hit in hits if hit.explanation] == [
        "the name begins with this", "the name begins with this", "in the description"
    ]  # fmt: skip
    assert all(left.score >= right.score for left, right in pairwise(hits))


@pytest.mark.parametrize(
    ("sort", "refs"),
    [
        ("metric.auc", ["fraud/fraud-detector:2", "fraud/fraud-detector:1", "fraud/fraud-detector:3"]),
        ("metric.auc:asc", ["fraud/fraud-detector:1", "fraud/fraud-detector:2", "fraud/fraud-detector:3"]),
        ("created", ["fraud/fraud-detector:3", "fraud/fraud-detector:2", "fraud/fraud-detector:1"]),
        ("updated:asc", ["fraud/fraud-detector:2", "fraud/fraud-detector:1", "fraud/fraud-detector:3"]),
    ],
)
def test_sorting_by_a_value_keeps_those_without_it_at_the_end(
    search: Search, sort: str, refs: list[str]
) -> None:
    assert found(search, "model:fraud-detector", sort=sort, group="version") == refs


@pytest.mark.parametrize(
    "sort", ["relevance", "updated", "-created", "name", "-name", "metric.auc", "metric.auc:asc"]
)
@pytest.mark.parametrize("group", ["model", "version"])
def test_pages_of_any_order_put_together_are_the_whole(search: Search, sort: str, group: Any) -> None:
    whole = found(search, "", sort=sort, group=group, limit=100)
    pages: list[str] = []
    cursor = None
    while True:
        answer = search.query(EVERYTHING, SearchRequest(sort=sort, group=group, limit=1, cursor=cursor))
        pages += [hit.ref for hit in answer.hits]
        cursor = answer.next_cursor
        if cursor is None:
            break
    assert pages == whole
    assert len(whole) == (6 if group == "model" else 8)


@pytest.mark.parametrize("cursor", ["", "%%%", "AAAA", "W10", "bm90IGpzb24"])
def test_a_damaged_cursor_is_refused(search: Search, cursor: str) -> None:
    if cursor:
        with pytest.raises(SearchError, match="damaged"):
            search.query(EVERYTHING, SearchRequest(cursor=cursor))


def test_a_cursor_of_another_search_is_refused(search: Search) -> None:
    cursor = search.query(EVERYTHING, SearchRequest(q="fraud", limit=1)).next_cursor
    with pytest.raises(SearchError, match="another search"):
        search.query(EVERYTHING, SearchRequest(q="churn", limit=1, cursor=cursor))


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [({"limit": 0}, "limit"), ({"limit": 10_000}, "limit"), ({"sort": "beauty"}, "sort"), ({"sort":
    "metric."}, "sort"),
     ({"facets": ("wings",)}, "facets"), ({"facets": ("tag.",)}, "facets")],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(
    search: Search, asked: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(SearchError) as caught:
        search.query(EVERYTHING, SearchRequest(**asked))
    assert caught.value.parameter == parameter


def test_suggestions_complete_qualifiers_values_and_names(search: Search) -> None:
    def suggested(text: str, view: View = EVERYTHING) -> list[str]:
        return [one.text for one in search.suggest(view, text)]

    assert suggested("sta") == ["stage:", "state:"]
    assert suggested("fraud stage:pro") == ["fraud stage:production"]
    assert suggested("tag.gi") == ["tag.git.commit:"]
    assert suggested("-team:") == ["-team:risk", "-team:cv", "-team:ads", "-team:growth"]
    assert suggested("click") == ["click-classifier"]
    assert suggested("click", View.of([1])) == []
    assert suggested("click-classifier") == suggested("click-classifie") == ["click-classifier"]
    assert suggested("click-classifierx") == []
    assert suggested("is:st") == ["is:stale", "is:staging"]


def test_the_best_of_many_names_that_begin_so_are_suggested(tmp_path: Path) -> None:
    world = SearchWorld()
    for number in range(60):
        world.put(document(f"fraud-{number:02}", 1, stage="archived"))
    world.put(document("fraud-zz", 1, stage="archived"), document("fraud-zz", 2, stage="production"))
    world.put(document("group/fraud-in-a-very-long-name", 1, stage="production"))
    world.put(document("fraud-zz", 1, registry="crm", registry_id=2))
    search = world.search(tmp_path)
    found = {one.label: one.count for one in search.suggest(EVERYTHING, "fraud")}
    assert len(found) == 10
    assert list(found)[:2] == ["fraud-zz", "group/fraud-in-a-very-long-name"]
    assert found["fraud-zz"] == 3
    for typed in ("fraud-in-a-very-lo", "group/fraud-in-a-very-lo"):
        assert [one.label for one in search.suggest(EVERYTHING, typed)] == ["group/fraud-in-a-very-long-name"]


@pytest.mark.parametrize("sort", ["metric.auc", "metric.auc:asc"])
@pytest.mark.parametrize("group", ["model", "version"])
def test_many_matches_are_sorted_by_a_metric_like_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: str, group: Group
) -> None:
    world = SearchWorld()
    for number in range(40):
        metrics = {"auc": number / 8 if number % 3 else -0.25}
        world.put(*(document(f"model-{number}", version, metrics=metrics) for version in (1, 2)))
    few = pages(world.search(tmp_path), SearchRequest(sort=sort, limit=1, group=group))
    monkeypatch.setattr(order, "MANY", 1)
    assert pages(world.search(tmp_path), SearchRequest(sort=sort, limit=1, group=group)) == few
    assert len(few) == len(set(few)) == (40 if group == "model" else 80)


def pages(search: Search, request: SearchRequest) -> list[str]:
    """The references of all hits, page by page."""
    found: list[str] = []
    while True:
        answer = search.query(EVERYTHING, request)
        found += [hit.ref for hit in answer.hits]
        if answer.next_cursor is None:
            return found
        request = replace(request, cursor=answer.next_cursor)


def test_an_answer_is_remembered_until_the_index_changes(tmp_path: Path) -> None:
    world = SearchWorld()
    world.put(document("churn"))
    search, request = world.search(tmp_path), SearchRequest(q="churn")
    first = search.query(EVERYTHING, request)
    search.reload()
    assert search.query(EVERYTHING, request).hits is first.hits
    assert search.query(View.of([2]), request).hits == ()
    world.put(document("churn-again"), document("leaving"))
    IndexFollower(tmp_path, world).step()
    search.reload()
    assert search.query(EVERYTHING, request).total == 2
    search.lexicon = Lexicon({("churn",): (("leaving",),)}, longest=1)
    assert search.query(EVERYTHING, request).total == 3


def test_a_cursor_to_a_place_that_cannot_be_is_refused(search: Search) -> None:
    request = SearchRequest(q="fraud")
    beyond = cursor.encode(PagePosition(99, (1, 2)), fingerprint(request))
    with pytest.raises(SearchError) as caught:
        search.query(EVERYTHING, replace(request, cursor=beyond))
    assert caught.value.parameter == "cursor"


def test_without_an_index_the_answer_is_empty_and_partial(tmp_path: Path) -> None:
    search = Search(tmp_path, SearchWorld().registries, SearchWorld().search(tmp_path / "other").lexicon)
    answer = search.query(EVERYTHING, SearchRequest(q="fraud"))
    assert (answer.partial, answer.hits, search.reload()) == (True, (), -1)
