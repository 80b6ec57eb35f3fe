"""Search over HTTP as its callers meet it: hits, facets, suggestions, mistakes, freshness, synonyms, a broken index."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from federation import tables
from federation.database import writing
from gateway.cli import run
from tests.federation.graph.estate import Estate
from tests.gateway.served import Served, served

PATIENCE = 60.0
SYNONYMS = 'groups = [["nlp", "natural language processing"]]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("gateway")
    (found / "synonyms.toml").write_text(SYNONYMS)
    (found / "lexicon.toml").write_text("")
    return found


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Served]:
    with served(folder, config='[search]\nsynonyms = "synonyms.toml"\nlexicon = "lexicon.toml"\n') as running:
        yield running


@pytest.fixture(scope="module")
def estate(gateway: Served, folder: Path) -> Estate:
    """Two registries of three models."""
    estate = Estate(folder, gateway.engine)
    estate.join("fraud", "risk")
    estate.join("ads", "growth")
    card = estate.model("card-fraud", aliases={"champion": "2"})
    versions = [
        estate.version(
            card, str(number), stage=stage, framework="xgboost", metrics={"auc": 0.9 + number / 100}
        )
        for number, stage in ((1, "Archived"), (2, "Production"), (3, "Staging"))
    ]
    estate.put("fraud", card, *versions)
    click = estate.model("click-classifier", tags={"task": "nlp"}, description="who clicks on what")
    estate.put("ads", click, estate.version(click, "7"), estate.model("empty-model"))
    eventually(lambda: search(gateway)["models"] == 3 and not search(gateway)["partial"])
    return estate


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def search(gateway: Served, q: str = "", **asked: Any) -> Any:
    return gateway.client.get("/search", params={"q": q, **asked}).raise_for_status().json()


def refs(gateway: Served, q: str, **asked: Any) -> list[str]:
    return [hit["ref"] for hit in search(gateway, q, **asked)["hits"]]


def refused(gateway: Served, **asked: Any) -> dict[str, Any]:
    answer: httpx.Response = gateway.client.get("/search", params=asked)
    assert answer.status_code == 422
    problem: dict[str, Any] = answer.json()
    return problem


@pytest.mark.usefixtures("estate")
def test_a_model_without_versions_is_no_version(gateway: Served) -> None:
    for registry, versions, models in (("ads", 1, 2), ("fraud", 3, 1)):
        answer = search(gateway, f"registry:{registry}")
        assert (answer["versions"], answer["models"]) == (versions, models)
    empty = search(gateway, "empty-model")
    assert (empty["total"], empty["versions"], empty["models"], len(empty["hits"])) == (1, 0, 1, 1)


@pytest.mark.usefixtures("estate")
def test_a_model_is_one_hit_with_its_best_version_and_says_why(gateway: Served) -> None:
    answer = search(gateway, "card", explain=True, facets="stage,framework")
    assert (answer["total"], answer["models"], len(answer["hits"])) == (3, 1, 1)
    hit = answer["hits"][0]
    assert (hit["ref"], hit["others"], hit["aliases"], hit["team"]) == (
        "fraud/card-fraud:2",
        2,
        ["champion"],
        "risk",
    )
    assert hit["highlights"] == [{"field": "model", "text": "card-fraud", "ranges": [[0, 4]]}]
    assert hit["explanation"]["matched"] == "the name begins with this"
    assert {one["value"]: one["count"] for one in answer["facets"]["stage"]} == {
        "archived": 1,
        "production": 1,
        "staging": 1,
    }
    assert answer["facets"]["framework"] == [{"value": "xgboost", "count": 3}]
    assert [(one["name"], one["state"]) for one in answer["registries"]] == [("ads", "ok"), ("fraud", "ok")]
    assert refs(gateway, "card", group="version", sort="metric.auc") == [
        f"fraud/card-fraud:{n}" for n in (3, 2, 1)
    ]


@pytest.mark.usefixtures("estate")
def test_pages_follow_each_other(gateway: Served) -> None:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"cursor": cursor} if cursor else {}
        page = search(gateway, "", group="version", limit=2, **asked)
        found += [hit["ref"] for hit in page["hits"]]
        cursor = page["next_cursor"]
    assert found == refs(gateway, "", group="version")
    assert len(found) == 5


@pytest.mark.usefixtures("estate")
def test_a_mistake_is_answered_with_its_place_and_what_was_expected(gateway: Served) -> None:
    problem = refused(gateway, q="fraud stge:production")
    assert problem["type"].endswith("invalid-query")
    assert (problem["position"], "Did you mean stage:?" in problem["detail"]) == (6, True)
    assert "stage:" in problem["expected"]
    assert refused(gateway, q="a", sort="beauty")["parameter"] == "sort"
    assert refused(gateway, q="a", group="team")["parameter"] == "group"
    assert refused(gateway, q="a", facets="wings")["parameter"] == "facets"
    assert refused(gateway, q="a", cursor="nonsense")["parameter"] == "cursor"


@pytest.mark.usefixtures("estate")
def test_suggestions_complete_what_is_typed(gateway: Served) -> None:
    def suggested(text: str) -> list[str]:
        answer = gateway.client.get("/suggest", params={"q": text}).raise_for_status().json()
        return [one["text"] for one in answer["suggestions"]]

    assert suggested("sta") == ["stage:", "state:"]
    assert suggested("card stage:pro") == ["card stage:production"]
    assert suggested("cli") == ["click-classifier"]


@pytest.mark.usefixtures("estate")
def test_a_typo_is_forgiven_and_said(gateway: Served) -> None:
    answer = search(gateway, "clasifier")
    assert [hit["ref"] for hit in answer["hits"]] == ["ads/click-classifier:7"]
    assert answer["corrections"] == [{"word": "clasifier", "instead": "classifier"}]


def test_a_registry_that_fails_makes_answers_partial(gateway: Served, estate: Estate) -> None:
    def failing(failures: int) -> None:
        with writing(gateway.engine) as connection:
            change = update(tables.registry).where(tables.registry.c.id == estate.ids["ads"])
            connection.execute(change.values(failures=failures))

    failing(3)
    eventually(lambda: bool(search(gateway, "card")["partial"]))
    failing(0)
    eventually(lambda: not search(gateway, "card")["partial"])


@pytest.mark.usefixtures("estate")
def test_synonyms_are_read_again_when_an_operator_edits_them(gateway: Served, folder: Path) -> None:
    assert refs(gateway, "natural language processing") == ["ads/click-classifier:7"]
    assert refs(gateway, "advertising") == []
    (folder / "synonyms.toml").write_text('groups = [["advertising", "click"]]\n')
    eventually(lambda: refs(gateway, "advertising") == ["ads/click-classifier:7"])
    (folder / "synonyms.toml").write_text("groups = 3\n")
    time.sleep(1.5)
    assert refs(gateway, "advertising") == ["ads/click-classifier:7"]
    (folder / "synonyms.toml").write_text(SYNONYMS)
    eventually(lambda: refs(gateway, "advertising") == [])


def test_an_index_that_is_deleted_or_damaged_while_serving_comes_back_by_itself(
    gateway: Served, folder: Path, estate: Estate
) -> None:
    index = folder / "waypost-index" / "search"
    model = estate.model("late-arrival")
    shutil.rmtree(index)
    answer = search(gateway, "card")
    assert answer["total"] == 3 or answer["partial"]
    estate.put("ads", model, estate.version(model, "1"))
    eventually(lambda: refs(gateway, "late") == ["ads/late-arrival:1"])
    for file in index.glob("generation-*/*"):
        file.unlink()  # a process that has it open reads on what it was
        file.write_bytes(b"\x00" * 64)
    answer = search(gateway, "card")
    assert answer["total"] == 3 or answer["partial"]
    other = estate.model("second-coming")
    estate.put("ads", other, estate.version(other, "1"))
    eventually(lambda: refs(gateway, "coming") == ["ads/second-coming:1"])
    estate.drop("ads", "model", model.key)
    estate.drop("ads", "model", other.key)
    eventually(lambda: search(gateway)["models"] == 3 and not search(gateway)["partial"])


@pytest.mark.usefixtures("estate")
def test_what_was_understood_and_left_out_is_said_and_taken_back(gateway: Served) -> None:
    answer = search(gateway, q="is there a natural language processing model for stage:none")
    assert (answer["total"] > 0, answer["relaxed"]) == (True, []), "what says nothing is not missed"
    answer = search(gateway, q="clicks best auc sklearn")
    assert [(chip["text"], chip["meaning"]) for chip in answer["understood"]] == [
        ("best auc", "sort"), ("sklearn", "framework"),
    ]  # fmt: skip
    assert (answer["nothing_fits"], answer["hits"], [hit["model"] for hit in answer["near"]]) == (
        True, [], ["click-classifier"],
    )  # fmt: skip
    back = search(gateway, q="clicks best auc sklearn", literal="best auc")
    assert [chip["text"] for chip in back["understood"]] == ["sklearn"]
    strict = search(gateway, q="clicks unheard", strict=True)
    assert (strict["total"], strict["relaxed"], strict["near"]) == (0, [], [])
    assert search(gateway, q="stage:prod")["unknown"] == [
        {"qualifier": "stage:prod", "nearest": ["stage:production"]}
    ]


@pytest.mark.usefixtures("estate")
def test_the_page_shows_chips_and_what_is_near_apart(gateway: Served) -> None:
    page = httpx.get(f"{gateway.url}/", params={"q": "clicks sklearn", "sort": "name"}).text
    assert 'href="/?q=clicks+sklearn&amp;sort=name&amp;literal=sklearn"' in page
    assert (
        page.index("Nothing fits.")
        < page.index('aria-label="What comes near"')
        < page.index("click-classifier</bdi>")
    )
    page = httpx.get(f"{gateway.url}/", params={"q": "click classifier nlp of unheard"}).text
    assert "Left out: <bdi>unheard</bdi>." in page
    assert "strict=true" in page
    assert "Left out" not in httpx.get(f"{gateway.url}/", params={"q": "clicks of"}).text


@pytest.mark.usefixtures("estate")
def test_an_operator_adds_words_of_requests_while_it_serves(gateway: Served, folder: Path) -> None:
    assert [chip["text"] for chip in search(gateway, q="who taps")["understood"]] == []
    (folder / "lexicon.toml").write_text('[tasks]\nnlp = { said = ["who taps"] }\n')
    eventually(
        lambda: [hit["model"] for hit in search(gateway, q="who taps")["hits"]] == ["click-classifier"]
    )


@pytest.mark.usefixtures("estate")
def test_the_command_line_says_what_was_understood(
    gateway: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "clicks sklearn", "--url", gateway.url]) == 0
    printed = capfd.readouterr()
    assert "understood sklearn as framework:" in printed.err
    assert "--literal 'sklearn'" in printed.err
    assert "nothing fits, these come near:" in printed.err
    assert "click-classifier" in printed.out
    assert run(["search", "stage:prod", "--url", gateway.url]) == 0
    assert "nothing has stage:prod: the nearest is stage:production" in capfd.readouterr().err
