"""The table of fields: each row is a qualifier, is held by the index, counted and completed where it says so."""

import pytest

from adapters import Column, Dataset, Environment, Image, Lineage, Parent, Schema
from federation.access import EVERYTHING
from federation.search.answer import SearchRequest
from federation.search.fields import FIELDS, HAS, SearchField, facet_names
from federation.search.language import parse
from federation.search.syntax import Qualifier
from federation.search.tantivy.engine import Search
from federation.search.tantivy.schema import written_as
from tests.federation.search.world import SearchWorld, document
from tests.reference import search_fields


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    world = SearchWorld()
    world.put(
        document(
            "scorer", 1, stage="production", aliases=("champion",), framework="xgboost", owner="Ada", license="MIT",
            tags={"env": "prod", "pipeline_tag": "text-to-speech", "Languages": '["de", "en"]', "size": "1.5B"},
            metrics={"auc": 0.5}, params={"depth": "3"}, state="Failed", description="one",
            environment=Environment(libraries={"numpy": "2.3"}, images=(Image("example.com/serve:1"),)),
            bypassed=("guard",), changed_by=("p-1",), approved_by=("p-2",),
            depends_on=("ads/encoder:3",), schema=Schema(inputs=(Column("amount", "double"),)),
            artifact_digest=f"sha256:{'5' * 64}",
            lineage=Lineage(
                run_id="0b5f99d2", commit="9f1c2ab7d4", datasets=(Dataset("clicks", digest="77aa"),),
                parents=(Parent("base:1"),),
            ),
        )
    )  # fmt: skip
    return world.search(tmp_path_factory.mktemp("index"))


def asked(field: SearchField) -> tuple[str, str]:
    """The field as a query names it, and a value that it has in the index of these tests."""
    held = {"tag": ("env", "prod"), "metric": ("auc", ">0.1"), "param": ("depth", "3")}
    if field.keyed:
        key, value = held[field.name]
        return f"{field.name}.{key}", value
    if field.match == "time":
        return field.name, "<2100"
    if field.match == "choice":
        return field.name, "production" if field.name == "is" else "schema"
    [one] = [one for one in VALUES if one[0] == field.name]
    return one


VALUES = [
    ("registry", "fraud"), ("team", "risk"), ("model", "scorer"), ("stage", "production"), ("alias", "champion"),
    ("framework", "xgboost"), ("owner", "Ada"), ("license", "MIT"), ("type", "model"), ("library", "numpy@2.3"),
    ("image", "serve"), ("state", "failed"), ("depends_on", "encoder"), ("task", "text-to-speech"), ("language", "de"),
    ("parameters", "1.5b"), ("dataset", "clicks"), ("parent", "base"), ("commit", "9f1c2ab7d4"), ("digest", "77aa"),
    ("run", "0b5f99d2"), ("version", "1"), ("column", "amount"), ("bypassed", "guard"),
    ("changed_by", "p-1"), ("approved_by", "p-2"),
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_row_is_a_qualifier_that_finds_what_is_held(field: SearchField, search: Search) -> None:
    name, value = asked(field)
    found = parse(f"{name}:{value}")
    assert isinstance(found, Qualifier)
    assert (found.name, found.key is not None) == (field.name, field.keyed)
    assert search.query(EVERYTHING, SearchRequest(q=f"{name}:{value}")).total == (field.match != "time")
    assert (field.written, field.meaning) in [
        (one.name, one.meaning[: len(field.meaning)]) for one in search_fields()
    ]


@pytest.mark.parametrize(
    "field", [one for one in FIELDS if one.match == "text"], ids=lambda field: field.name
)
def test_a_row_of_texts_is_completed_and_where_it_says_so_counted(field: SearchField, search: Search) -> None:
    name, value = asked(field)
    assert f"{name}:" in [one.text for one in search.suggest(EVERYTHING, name[:-1])]
    assert f"{name}:{value}".lower() in [
        one.text.lower() for one in search.suggest(EVERYTHING, f"{name}:{value[:2]}")
    ]
    if field.facet:
        answer = search.query(EVERYTHING, SearchRequest(facets=(name,)))
        assert [(one.value, one.count) for one in answer.facets[name]] == [(value, 1)]
        assert f"{field.name}{'.KEY' * field.keyed}" in facet_names().split(", ")


@pytest.mark.parametrize("flag", HAS)
def test_everything_that_may_be_had_is_found(flag: str, search: Search) -> None:
    assert search.query(EVERYTHING, SearchRequest(q=f"has:{flag}")).total == 1


def test_an_index_of_other_rows_is_another_one() -> None:
    assert written_as(FIELDS) != written_as(FIELDS[:-1])
