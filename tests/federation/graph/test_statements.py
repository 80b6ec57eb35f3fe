"""What versions state of their needs: which version is meant, and what is said where nobody can tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import Dataset, Details, Lineage, ModelRecord, Parent, ParentKind, VersionRecord
from federation import tables as spine
from federation.access import EVERYTHING, View
from federation.catalogue import codec
from federation.changes import Change
from federation.database import writing
from federation.errors import UnknownError
from federation.graph import tables
from federation.graph.answers import ImpactAnswer
from federation.graph.graph import Question
from federation.graph.subject import ImpactQuestionError
from federation.journal.log import Batch
from federation.references import Reference, parse
from tests.federation.graph.estate import Estate

ARN = "arn:aws:sagemaker:eu-west-1:111111111111:model-package/score/2"
LOGGED = "models:/m-0123456789abcdef0123456789abcdef"


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    made.join("ml", "a")
    return made


def add(estate: Estate, name: str, version: str = "1", registry: str = "ml", **more: Any) -> VersionRecord:
    """A model of its own with one version."""
    model = estate.model(name)
    made = estate.version(model, version, **more)
    estate.put(registry, model, made)
    return made


def parent(reference: str, kind: ParentKind = "parent") -> Lineage:
    return Lineage(parents=(Parent(reference, kind),))


def needs(estate: Estate, ref: str) -> list[str]:
    found = estate.graph.dependencies(EVERYTHING, parse(ref), depth=1).dependencies
    return [one.ref for one in found if one.kind == "version"]


def seen_by(estate: Estate, *registries: str) -> View:
    return View(frozenset(estate.ids[name] for name in registries))


def open_ends(estate: Estate, ref: str, view: View = EVERYTHING) -> list[str]:
    return [one.wanted for one in estate.graph.dependencies(view, parse(ref)).unresolved]


def impact(estate: Estate, ref: str, view: View = EVERYTHING, **more: Any) -> ImpactAnswer:
    return estate.graph.impact(view, Question(parse(ref)), "delete", **more)


def test_what_cannot_be_read_is_said_wherever_somebody_looks(estate: Estate) -> None:
    estate.join("other", "b")
    add(estate, "enc")
    add(estate, "elsewhere", registry="other")
    add(estate, "broken", tags={"depends_on": '{"model": "Enc", "version": 1}'})
    estate.settle()
    told = estate.graph.dependencies(EVERYTHING, parse("ml/broken:1"))
    assert not told.complete
    assert [(u.wanted, u.readable) for u in told.unresolved] == [('{"model": "Enc", "version": 1}', False)]
    assert told.unresolved[0].reason == "it cannot be read: expected a reference, or a list of them"
    named = impact(estate, "ml/enc:1")
    assert (named.complete, named.counts.affected, named.counts.unreadable) == (False, 0, 1)
    assert [u.consumer for u in named.unresolved] == ["ml/broken:1"]
    elsewhere = impact(estate, "other/elsewhere:1")
    assert (elsewhere.complete, elsewhere.counts.unreadable, elsewhere.unresolved) == (False, 0, [])
    assert "nobody can read" in elsewhere.incomplete[0]
    (line,) = estate.graph.insights(EVERYTHING, "unresolved").items
    assert (line.ref, "cannot be read" in line.detail) == ("ml/broken:1", True)


def test_what_cannot_be_read_is_told_within_the_view(estate: Estate) -> None:
    other = View.of([estate.join("other", "b")])
    add(estate, "enc", registry="other")
    add(estate, "broken", tags={"depends_on": '["enc:1"'})
    estate.settle()
    hidden = impact(estate, "other/enc:1", other)
    assert (hidden.complete, hidden.counts.unreadable, hidden.unresolved) == (True, 0, [])
    verdict = impact(estate, "other/enc:1", other, everything=True)
    assert (verdict.complete, verdict.counts.unreadable, verdict.unresolved) == (False, 1, [])


def test_a_mended_tag_is_an_edge_again(estate: Estate) -> None:
    add(estate, "enc")
    broken = add(estate, "broken")
    for tag, edges in (('["enc:1"', []), ('["enc:1"]', ["ml/enc:1"]), ("[3]", [])):
        estate.put("ml", replace(broken, tags={"depends_on": tag}))
        estate.settle()
        assert needs(estate, "ml/broken:1") == edges
        assert impact(estate, "ml/enc:1").complete is bool(edges)


def test_an_address_means_the_version_that_has_it_in_whichever_registry(estate: Estate) -> None:
    estate.join("prod", "b")
    add(estate, "score", "2", registry="prod", addresses=(ARN.replace("1111", "2222"),))
    add(estate, "score", "2", addresses=(ARN,))
    add(estate, "promoted", registry="prod", lineage=parent(ARN, "copy"))
    elsewhere = ARN.replace("eu-west-1", "us-east-1")
    add(estate, "region", registry="prod", lineage=parent(elsewhere, "copy"))
    estate.settle()
    assert needs(estate, "prod/promoted:1") == ["ml/score:2"]
    (waits,) = estate.graph.dependencies(EVERYTHING, parse("prod/region:1")).unresolved
    assert (waits.wanted, waits.reason) == (elsewhere, "no version that is known has this address")
    assert impact(estate, "prod/score:2").counts.affected == 0


def test_an_address_resolves_by_itself_and_within_its_own_registry_first(estate: Estate) -> None:
    estate.join("twin", "b")
    add(estate, "app", tags={"depends_on": f"{LOGGED}/"})
    estate.settle()
    assert needs(estate, "ml/app:1") == []
    for registry in ("twin", "ml"):
        add(estate, "trained", registry=registry, addresses=(LOGGED,))
    add(estate, "late", registry="twin", tags={"depends_on": LOGGED})
    estate.settle()
    assert needs(estate, "twin/late:1") == ["twin/trained:1"]
    assert needs(estate, "ml/app:1") == ["ml/trained:1"]


@pytest.mark.parametrize("seen", ["ml", "twin"])
@pytest.mark.parametrize("hidden", [(), ("secret", "vault")])
@pytest.mark.parametrize("order", ["together", "hidden first", "statement first"])
def test_an_address_leads_to_what_is_seen_of_those_that_have_it(
    estate: Estate, seen: str, hidden: tuple[str, ...], order: str
) -> None:
    estate.join("twin", "b")
    for name in hidden:
        estate.join(name, "c")

    def have(*registries: str) -> None:
        for registry in registries:
            add(estate, "trained", registry=registry, addresses=(LOGGED,))
        if order != "together":
            estate.settle()

    if order != "statement first":
        have(*hidden)
    add(estate, "app", tags={"depends_on": LOGGED})
    if order != "together":
        estate.settle()
    if order == "statement first":
        have(*hidden)
    have(seen)
    estate.settle()
    found = estate.graph.dependencies(seen_by(estate, "ml", "twin"), parse("ml/app:1"))
    assert [one.ref for one in found.dependencies] == [f"{seen}/trained:1"]
    assert found.unresolved == []
    assert impact(estate, f"{seen}/trained:1", seen_by(estate, "ml", "twin")).counts.affected == 1
    blind = seen_by(estate, "ml") if seen == "twin" else seen_by(estate, "ml", "twin")
    assert estate.graph.insights(blind, "unresolved").total == len(open_ends(estate, "ml/app:1", blind))
    assert len(open_ends(estate, "ml/app:1", blind)) == (1 if seen == "twin" else 0)
    everything = [f"{seen}/trained:1"] if seen == "ml" else [f"{name}/trained:1" for name in (*hidden, seen)]
    assert sorted(needs(estate, "ml/app:1")) == sorted(everything)


def test_of_those_that_have_an_address_one_may_be_forgotten(estate: Estate) -> None:
    add(estate, "app", tags={"depends_on": LOGGED})
    for registry in ("twin", "other"):
        estate.join(registry, "b")
        add(estate, "trained", registry=registry, addresses=(LOGGED,))
    estate.settle()
    assert sorted(needs(estate, "ml/app:1")) == ["other/trained:1", "twin/trained:1"]
    estate.forget("twin")
    estate.settle()
    assert (needs(estate, "ml/app:1"), open_ends(estate, "ml/app:1")) == (["other/trained:1"], [])
    estate.forget("other")
    estate.settle()
    assert (needs(estate, "ml/app:1"), open_ends(estate, "ml/app:1")) == ([], [LOGGED])


def test_a_version_that_lost_an_address_is_not_meant_by_it(estate: Estate) -> None:
    trained = add(estate, "trained", addresses=(LOGGED, "bad\x00address"))
    estate.put("ml", replace(trained, addresses=()))
    add(estate, "app", tags={"depends_on": LOGGED})
    estate.settle()
    assert needs(estate, "ml/app:1") == []


@pytest.mark.parametrize("name", ["fraud model", "a,b", "100% sure", "weird@name", "a:b"])
def test_a_source_is_one_model_whatever_signs_its_name_holds(estate: Estate, name: str) -> None:
    add(estate, "fraud")
    model = estate.model(name)
    original = estate.version(model, "1")
    estate.put("ml", model, original)
    source = str(Reference("ml", name, "1"))
    add(estate, "copy", lineage=parent(source.removeprefix("ml/"), "copy"))
    estate.settle()
    assert needs(estate, "ml/copy:1") == [source]
    assert impact(estate, "ml/fraud:1").counts.affected == 0


@pytest.mark.parametrize("hidden", [(), ("nlp",)])
@pytest.mark.parametrize("own", ["before", "after", "never"])
@pytest.mark.parametrize("kind", ["base", "copy"])
def test_what_a_name_means_tells_nobody_of_a_registry_that_he_does_not_see(
    estate: Estate, own: str, hidden: tuple[str, ...], kind: ParentKind
) -> None:
    if own == "before":
        add(estate, "nlp/base", "3")
    for name in hidden:
        estate.join(name, "b")
        add(estate, "base", "3", registry=name)
    add(estate, "tuned", lineage=parent("nlp/base:3", kind))
    estate.settle()
    if own == "after":
        add(estate, "nlp/base", "3")
        estate.settle()
    view, stated = seen_by(estate, "ml"), own == "never" or (own, kind) == ("after", "copy")
    found = estate.graph.dependencies(view, parse("ml/tuned:1"))
    assert [one.ref for one in found.dependencies] == ([] if stated else ["ml/nlp/base:3"])
    assert open_ends(estate, "ml/tuned:1", view) == (["nlp/base:3"] if stated else [])
    reason = "what is called so now is younger than the copy" if own == "after" else ""
    assert [one.reason for one in found.unresolved] == ([reason] if stated else [])
    assert estate.graph.insights(view, "unresolved").total == len(found.unresolved)


def test_a_statement_is_told_of_whom_its_first_reading_names_though_it_leads_out_of_sight(
    estate: Estate,
) -> None:
    add(estate, "nlp/base", "1")
    estate.join("nlp", "b")
    add(estate, "base", "3", registry="nlp")
    add(estate, "tuned", lineage=parent("nlp/base:3", "base"))
    estate.settle()
    assert needs(estate, "ml/tuned:1") == ["nlp/base:3"]
    restricted = impact(estate, "ml/nlp/base:1", seen_by(estate, "ml")).unresolved
    assert [(one.consumer, one.wanted) for one in restricted] == [("ml/tuned:1", "nlp/base:3")]
    assert impact(estate, "ml/nlp/base:1").unresolved == []


def test_a_base_model_is_no_registry_until_there_is_one_of_its_name(estate: Estate) -> None:
    add(estate, "tuned", lineage=parent("meta-llama/llama:3", "base"))
    add(estate, "spaced", lineage=parent("Llama 3 8B", "base"))
    estate.settle()
    assert open_ends(estate, "ml/tuned:1") == ["meta-llama/llama:3"]
    assert open_ends(estate, "ml/spaced:1") == ["ml/Llama 3 8B"]
    estate.join("meta-llama", "b")
    add(estate, "llama", "3", registry="meta-llama")
    estate.settle()
    assert needs(estate, "ml/tuned:1") == ["meta-llama/llama:3"]


@pytest.mark.parametrize("settled_before", [True, False])
def test_a_copy_means_nothing_that_is_younger_than_it(estate: Estate, settled_before: bool) -> None:
    source = add(estate, "source")
    add(estate, "copy", lineage=parent("source:1", "copy"))
    add(estate, "orphan", lineage=parent("taken:1", "copy"))
    if settled_before:
        estate.settle()
    estate.drop("ml", "model", source.model)
    add(estate, "source")
    add(estate, "taken")
    add(estate, "tagged", lineage=parent("later:1"))
    add(estate, "later")
    estate.settle()
    (old,) = estate.graph.dependencies(EVERYTHING, parse("ml/copy:1"), depth=1).dependencies
    assert (old.ref, old.deleted) == ("ml/source:1", True)
    (orphan,) = estate.graph.dependencies(EVERYTHING, parse("ml/orphan:1")).unresolved
    assert (orphan.wanted, orphan.reason) == ("ml/taken:1", "what is called so now is younger than the copy")
    assert impact(estate, "ml/taken:1").counts.affected == 0
    assert needs(estate, "ml/tagged:1") == ["ml/later:1"]


def found_at(estate: Estate, version: VersionRecord, uri: str) -> None:
    """Where the files of a version are is read after its listing."""
    details, _ = codec.encode_details(Details(artifact_uri=uri))
    mine = spine.version.c.native_id == version.key.native_id
    with writing(estate.engine) as connection:
        connection.execute(update(spine.version).where(mine).values(details=details))
        row = connection.execute(select(spine.version).where(mine)).one()
        batch = Batch()
        batch.change(Change("version", row.id, row.registry_id))
        batch.append(connection)
    estate.settle()


OTHER_FILES = "what is called so now has other files than the copy"


@pytest.mark.parametrize("settled_before", [True, False])
def test_a_copy_means_nothing_that_has_other_files(estate: Estate, settled_before: bool) -> None:
    add(estate, "taken", artifact_uri="s3://b/other")
    add(estate, "right", artifact_uri="S3A://b/files/")
    add(estate, "vague")
    add(estate, "logged", artifact_uri="models:/m-1", addresses=("models:/m-1",))
    copies = {
        name: add(
            estate, f"{name}-copy", artifact_uri=f"models:/{name}/1", lineage=parent(f"{name}:1", "copy")
        )
        for name in ("taken", "right", "vague", "logged")
    }
    if settled_before:
        estate.settle()
        assert needs(estate, "ml/taken-copy:1") == ["ml/taken:1"], "nothing is known of its files yet"
    for copy in copies.values():
        found_at(estate, copy, "s3://b/files")
    for name in ("right", "vague", "logged"):
        assert needs(estate, f"ml/{name}-copy:1") == [f"ml/{name}:1"]
    (waits,) = estate.graph.dependencies(EVERYTHING, parse("ml/taken-copy:1")).unresolved
    assert (waits.wanted, waits.reason) == ("ml/taken:1", OTHER_FILES)
    assert impact(estate, "ml/taken:1").counts.affected == 0


def test_a_copy_of_a_copy_is_judged_by_where_both_really_are(estate: Estate) -> None:
    add(estate, "source", artifact_uri="s3://b/files")
    first = add(estate, "first", artifact_uri="models:/source/1", lineage=parent("source:1", "copy"))
    second = add(estate, "second", artifact_uri="models:/first/1", lineage=parent("first:1", "copy"))
    found_at(estate, second, "s3://b/files")
    assert needs(estate, "ml/second:1") == ["ml/first:1"], "where the first has its files is not known yet"
    found_at(estate, first, "s3://b/files")
    assert needs(estate, "ml/second:1") == ["ml/first:1"]
    found_at(estate, first, "s3://b/other")
    (waits,) = estate.graph.dependencies(EVERYTHING, parse("ml/second:1")).unresolved
    assert (waits.wanted, waits.reason) == ("ml/first:1", OTHER_FILES)


def test_a_tag_of_a_model_is_said_by_each_of_its_versions(estate: Estate) -> None:
    add(estate, "enc")
    model = estate.model("app", tags={"depends_on": "enc:1"})
    estate.put("ml", model, estate.version(model, "1"), estate.version(model, "2"))
    estate.settle()
    assert [a.ref for a in impact(estate, "ml/enc:1").affected] == ["ml/app:1", "ml/app:2"]
    for tags, affected in (({}, 0), ({"depends_on": "enc"}, 2)):
        estate.put("ml", replace(model, tags=tags))
        estate.settle()
        assert impact(estate, "ml/enc:1").counts.affected == affected


def test_a_data_set_is_its_address_and_its_short_name_a_title(estate: Estate) -> None:
    for model, uri, digest in (
        ("fraud", "s3://fraud-bucket/2026/train", "d1"),
        ("fraud-2", "S3A://fraud-bucket/2026/train/", "d2"),
        ("churn", "s3://churn-bucket/v7/train/", None),
        ("named", None, "d9"),
    ):
        name = "train" if uri else "clicks"
        add(estate, model, lineage=Lineage(datasets=(Dataset(name, digest, uri),)))
    add(estate, "alone", lineage=Lineage(datasets=(Dataset("alone", None, "gs://x/alone.csv"),)))
    estate.settle()

    def learned(dataset: str) -> list[str]:
        found = estate.graph.impact(EVERYTHING, Question(dataset=dataset)).affected
        return sorted(one.ref for one in found)

    assert learned("s3://fraud-bucket/2026/train/") == ["ml/fraud-2:1", "ml/fraud:1"]
    assert learned("s3://fraud-bucket/2026/train#d2") == ["ml/fraud-2:1"]
    assert learned("s3n://churn-bucket/v7/train") == ["ml/churn:1"]
    assert learned("train#d1") == ["ml/fraud:1"]
    assert learned("clicks") == ["ml/named:1"]
    assert learned("alone") == ["ml/alone:1"]
    with pytest.raises(ImpactQuestionError, match="s3://churn-bucket/v7/train, s3://fraud-bucket/2026/train"):
        learned("train")
    with pytest.raises(UnknownError):
        learned("train#d3")
    (made_of,) = estate.graph.dependencies(EVERYTHING, parse("ml/alone:1")).dependencies
    assert (made_of.ref, made_of.title) == ("dataset:gs://x/alone.csv", "alone")


def test_a_title_is_looked_for_within_the_view(estate: Estate) -> None:
    ids = [estate.ids["ml"], estate.join("other", "b")]
    for registry, uri in (("ml", "s3://a/train"), ("other", "s3://b/train")):
        add(estate, "m", registry=registry, lineage=Lineage(datasets=(Dataset("train", None, uri),)))
    estate.settle()
    for registry_id, name in zip(ids, ("ml", "other"), strict=True):
        found = estate.graph.impact(View.of([registry_id]), Question(dataset="train"))
        assert [one.ref for one in found.affected] == [f"{name}/m:1"]


def test_tables_of_a_former_format_are_derived_anew(estate: Estate) -> None:
    add(estate, "enc")
    add(estate, "app", tags={"depends_on": "enc:1"})
    estate.settle()
    with writing(estate.engine) as connection:
        connection.execute(tables.edge.update().values(wanted="ml/other:1", target=None))
        connection.execute(tables.graph_head.update().values(format=1))
    estate.settle()
    assert needs(estate, "ml/app:1") == ["ml/enc:1"]
    assert impact(estate, "ml/enc:1").counts.affected == 1


def test_moving_a_selector_of_versions_made_in_one_moment(estate: Estate) -> None:
    model: ModelRecord = estate.model("enc")
    moment = estate.time()
    names = ["9", "10", "2", "1"]
    versions = [replace(estate.version(model, name), created_at=moment) for name in names]
    estate.put("ml", model, *versions)
    add(estate, "follows", tags={"depends_on": "enc"})
    estate.settle()
    assert needs(estate, "ml/follows:1") == ["ml/enc:10"]
    reason = impact(estate, "ml/enc:10").affected[0].reason
    assert "which would mean ml/enc:9" in reason
