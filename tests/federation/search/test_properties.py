"""Properties of search: the hidden changes nothing, pages stay whole while the index changes, no query breaks it."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from federation.access import EVERYTHING, View
from federation.search.answer import Hit, SearchAnswer, SearchRequest
from federation.search.document import Document
from federation.search.syntax import QuerySyntaxError
from federation.search.tantivy import facets
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.federation.search.world import SearchWorld, document
from tests.patience import until
from tests.soak import explore, soak

WORDS = (
    "fraud",
    "fruad",
    "detector",
    "detectors",
    "nlp",
    "churn",
    "resnet50",
    "ResNet",
    "v2",
    "natural",
    "language",
)
VISIBLE = {1: "ads", 2: "crm"}
HIDDEN = {3: "secret", 4: "private"}
QUERIES = st.one_of(
    st.lists(st.sampled_from([*WORDS, "frauds", "detctor", "chrun", "det", "x*"]), max_size=3).map(" ".join),
    st.sampled_from([
        "", "-fraud", "fraud -unheard", "fraud OR churn", '"fraud detector"', "stage:production", "tag.env:prod",
        "metric.auc:>0.5",
        "team:risk -v2", "is:stale", "has:schema", "model:fraud*", "owner:ada", "created:>2020", "param.lr:<1",
        "registry:ads", "registry:ads OR fraud", "-registry:ads fraud",
        "-stage:archived", "stage:none OR is:production",
        "is there a detector of fraud by ada?", "german fraud detector", "churn asr mit license", "nlp fruad unheard",
        "best auc churn", "owner:adda fraud", "stage:prod", "tag.env:fruad", "fraudulent languages", "detecting churn",
    ]),
)  # fmt: skip
REQUESTS = st.builds(
    SearchRequest,
    q=QUERIES,
    limit=st.integers(1, 4),
    sort=st.sampled_from(["relevance", "updated", "name", "metric.auc"]),
    group=st.sampled_from(["model", "version"]),
    facets=st.sampled_from([(), ("registry", "team", "stage", "tag.env", "owner")]),
    explain=st.booleans(),
    strict=st.booleans(),
    literal=st.sampled_from([(), (), ("german",)]),
)


@st.composite
def models(draw: st.DrawFn, registries: dict[int, str], first: int) -> list[list[Document]]:
    """Some models of some registries; ids are given so that two worlds agree on those they share."""
    names = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("-".join)
    names |= names.map(lambda name: "-".join([name] * 12))  # so long that a later time outweighs a stage
    found = []
    for number in range(draw(st.integers(0, 4))):
        registry_id = draw(st.sampled_from(sorted(registries)))
        name = f"{draw(names)}-{number}"
        common: dict[str, Any] = {
            "registry": registries[registry_id], "registry_id": registry_id, "model_id": first + number,
            "team": ("risk", "ads")[registry_id % 2],
        }  # fmt: skip
        found.append(
            [draw(versions(name, version, common)) for version in range(1, draw(st.integers(1, 3)) + 1)]
        )
    return found


@st.composite
def versions(draw: st.DrawFn, name: str, version: int, common: dict[str, Any]) -> Document:
    return document(
        name, version, **common, stage=draw(st.sampled_from(["none", "staging", "production", "archived"])),
        updated=draw(st.sampled_from([None, datetime(2012, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)])),
        tags=draw(st.sampled_from([{}, {"env": "prod"}, {"env": "fraud test"}, {"task": "asr", "lang": "de"}])),
        metrics=draw(st.sampled_from([{}, {"auc": 0.25}, {"auc": 0.75}])),
        params=draw(st.sampled_from([{}, {"lr": "0.5"}])), owner=draw(st.sampled_from(["", "Ada"])),
        description=draw(st.sampled_from(["", "finds fraud in language"])),
    )  # fmt: skip


@contextmanager
def index(groups: list[list[Document]]) -> Iterator[tuple[SearchWorld, Search]]:
    folder = Path(tempfile.mkdtemp(prefix="waypost-search-"))
    try:
        world = SearchWorld()
        for group in groups:
            world.put(*group)
        yield world, world.search(folder)
    finally:
        until(lambda: removed(folder))


def removed(folder: Path) -> bool:
    """Remove a folder; False while an index that was let go still writes into it."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def pages(search: Search, view: View, request: SearchRequest) -> list[SearchAnswer]:
    """The answers that the cursors lead to, one after the other."""
    found = [search.query(view, request)]
    while (cursor := found[-1].next_cursor) is not None and len(found) <= 40:
        found.append(search.query(view, replace(request, cursor=cursor)))
    return found


def texts(answers: list[SearchAnswer]) -> list[str]:
    return [json.dumps(msgspec.to_builtins(answer), sort_keys=True) for answer in answers]


def hidden_registries_change_nothing(
    seen: list[list[Document]], hidden: list[list[Document]], requests: list[SearchRequest], typed: str
) -> None:
    view = View.of(VISIBLE)
    with index(seen) as (_, one), index([*hidden, *seen]) as (_, other):
        for request in requests:
            expected = texts(pages(one, view, request))
            assert expected == texts(pages(other, view, request))
            assert expected == texts(pages(one, EVERYTHING, request))
        assert one.suggest(view, typed) == other.suggest(view, typed)


def groups_lead_with_the_best(
    held: list[list[Document]], requests: list[SearchRequest], few: int, at_once: int
) -> None:
    with (
        index(held) as (_, search),
        patch.object(facets, "FEW", few),
        patch.object(facets, "MODELS_AT_ONCE", at_once),
    ):
        for request in requests:
            for sort in ("relevance", request.sort):
                alone = pages(search, EVERYTHING, replace(request, sort=sort, group="version"))
                grouped = pages(search, EVERYTHING, replace(request, sort=sort, group="model"))
                versions: dict[tuple[str, str], list[Hit]] = {}
                for hit in hits(alone):
                    versions.setdefault((hit.registry, hit.model), []).append(hit)
                assert hits(grouped) == [
                    msgspec.structs.replace(best, others=len(others)) for best, *others in versions.values()
                ]
                for answer in (*alone, *grouped):
                    of_versions = sum(hit.version is not None for hit in hits(alone))
                    assert (answer.versions, answer.models) == (of_versions, len(versions))


def hits(answers: list[SearchAnswer]) -> list[Hit]:
    return [hit for answer in answers for hit in answer.hits]


def pages_stay_whole(
    before: list[list[Document]], added: list[list[Document]], request: SearchRequest, data: st.DataObject
) -> None:
    with index(before) as (world, search):
        follower = IndexFollower(search._path, world)
        changing = [group for group in before if data.draw(st.booleans())]
        whole = search.query(EVERYTHING, replace(request, limit=200))
        seen: list[str] = []
        cursor, turns = None, 0
        while turns < 60:
            answer = search.query(EVERYTHING, replace(request, cursor=cursor))
            seen += [hit.ref for hit in answer.hits]
            cursor = answer.next_cursor
            if cursor is None:
                break
            change(world, changing, added, turns)
            while follower.step():
                pass
            search.reload()
            turns += 1
        assert len(seen) == len(set(seen))
        still = {one.model for group in before if group not in changing for one in group}
        assert {hit.ref for hit in whole.hits if hit.model in still} <= set(seen)


@soak(sample=15, full=2_000)
def test_worlds_that_differ_in_what_is_hidden_answer_alike(cases: int, seed: int) -> list[str]:
    requests = st.lists(REQUESTS, min_size=1, max_size=4)
    typed = st.sampled_from(["fr", "tag.", "owner:"])
    worlds = given(models(VISIBLE, 1), models(HIDDEN, 100), requests, typed)
    return explore(worlds(hidden_registries_change_nothing), cases, seed)


@soak(sample=15, full=2_000)
def test_a_group_is_led_by_its_best_version_and_counts_the_others(cases: int, seed: int) -> list[str]:
    few = st.sampled_from([0, facets.FEW])
    at_once = st.sampled_from([1, 3, facets.MODELS_AT_ONCE])
    searches = given(models(VISIBLE, 1), st.lists(REQUESTS, min_size=3, max_size=8), few, at_once)
    return explore(searches(groups_lead_with_the_best), cases, seed)


def ranges_are_listed_alike(held: list[list[Document]], requests: list[SearchRequest], ranges: str) -> None:
    with index(held) as (world, remembering):
        search = Search(remembering._path, world.registries, remembering.lexicon, kept=0)
        search.reload()
        for request in requests:
            asked = replace(request, q=ranges)
            listed = texts(pages(search, EVERYTHING, asked))
            with patch.object(facets, "FEW", 0):
                assert texts(pages(search, EVERYTHING, asked)) == listed


@soak(sample=15, full=2_000)
def test_ranges_of_numbers_answer_alike_whether_little_is_found_or_much(cases: int, seed: int) -> list[str]:
    ranges = st.sampled_from([
        "metric.auc:>0.5", "metric.auc:0..1 stage:production", "-metric.auc:>0.5", "metric.auc:<0.5 OR stage:staging",
    ])  # fmt: skip
    searches = given(models(VISIBLE, 1), st.lists(REQUESTS, min_size=2, max_size=5), ranges)
    return explore(searches(ranges_are_listed_alike), cases, seed)


@soak(sample=10, full=2_000)
def test_pages_neither_repeat_nor_skip_what_did_not_change(cases: int, seed: int) -> list[str]:
    changes = given(models(VISIBLE, 1), models(HIDDEN, 100), REQUESTS, st.data())
    return explore(changes(pages_stay_whole), cases, seed)


def change(
    world: SearchWorld, changing: list[list[Document]], added: list[list[Document]], turn: int
) -> None:
    """One of what may change is gone, one that is new comes."""
    if turn < len(changing):
        world.drop(changing[turn][0].model_id)
    if turn < len(added):
        world.put(*added[turn])


PIECES = st.sampled_from([
    "fraud", "*", "-", "(", ")", '"', "OR ", "stage:", "tag.env:", "tag.\u00e9.x/y:", "metric.auc:", "param.lr:",
    ">", "<=", "..", "0.5", "1e308", "-1e-308", "9" * 30, "2026-01-01", "0001", "9999", "\x00", "\ud800", "%", "\\",
    "/", ":", " ", "created:", "updated:", "depends_on:", "registry:", "model:", "is:stale", "a" * 300, "a ", "b ",
    "\U0001f600", "1 ", "_", "ß", "漢字",
])  # fmt: skip


def nothing_but_a_syntax_error(built: str, anything: str) -> None:
    search = fuzzed()
    for text in (built, anything):
        for sort in ("relevance", f"metric.{anything or 'x'}"):
            try:
                answer = search.query(
                    EVERYTHING,
                    SearchRequest(q=text, sort=sort, facets=(f"tag.{anything or 'x'}",), explain=True),
                )
            except QuerySyntaxError:
                continue
            assert not answer.partial, "the engine failed"
        search.suggest(EVERYTHING, text)


@soak(sample=150, full=50_000)
def test_no_query_raises_anything_but_a_syntax_error(cases: int, seed: int) -> list[str]:
    texts = given(st.lists(PIECES, max_size=16).map("".join), st.text(max_size=30))
    return explore(texts(nothing_but_a_syntax_error), cases, seed)


_FUZZED: list[Search] = []


def fuzzed() -> Search:
    """One index for all examples; its folder goes with the process."""
    if not _FUZZED:
        with index([[document("fraud-ß-漢字", 1, tags={"env": "prod", "é.x/y": "\ud800"}, metrics={"auc": 0.5})],
                    [document("churn", None)]]) as (_, search):  # fmt: skip
            _FUZZED.append(search)
    return _FUZZED[0]
