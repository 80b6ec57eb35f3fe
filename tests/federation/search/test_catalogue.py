"""The index follows the real catalogue: what a synchronisation writes is found, what goes is gone."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from adapters import Environment, Image, Lineage, Parent, Schema
from federation import changes, tables
from federation.access import EVERYTHING, View
from federation.changes import Change
from federation.database import now, writing
from federation.graph import tables as graph_tables
from federation.journal.log import Batch
from federation.registries.configured import forget
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.federation.graph.estate import Estate


class IndexedEstate:
    """An estate, its index and a reader of it."""

    def __init__(self, folder: Path) -> None:
        self.estate = Estate(folder)
        self.follower = IndexFollower(folder / "index", CatalogueSource(self.estate.engine))
        self.search = Search(folder / "index", FreshnessBoard(self.estate.engine), lexicon.load())

    def found(self, text: str, view: View = EVERYTHING) -> list[str]:
        while self.follower.step():
            pass
        self.search.reload()
        request = SearchRequest(q=text, group="version", limit=200)
        return sorted(hit.ref for hit in self.search.query(view, request).hits)

    def tell(self, change: Change) -> None:
        with writing(self.estate.engine) as connection:
            batch = Batch()
            batch.change(change)
            batch.append(connection)


@pytest.fixture
def indexed(tmp_path: Path) -> IndexedEstate:
    return IndexedEstate(tmp_path)


def test_what_a_sync_writes_is_found_with_everything_it_says(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("card-fraud", tags={"area": "payments"}, license="MIT", aliases={"champion": "2"})
    one = estate.version(model, "1", stage="Archived", framework="xgboost", owner="ada", metrics={"auc": 0.9})
    lineage = Lineage(commit="abc", parents=(Parent("ads/base-model:4"),))
    two = estate.version(model, "2", stage="Production", params={"depth": "6"}, lineage=lineage, schema=Schema(),
                         tags={"depends_on": "encoder:3"}, description="catches thieves")  # fmt: skip
    estate.put("fraud", model, one, two, estate.model("empty", description="nothing yet"))
    for text in (
        "stage:production", "alias:champion", "thieves", "param.depth:>5", "depends_on:fraud/encoder:3",
        "depends_on:ads/base-model", "has:lineage", "has:dependencies", "card -xgb",
    ):  # fmt: skip
        assert indexed.found(text) == ["fraud/card-fraud:2"], text
    for text in ("framework:xgboost", "owner:ada", "metric.auc:>0.8", "is:archived"):
        assert indexed.found(text) == ["fraud/card-fraud:1"], text
    assert indexed.found("tag.area:payments license:mit team:risk") == [
        "fraud/card-fraud:1",
        "fraud/card-fraud:2",
    ]
    assert indexed.found("nothing") == ["fraud/empty"]


def test_software_is_found_by_library_version_and_image(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("card")
    digest = "sha256:" + "ab" * 32
    software = Environment(
        images=(Image("1.dkr.ecr/teams/Scorer:1.2", digest),), libraries={"numpy": "1.26.4", "scipy": ""}
    )
    one = estate.version(model, "1", environment=software)
    estate.put("fraud", model, one, estate.version(model, "2"))
    for text in (
        "library:numpy", "library:NumPy@1.26.4", "library:numpy@1.26*", "library:scipy", "has:environment",
        "image:scorer", "image:1.dkr.ecr/teams/scorer", 'image:"1.dkr.ecr/teams/Scorer:1.2"', f"image:{digest}",
    ):  # fmt: skip
        assert indexed.found(text) == ["fraud/card:1"], text
    assert indexed.found("library:numpy@1.25.0") == indexed.found("library:torch") == []


def test_what_cannot_be_used_is_found_by_its_backends_word(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("card")
    states = ("Failed: the image cannot be pulled", "PENDING_REGISTRATION", None)
    versions = [estate.version(model, str(n), state=state) for n, state in enumerate(states, 1)]
    estate.put("fraud", model, *versions)
    for text, found in (
        ("state:failed", ["1"]), ("state:FAILED", ["1"]), ("state:pending*", ["2"]), ("has:state", ["1", "2"]),
        ("-has:state", ["3"]), ("state:(failed OR pending_registration)", ["1", "2"]), ("state:image", []),
    ):  # fmt: skip
        assert indexed.found(text) == [f"fraud/card:{number}" for number in found], text
    estate.put("fraud", replace(versions[0], state=None))
    assert indexed.found("state:failed") == []


def test_changes_deletes_and_renames_are_followed(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "fraud")
    estate.join("ads", "ads")
    model = estate.model("model")
    versions = [estate.version(model, str(number)) for number in (1, 2)]
    for name in ("fraud", "ads"):
        estate.put(name, model, *versions)
    assert len(indexed.found("")) == 4
    estate.drop("ads", "version", versions[0].key)
    assert indexed.found("registry:ads") == ["ads/model:2"]
    estate.drop("ads", "version", versions[1].key)
    assert indexed.found("registry:ads") == ["ads/model"]
    estate.drop("ads", "model", model.key)
    assert indexed.found("registry:ads") == []
    estate.rename("fraud", "scams")
    assert indexed.found("") == ["scams/model:1", "scams/model:2"]
    assert indexed.found("fraud", View.of([estate.ids["ads"]])) == []


def test_forgetting_a_registry_removes_its_documents(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("model")
    estate.put("fraud", model, estate.version(model, "1"))
    assert indexed.found("") == ["fraud/model:1"]
    with writing(estate.engine) as connection:
        connection.execute(update(tables.registry).values(detached_at=now()))
        forget(connection, "fraud")
    assert indexed.found("") == []


def test_a_declared_dependency_is_found_until_it_is_withdrawn(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("model")
    estate.put("fraud", model, estate.version(model, "1"), estate.version(model, "2"))
    values = {"consumer": "fraud/model:1", "consumer_registry": "fraud", "consumer_model": "model", "note": "",
              "provider": "ads/encoder:3", "kind": "depends_on", "said_by": "ada", "created_at": now()}  # fmt: skip
    assert indexed.found("depends_on:encoder") == []
    with writing(estate.engine) as connection:
        query = insert(graph_tables.dependency).values(**values).returning(graph_tables.dependency.c.id)
        edge = int(connection.execute(query).scalar_one())
    indexed.tell(Change("edge", edge, estate.ids["fraud"]))
    assert indexed.found("depends_on:encoder") == ["fraud/model:1"]
    with writing(estate.engine) as connection:
        connection.execute(update(graph_tables.dependency).values(withdrawn_at=now()))
    indexed.tell(Change("edge", edge, estate.ids["fraud"]))
    assert indexed.found("depends_on:encoder") == []


def test_a_follower_that_the_feed_no_longer_reaches_rebuilds(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    model = estate.model("model")
    estate.put("fraud", model, estate.version(model, "1"))
    assert indexed.found("") == ["fraud/model:1"]
    estate.put("fraud", estate.version(model, "2"))
    with writing(estate.engine) as connection:
        newest = changes.newest(connection)
        connection.execute(delete(tables.change).where(tables.change.c.position < newest))
    assert indexed.found("") == ["fraud/model:1", "fraud/model:2"]
    assert indexed.search.position == newest


def test_the_answer_says_how_fresh_each_registry_is(indexed: IndexedEstate) -> None:
    estate = indexed.estate
    estate.join("fraud", "risk")
    estate.join("ads", "ads")
    with writing(estate.engine) as connection:
        connection.execute(update(tables.registry).where(tables.registry.c.name == "ads").values(failures=2))
    indexed.found("")
    answer = indexed.search.query(EVERYTHING, SearchRequest())
    assert [(one.name, one.state) for one in answer.registries] == [("ads", "failing"), ("fraud", "ok")]
    assert answer.partial
    seen = indexed.search.query(View.of([estate.ids["fraud"]]), SearchRequest())
    assert (seen.partial, [one.name for one in seen.registries]) == (False, ["fraud"])
