"""What is found where nothing has all of a request, what is said of it, and what is never left out."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from adapters import Dataset, Lineage
from federation.access import EVERYTHING, View
from federation.search.answer import SearchAnswer, SearchRequest
from federation.search.document import Document
from federation.search.tantivy.engine import Search
from federation.search.versions import order_key
from tests.federation.search.world import SearchWorld, described

NUMBER = "9f1c2ab7d4e65c0f"
_ids = count(1)


def document(model: str, version: str, registry: str = "lab", **said: Any) -> Document:
    ids = {"registry_id": {"lab": 1, "shop": 2}[registry], "model_id": next(_ids), "version_id": next(_ids)}
    return described(registry, "risk", model, version, **ids, **said)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    world = SearchWorld()
    world.put(
        document(
            "acme/tales-tts", "1", license="apache-2.0", framework="coqui-tts",
            created=datetime(2026, 3, 1, tzinfo=UTC),
            tags={"pipeline_tag": "text-to-speech", "languages": "en, de"}, stage="production",
        ),
        document(
            "acme/scribe-7b", "1", tags={"task": "asr", "lang": "fr", "License": "cc-by-nc-4.0", "size": "7.2B"},
            metrics={"wer": 0.05}, lineage=Lineage(commit=NUMBER, run_id="run-1", datasets=(Dataset("voices"),)),
        ),
        document("acme/scribe-small", "1", tags={"task": "asr", "lang": "de"}, metrics={"wer": 0.2}),
        document("seller-fraud", "2.10.0", registry="shop", description="finds fraud of sellers"),
        document("seller-scores", "2.9.0-rc.1", registry="shop"),
        document("seller-ranks", "nightly-2", registry="shop", artifact_digest="sha256:" + "ab" * 32),
    )  # fmt: skip
    return world.search(tmp_path_factory.mktemp("index"))


def asked(search: Search, q: str, view: View = EVERYTHING, **more: object) -> SearchAnswer:
    return search.query(view, SearchRequest(q=q, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("english speech synthesis released 2026", ["acme/tales-tts"]),
        ("read aloud german apache 2.0 license", ["acme/tales-tts"]),
        ("german transcription", ["acme/scribe-small"]),
        ("french dictation non-commercial", ["acme/scribe-7b"]),
        ("transcribe 7b", ["acme/scribe-7b"]),
        ("speech recognition wer below 0.1", ["acme/scribe-7b"]),
        ("asr best wer", ["acme/scribe-7b", "acme/scribe-small"]),
        ("asr highest wer", ["acme/scribe-small", "acme/scribe-7b"]),
        ("is there already a model that detects fraudulent sellers?", ["seller-fraud"]),
        ("trained on voices by acme", ["acme/scribe-7b"]),
        (f"commit:{NUMBER[:7]}", ["acme/scribe-7b"]),
        (NUMBER[:9], ["acme/scribe-7b"]),
        (f"digest:sha256:{'ab' * 32}", ["seller-ranks"]),
        ("ab" * 32, ["seller-ranks"]),
        ("run:run-1", ["acme/scribe-7b"]),
        ("dataset:voices", ["acme/scribe-7b"]),
        ("version:>=2.9", ["seller-fraud"]),
        ("version:2.9.0-beta..2.9.0", ["seller-scores"]),
        ("version:>=nightly-1", ["seller-ranks"]),
        ("parameters:>1b task:asr language:fr", ["acme/scribe-7b"]),
    ],
)
def test_a_request_finds_what_it_means(search: Search, q: str, found: list[str]) -> None:
    assert [hit.model for hit in asked(search, q).hits] == found


def test_versions_are_ordered_as_semver_has_it() -> None:
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
               "v1.0.0", "1.0.1", "1.2", "1.10", "2"]  # fmt: skip
    assert sorted(ordered, key=order_key) == ordered


def test_the_word_that_costs_least_is_left_out_and_named(search: Search) -> None:
    answer = asked(search, "german speech synthesis for podcasts")
    assert ([hit.model for hit in answer.hits], answer.relaxed, answer.nothing_fits) == (
        ["acme/tales-tts"], ("podcasts",), False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "more", [{"q": 'german synthesis "podcasts"'},
             {"q": "german asr podcasts", "strict": True}, {"q": "seller -seller"}]
)  # fmt: skip
def test_what_is_never_left_out(search: Search, more: dict[str, object]) -> None:
    answer = search.query(EVERYTHING, SearchRequest(**more))  # type: ignore[arg-type]
    assert (answer.total, answer.hits, answer.near, answer.nothing_fits) == (0, (), (), True)


def test_what_nothing_fits_says_so_and_shows_what_is_near(search: Search) -> None:
    answer = asked(search, "german volcano eruption podcast forecasts")
    assert (answer.nothing_fits, answer.total, answer.hits, answer.next_cursor) == (True, 0, (), None)
    assert {hit.model for hit in answer.near} == {"acme/tales-tts", "acme/scribe-small"}


def test_what_was_understood_is_told_and_taken_back(search: Search) -> None:
    answer = asked(search, "german transcription by nobody")
    assert [(chip.text, chip.meaning) for chip in answer.understood] == [
        ("german", "language"), ("transcription", "task"),
    ]  # fmt: skip
    back = asked(search, "german transcription", literal=("transcription",), strict=False)
    assert [chip.text for chip in back.understood] == ["german"]
    assert asked(search, "german transcription", strict=True).understood == ()


@pytest.mark.parametrize(
    ("q", "nearest"),
    [
        ("license:apache", "license:apache-2.0"),
        ("stage:prod", "stage:production"),
        ("tag.lang:frr", "tag.lang:fr"),
        ("framework:coquitts", "framework:coqui-tts"),
        ("registry:(shop OR shopp)", "registry:shop"),
        ("tag.langg:fr", "tag.lang:"),
        ("metric.werr:<0.9", "metric.wer:"),
    ],
)
def test_an_unknown_value_names_the_nearest(search: Search, q: str, nearest: str) -> None:
    [one] = asked(search, f"{q} unheard-of").unknown
    assert nearest in one.nearest


def test_what_is_hidden_is_not_near(search: Search) -> None:
    shop = View.of([2])
    answer = asked(search, "license:apache", shop)
    assert [(one.qualifier, one.nearest) for one in answer.unknown] == [("license:apache", ())]
    assert asked(search, "german sellers", shop).relaxed == ("german",)
    assert [chip.text for chip in asked(search, "sellers by acme", shop).understood] == []


def test_pages_of_what_was_relaxed_go_on(search: Search) -> None:
    request = SearchRequest(q="seller scribe", limit=1)
    found: list[str] = []
    answer = search.query(EVERYTHING, request)
    for _ in range(9):
        found += [hit.model for hit in answer.hits]
        if answer.next_cursor is None:
            break
        answer = search.query(EVERYTHING, replace(request, cursor=answer.next_cursor))
    assert len(found) == len(set(found)) == answer.total
