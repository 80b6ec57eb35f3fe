"""What collections, links and artifacts become, and what a refusal of Weights & Biases proves."""

import pytest

from adapters import (
    AuthError,
    Dataset,
    InvalidError,
    NotFoundError,
    Parent,
    Registration,
    VersionRecord,
)
from adapters.emulators.wandb import Organization
from tests.adapters.scans import scanned
from tests.adapters.wandb.conftest import Opens

NAME = "model/churn"
ADDRESS = "wandb-artifact://research/training"


def test_a_version_says_which_run_logged_it_and_what_that_used(
    organization: Organization, opened: Opens
) -> None:
    data, base = organization.log("clients", "dataset"), organization.log("base")
    organization.link(organization.collection("model/base"), base)
    metadata = '{"auc": 0.9, "epochs": 3, "kind": "tree", "final": true, "nested": {"a": 1}}'
    linked = organization.log("churn", inputs=[data["id"], base["id"]], metadata=metadata, tags=["risk"])
    organization.link(organization.collection("model/other"), organization.log("churn"))
    link = organization.link(organization.collection(NAME), linked)
    organization.point(organization.collection(NAME), "production", link["index"])
    adapter = opened()
    found = scanned(adapter)
    model = found.models()[NAME]
    [version] = found.versions(model.key).values()
    assert adapter.get(model.key) == model
    assert adapter.get(version.key) == version
    assert (model.aliases, model.type) == ({"latest": "v0", "production": "v0"}, "model")
    assert (version.version, version.state, version.tags) == ("v0", None, {"risk": ""})
    assert (version.metrics, version.params) == (
        {"auc": 0.9, "epochs": 3.0},
        {"kind": "tree", "final": "true"},
    )
    assert version.lineage.datasets == (Dataset("clients", data["digest"], f"{ADDRESS}/clients:v0"),)
    assert version.lineage.parents == (Parent(f"{ADDRESS}/base:v0"),)
    assert version.lineage.run_id == linked["run"]
    assert version.lineage.run_url is not None
    assert version.lineage.run_url.endswith(f"/research/training/runs/{linked['run']}")
    assert version.addresses == (f"{ADDRESS}/churn:v0",)
    [base_version] = found.versions(found.models()["model/base"].key).values()
    assert base_version.addresses == (f"{ADDRESS}/base:v0",), "which is how the parent is found"
    used = [edge["node"]["name"] for edge in base_version.native["artifact"]["usedBy"]["edges"]]
    assert used == [linked["run"]]


def test_what_breaks_the_vendors_page_breaks_one_record_here(
    organization: Organization, opened: Opens
) -> None:
    organization.put("model/good")
    organization.put("model/pending", state="PENDING")
    organization.put("model/strange", metadata="no JSON")
    organization.artifacts[organization.put("model/sourceless")["artifact"]]["name"] = None
    organization.put("model/null")["artifact"] = "gone"
    organization.put("model/unnumbered")["index"] = None
    found = scanned(opened())
    assert len(found.bad) == 3
    names = {one.key: name for name, one in found.models().items()}
    versions = {names[one.model]: one for one in found.records if isinstance(one, VersionRecord)}
    assert versions.keys() == {"model/good", "model/pending", "model/strange"}
    assert versions["model/pending"].state == "PENDING"
    unread = versions["model/strange"].unread
    assert unread is not None
    assert unread.fields == ("metrics", "params")


def test_everything_is_listed_a_page_at_a_time(organization: Organization, opened: Opens) -> None:
    for number in range(5):
        organization.put(f"model/m{number}")
    organization.largest = 2
    assert len(scanned(opened()).records) == 10
    assert len(organization.asked) == 6


def test_a_hidden_organisation_is_no_proof_of_absence(organization: Organization, opened: Opens) -> None:
    organization.put(NAME)
    adapter = opened()
    keys = [one.key for one in scanned(adapter).records]
    organization.is_hidden = True
    for call in (
        lambda: scanned(adapter),
        adapter.probe,
        *(lambda key=key: adapter.get(key) for key in keys),
    ):
        with pytest.raises(AuthError, match="may not see it"):
            call()
    organization.is_hidden = False
    registries, organization.registries = organization.registries, {}
    organization.collections, organization.links = {}, {}
    for key in keys:
        with pytest.raises(AuthError, match="is not shown"):
            adapter.get(key)
    organization.registries = registries
    for key in keys:
        with pytest.raises(NotFoundError):
            adapter.get(key)


def test_only_configured_registries_are_read(organization: Organization, opened: Opens) -> None:
    for name in ("model/a", "team/b", "data/c"):
        organization.put(name)
    adapter = opened(registries=("team", "data", "none"))
    assert set(scanned(adapter).models()) == {"team/b", "data/c"}
    assert adapter.probe().missing == (
        "registry none is not shown: check its name, and what the key may see",
    )


def test_a_page_that_breaks_is_asked_for_in_parts(organization: Organization, opened: Opens) -> None:
    for number in range(4):
        organization.put(f"model/m{number}")
    answer = organization.answer

    def breaks(asked: object) -> object:
        body = asked.json()  # type: ignore[attr-defined]
        found = answer(asked)  # type: ignore[arg-type]
        large = (body["variables"].get("perPage") or 0) > 2 and "artifactMemberships" in body["query"]
        return (
            found._replace(content={"errors": [{"message": "too complex"}], "data": {}}) if large else found
        )

    organization.answer = breaks  # type: ignore[method-assign, assignment]
    assert len(scanned(opened()).records) == 8


def test_an_alias_is_given_and_then_taken(organization: Organization, opened: Opens) -> None:
    organization.is_source_read_only = True
    first, second = organization.put(NAME), organization.put(NAME)
    adapter = opened()
    [key] = [one.key for one in scanned(adapter).models().values()]
    assert adapter.set_alias(key, "production", "v0").aliases["production"] == "v0"
    assert adapter.set_alias(key, "production", "v1").aliases["production"] == "v1"
    assert (first["aliases"], second["aliases"]) == ([], ["latest", "production"])
    assert "production" not in adapter.set_alias(key, "production", None).aliases
    for alias, version, error in (
        ("latest", "v0", InvalidError),
        ("a:b", "v0", InvalidError),
        ("a", "v9", NotFoundError),
    ):
        with pytest.raises(error):
            adapter.set_alias(key, alias, version)


def test_a_version_is_registered_by_linking_what_was_logged(
    organization: Organization, opened: Opens
) -> None:
    organization.is_source_read_only = True
    organization.registry("model")
    logged = organization.log("churn", metadata='{"auc": 0.9}')
    source = f"{ADDRESS}/churn:v0"
    adapter = opened()
    made = adapter.register(Registration(model="model/new", source=source, token="once"))
    assert (made.version, made.artifact_uri, made.metrics) == ("v0", source, {"auc": 0.9})
    assert adapter.get(made.key) == made
    assert opened().register(Registration(model="model/new", source=source, token="once")) == made
    found = scanned(adapter)
    assert found.models()["model/new"].aliases == {"latest": "v0"}, "what remembers the token is no alias"
    assert found.versions(made.model) == {"v0": made}
    [link] = organization.of(organization.collection("model/new"))
    assert link["artifact"] == logged["id"]
    [token] = [one for one in link["aliases"] if one != "latest"]
    with pytest.raises(InvalidError):
        adapter.set_alias(made.model, token, "v0")
    second = adapter.register(Registration(model="model/new", source=source))
    assert second.key != made.key
    assert adapter.register(Registration(model="model/new", source=source)).key not in (made.key, second.key)


def test_what_cannot_be_linked_is_refused_with_the_reason(organization: Organization, opened: Opens) -> None:
    for name in ("model", "other"):
        organization.registry(name)
    organization.log("churn")
    source = f"{ADDRESS}/churn:v0"
    adapter = opened(registries=("model", "gone"))
    for model, uri, more, error, why in (
        (NAME, "s3://bucket/churn", {}, InvalidError, "log it there first"),
        ("churn", source, {}, InvalidError, "REGISTRY/COLLECTION"),
        (NAME, source, {"tags": {"team": "risk"}}, InvalidError, "keeps no tags"),
        (NAME, source, {"run_id": "r1"}, InvalidError, "keeps no tags"),
        ("other/churn", source, {}, InvalidError, "registries"),
        ("gone/churn", source, {}, AuthError, "is not shown"),
        (NAME, f"{ADDRESS}/churn:v9", {}, NotFoundError, "does not exist"),
        (NAME, "wandb-artifact://a/b/churn:v0", {}, NotFoundError, "does not exist"),
    ):
        with pytest.raises(error, match=why):
            adapter.register(Registration(model=model, source=uri, **more))
    assert organization.links == {}
