"""Bills of materials, against CycloneDX's own schema."""

import json

import pytest

from adapters import Environment, Image, Lineage
from federation.access import EVERYTHING, View
from federation.graph.subject import ImpactQuestionError
from federation.references import parse
from tests.bills import validator
from tests.federation.graph.chain import Chain


def bill(chain: Chain, ref: str, view: View = EVERYTHING) -> dict[str, object]:
    text = chain.estate.graph.bill(view, parse(ref))
    assert validator("1.6").validate_str(text) is None
    newer = chain.estate.graph.bill(view, parse(ref), spec="1.7")
    assert validator("1.7").validate_str(newer) is None
    found: dict[str, object] = json.loads(text)
    return found


def test_a_bill_lists_everything_upstream_and_is_valid(chain: Chain) -> None:
    estate = chain.estate
    model = estate.model("final", license="apache-2.0")
    odd = estate.version(
        model,
        "1 a",
        license="Our Own Licence 2",
        artifact_digest="sha256:" + "ab" * 32,
        artifact_uri="s3://bucket/a b",
        tags={"depends_on": "search/search-blend@stage:production ranking/follower:1 nowhere/x:1"},
    )
    plain = estate.version(model, "2", tags={"depends_on": "search/final:1%20a"})
    estate.put("search", model, odd, plain)
    estate.settle()
    found = bill(chain, "search/final:2")
    by_ref = {c["bom-ref"]: c for c in found["components"]}  # type: ignore[attr-defined]
    assert set(by_ref) == {
        "search/final:1 a",
        "search/search-blend:7",
        "ranking/ranker:5",
        "ranking/follower:1",
        "texts/encoder:3",
        "dataset:clicks#d1",
        "commit:0123456789abcdef",
        "run:texts/r1",
    }
    assert by_ref["texts/encoder:3"]["type"] == "machine-learning-model"
    assert by_ref["dataset:clicks#d1"]["type"] == "data"
    assert by_ref["search/final:1 a"]["licenses"] == [{"license": {"name": "Our Own Licence 2"}}]
    top = found["metadata"]["component"]  # type: ignore[index]
    assert (top["bom-ref"], top["licenses"]) == ("search/final:2", [{"license": {"id": "Apache-2.0"}}])
    needs = {d["ref"]: d.get("dependsOn", []) for d in found["dependencies"]}  # type: ignore[attr-defined]
    assert needs["search/final:1 a"] == ["ranking/follower:1", "search/search-blend:7"]
    assert needs["ranking/follower:1"] == ["texts/encoder:3"]
    assert found["properties"] == [{"name": "waypost:unresolved", "value": "search/final:1 a nowhere/x:1"}]


def test_what_no_bill_can_hold_is_told_as_it_was_said(chain: Chain) -> None:
    estate = chain.estate
    model = estate.model("odd", license="MIT OR Apache-2.0")
    lineage = Lineage(repository="git@[::1]:org/repo.git")
    digest, uri = "git:" + "ab" * 20, "C:\\models\\a#b#c"
    odd = estate.version(model, "1", artifact_uri=uri, artifact_digest=digest, lineage=lineage)
    estate.put("search", model, odd)
    estate.settle()
    top = bill(chain, "search/odd:1")["metadata"]["component"]  # type: ignore[index]
    assert top["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert top["externalReferences"] == [{"type": "distribution", "url": "file:///C:/models/a#b%23c"}]
    assert "hashes" not in top
    said = {one["name"]: one["value"] for one in top["properties"]}
    assert said["waypost:repository"] == "git@[::1]:org/repo.git"
    assert said["waypost:artifact_uri"] == uri
    assert said["waypost:digest"] == digest


def test_software_is_part_of_its_model(chain: Chain) -> None:
    estate = chain.estate
    model, digest = estate.model("boxed"), "sha256:" + "ab" * 32
    software = Environment(
        images=(Image("1.dkr.ecr/teams/Scorer:1.2", digest), Image("scorer")),
        libraries={"numpy": "1.26.4", "torch": ">=2,<3", "scipy": ""},
        ecosystem="pypi",
        python="3.11.7",
    )
    estate.put("search", model, estate.version(model, "1", environment=software))
    estate.settle()
    inside = bill(chain, "search/boxed:1")["metadata"]["component"]["components"]  # type: ignore[index]
    found = {one["name"]: (one["type"], one.get("version"), one.get("purl")) for one in inside}
    url = f"pkg:oci/scorer@{digest}?repository_url=1.dkr.ecr/teams/scorer".replace("sha256:", "sha256%3A")
    assert found["numpy"] == ("library", "1.26.4", "pkg:pypi/numpy@1.26.4")
    assert found["torch"] == ("library", ">=2,<3", "pkg:pypi/torch")
    assert found["scipy"] == ("library", None, "pkg:pypi/scipy")
    assert found["scorer"] == ("container", None, None)
    kind, version, package = found["1.dkr.ecr/teams/Scorer"]
    assert (kind, version) == ("container", "1.2")
    assert package.replace("sha256:", "sha256%3A") == url


def test_what_only_a_copy_of_the_artifact_needs_is_no_part(chain: Chain) -> None:
    estate = chain.estate
    copy, original = estate.model("copy"), estate.model("original")
    digest = "sha256:" + "cd" * 32
    estate.put("search", copy, estate.version(copy, "1", artifact_digest=digest))
    needing = estate.version(original, "1", artifact_digest=digest, tags={"depends_on": "texts/encoder:3"})
    estate.put("texts", original, needing)
    estate.settle()
    assert "components" not in bill(chain, "search/copy:1")
    assert "components" in bill(chain, "texts/original:1")


def test_a_bill_names_nothing_hidden(chain: Chain) -> None:
    found = bill(chain, "search/search-blend:7", View.of([chain.estate.ids["search"]]))
    assert "components" not in found


def test_a_bill_is_of_one_version(chain: Chain) -> None:
    with pytest.raises(ImpactQuestionError, match="one version"):
        bill(chain, "texts/encoder")
