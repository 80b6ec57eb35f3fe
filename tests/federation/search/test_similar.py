"""More like this: by text, lineage, schema and metrics, each said, in the view alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import Column, Dataset, Lineage, Parent, Schema
from federation.access import EVERYTHING, View
from federation.search.answer import SearchError, SearchRequest, Similar
from federation.search.document import Document
from federation.search.tantivy import similar
from federation.search.vectors import embedding
from tests.federation.search.world import SearchWorld
from tests.federation.search.world import document as made

PAYMENTS = Lineage(
    datasets=(Dataset("payments", uri="s3://data/payments"),), parents=(Parent("hub/bert:3", "base"),)
)
AMOUNT = Schema(
    inputs=(Column("amount", "double"), Column("country", "string")), outputs=(Column("risk", "double"),)
)
ASKED: dict[str, Any] = {
    "description": "Finds stolen credit cards", "lineage": PAYMENTS, "schema": AMOUNT,
    "metrics": {"auc": 0.9, "loss": -2},
}  # fmt: skip


def document(model: str, version: int = 1, **said: Any) -> Document:
    return made(model, version, **{"registry": "shop", **said})


@pytest.fixture(autouse=True)
def words_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without word embeddings: what they add is told in `test_hybrid`."""
    monkeypatch.setattr(embedding, "PACKAGE", "a_package_that_nobody_has")
    embedding.embedding.cache_clear()
    yield
    embedding.embedding.cache_clear()


@pytest.fixture
def world() -> SearchWorld:
    world = SearchWorld()
    world.put(document("fraud-detector", 1, **ASKED), document("fraud-detector", 2, **ASKED))
    world.put(document("card-fraud", description="stolen cards"))
    world.put(document("churn", lineage=Lineage(datasets=(Dataset("payments"),))))
    world.put(document("pricing", schema=Schema(inputs=(Column("amount", "long"),))))
    world.put(
        document("uplift", metrics={"AUC": 0.85, "loss": -2.1}), document("weather", metrics={"auc": 0.5})
    )
    world.put(
        document("bert", registry="hub"),
        document("bert-cards", description="stolen", lineage=Lineage(parents=(Parent("bert", "base"),))),
    )
    return world


def like(world: SearchWorld, folder: Path, view: View = EVERYTHING, limit: int = 50) -> dict[str, Similar]:
    found = world.search(folder).similar(view, document("fraud-detector", 2, **ASKED), limit)
    return {one.model: one for one in found.similar}


def because(one: Similar) -> dict[str, tuple[str, ...]]:
    return {why.by: why.shared for why in one.because}


def test_each_way_of_being_alike_finds_and_says_what_is_shared(world: SearchWorld, tmp_path: Path) -> None:
    found = like(world, tmp_path)
    assert because(found["card-fraud"]) == {"text": ("fraud", "stolen", "cards")}
    assert because(found["churn"]) == {"lineage": ("dataset:payments",)}
    assert because(found["pricing"]) == {"schema": ("column:amount",)}
    assert because(found["uplift"]) == {"metrics": ("metric.auc:0.81..0.99", "metric.loss:-2.2..-1.8")}
    assert because(found["bert"]) == {"lineage": ("model:bert",)}
    assert because(found["bert-cards"])["lineage"] == ("parent:bert",)
    assert {"fraud-detector", "weather"}.isdisjoint(found)
    assert next(iter(found)) == "bert-cards", "what is alike in two ways comes first"
    scores = [one.score for one in found.values()]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < why.score <= 1 for one in found.values() for why in one.because)
    assert list(like(world, tmp_path, limit=2)) == list(found)[:2]


def test_the_same_again_is_as_alike_as_can_be_and_what_was_made_from_it_is_found(
    world: SearchWorld, tmp_path: Path
) -> None:
    world.put(document("fraud-detector", 1, registry="copies", registry_id=3, **ASKED))
    world.put(document("tuned", lineage=Lineage(parents=(Parent("shop/fraud-detector:2", "base"),))))
    found = like(world, tmp_path)
    first = next(iter(found.values()))
    assert (first.registry, first.score) == ("copies", 1)
    assert because(found["tuned"]) == {"lineage": ("parent:fraud-detector",)}


def test_each_shared_query_finds_the_model_that_it_was_said_of(world: SearchWorld, tmp_path: Path) -> None:
    search = world.search(tmp_path)
    for name, one in like(world, tmp_path).items():
        for query in (query for why in one.because for query in why.shared):
            hits = search.query(EVERYTHING, SearchRequest(q=query, limit=50)).hits
            assert name in [hit.model for hit in hits], query


def test_hidden_models_neither_appear_nor_move_anything(
    world: SearchWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "COMPARED", 3)
    monkeypatch.setattr(similar, "MOST_ALIKE", 40)
    world.put(*(document(f"fraud-{number}") for number in range(9)))
    view = View.of([1])
    before = like(world, tmp_path / "one", view)
    assert before
    world.put(
        *(
            document(f"{kind}-{number}", registry="secret", registry_id=2, **(ASKED if number % 2 else {}))
            for kind in ("fraud", "cards", "detector") for number in range(30)
        )
    )  # fmt: skip
    assert like(world, tmp_path / "two", view) == before
    assert like(world, tmp_path / "two", View.of([])) == {}


def test_names_that_the_language_has_signs_for_are_compared_too(world: SearchWorld, tmp_path: Path) -> None:
    odd: dict[str, Any] = {
        "metrics": {'a:"b" (c)\\': 1e300, "": 0.0, "x y": -1e-9},
        "lineage": Lineage(
            datasets=(Dataset('-"x" (y)* OR'), Dataset(">3"), Dataset("\\")), commit="C0FFEE00"
        ),
        "schema": Schema(inputs=(Column("*", "double"), Column("a..b", "long"))),
    }
    world.put(document("odd", **odd), document("even", **odd))
    found = world.search(tmp_path).similar(EVERYTHING, document("odd", **odd), 10).similar
    [one] = [one for one in found if one.model == "even"]
    assert [len(because(one).get(by, ())) for by in ("lineage", "schema")] == [4, 2]
    assert len(because(one)["metrics"]) == 2, "one has no name"


@pytest.mark.parametrize("limit", [0, 201])
def test_limits_are_told(world: SearchWorld, tmp_path: Path, limit: int) -> None:
    with pytest.raises(SearchError, match="limit"):
        world.search(tmp_path).similar(EVERYTHING, document("fraud-detector", 2), limit)
