"""What a model says of itself, in each dialect, and what is no model."""

from datetime import UTC, datetime

import pytest

from adapters import (
    BadRecordError,
    Dataset,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    Parent,
    VersionRecord,
)
from adapters.emulators.oci.pushing import IMAGE, MODELPACK, Layer
from adapters.oci import OciConfig, client, records
from tests.adapters.oci.conftest import Emulate, Site
from tests.adapters.pasting import arguments
from tests.adapters.scans import scanned

OCI = "org.opencontainers.image."
DIGEST = "sha256:" + "0f" * 32


def test_a_modelpack_is_read_whole(site: Site) -> None:
    notes = {"mlflow.run_id": "run-7", f"{OCI}base.name": "hub.example/llm:8b", f"{OCI}base.digest": DIGEST}
    digest = site.pusher.modelpack(site.repository, "1.2.0", annotations={**notes, "team": "risk"})
    site.pusher.tag(site.repository, "production", digest)
    model, version = site.only()
    host = site.url.removeprefix("http://")
    assert (model.name, dict(model.aliases)) == (site.repository, {"production": "1.2.0"})
    assert version.key == Key("version", f"{site.repository}@{digest}")
    assert (version.version, version.artifact_digest, version.etag) == ("1.2.0", digest, digest)
    assert version.artifact_uri == f"oci://{host}/{site.repository}@{digest}"
    assert f"oci://{host}/{site.repository}:1.2.0" in version.addresses
    assert (version.framework, version.license, version.creator) == ("onnx", "Apache-2.0", "Ada, Grace")
    assert version.description == "Who leaves next month"
    assert version.params["paramSize"] == "8b"
    assert version.tags["team"] == "risk"
    assert version.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    made = version.lineage
    assert (made.run_id, made.commit, made.repository) == (
        "run-7",
        "4f2b1c7",
        "https://git.example/risk/churn",
    )
    assert made.datasets == (Dataset("churn-2026", uri="https://data.example/churn-2026", role="training"),)
    assert made.parents == (Parent(f"oci://hub.example/llm@{DIGEST}", "base"),)
    assert version.native["config"]["config"]["precision"] == "fp16"


def test_a_modelkit_is_read(site: Site) -> None:
    site.pusher.kitops(site.repository, "v2")
    _, version = site.only()
    assert (version.version, version.framework, version.license) == ("v2", "xgboost", "MIT")
    assert (version.description, version.creator, version.params["depth"]) == ("Fraud kit", "Lin", "7")
    assert version.lineage.datasets == (Dataset("training", role="training"),)
    assert version.lineage.parents == (Parent("oci://hub.example/base/detector:2.0.0", "base"),)


def test_models_of_docker_and_ollama_are_read(site: Site) -> None:
    site.pusher.docker(site.repository, "7B-Q4_0")
    site.pusher.ollama(site.repository, "latest")
    site.pusher.image(site.repository, "server")
    found = [one for one in scanned(site.adapter()).records if isinstance(one, VersionRecord)]
    by_size = {one.params.get("parameter_count") or one.params["model_type"]: one for one in found}
    assert {one.framework for one in found} == {"gguf"}
    assert by_size["1.10 B"].params["quantization"] == by_size["8.0B"].params["file_type"] == "Q4_0"
    assert all(
        one.version == f"sha256-{one.artifact_digest.partition(':')[2][:12]}"
        for one in found
        if one.artifact_digest
    )


def test_an_index_stands_for_the_model_in_it(site: Site) -> None:
    child = site.pusher.modelpack(site.repository, None, seed="child")
    digest = site.pusher.index(site.repository, "3.0.0", [child])
    _, version = site.only()
    assert (version.artifact_digest, version.framework) == (digest, "onnx")
    assert version.native["manifest"]["manifests"][0]["digest"] == child


def test_what_is_no_model_is_none(site: Site) -> None:
    site.pusher.image(site.repository, "1.0.0")
    adapter = site.adapter()
    found = scanned(adapter)
    assert (found.records, found.bad) == ([], [])
    with pytest.raises(NotFoundError, match="holds no model"):
        adapter.get(Key("model", site.repository))


def test_an_emptied_repository_is_gone(site: Site) -> None:
    digest = site.pusher.modelpack(site.repository, "1.0.0")
    adapter = site.adapter()
    model, version = site.only(adapter)
    site.pusher.delete(site.repository, digest)
    assert scanned(adapter).records == []
    for key in (model.key, version.key):
        with pytest.raises(NotFoundError):
            adapter.get(key)


@pytest.mark.parametrize("config", [b"no json", b"[]", b'{"descriptor": ' + b"[" * 200 + b"]" * 200 + b"}"])
def test_one_odd_configuration_is_one_bad_record(site: Site, config: bytes) -> None:
    digest = site.pusher.artifact(site.repository, "1.0.0", config, MODELPACK)
    site.pusher.modelpack(site.repository, "2.0.0")
    adapter = site.adapter()
    for _ in range(2):  # the second scan knows it
        found = scanned(adapter)
        assert [one.version for one in found.records if isinstance(one, VersionRecord)] == ["2.0.0"]
        assert [one.native for one in found.bad] == [f"{site.repository}@{digest}"]
    with pytest.raises(BadRecordError, match="the configuration of"):
        adapter.get(Key("version", f"{site.repository}@{digest}"))


def test_bytes_that_do_not_fit_their_digest_are_not_believed(emulator: Site) -> None:
    good = emulator.pusher.modelpack(emulator.repository, "1.0.0")
    other = emulator.pusher.modelpack(emulator.repository, "2.0.0", seed="other")
    assert emulator.registry is not None
    contents = emulator.registry.repositories[emulator.repository]
    contents.manifests[good] = contents.manifests[other]
    found = scanned(emulator.adapter())
    assert [one.version for one in found.records if isinstance(one, VersionRecord)] == ["2.0.0"]
    assert "other bytes" in str(found.bad[0])


def test_a_configuration_that_is_missing_leaves_what_it_says_unknown(emulator: Site) -> None:
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    assert emulator.registry is not None
    contents = emulator.registry.repositories[emulator.repository]
    contents.blobs.clear()
    _, version = emulator.only()
    assert version.unread is not None
    assert "framework" in version.unread.fields
    assert "BLOB_UNKNOWN" in version.unread.reason


def test_odd_names_of_the_registry_reach_no_address(emulator: Site) -> None:
    assert emulator.registry is not None
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    emulator.registry.repositories[emulator.repository].tags["../../secrets"] = DIGEST
    emulator.registry.repositories["../up"] = emulator.registry.repositories[emulator.repository]
    found = scanned(emulator.adapter(repositories=()))
    assert [one.name for one in found.records if isinstance(one, ModelRecord)] == [emulator.repository]
    assert not any(".." in one for one in emulator.registry.asked)


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (["latest", "1.1.0", "1.1", "1"], "1.1.0"),
        (["1.0.0", "1.0.0-rc.1"], "1.0.0-rc.1"),
        (["v2", "v2.0"], "v2.0"),
        (["1.10.0", "1.9.0"], "1.9.0"),
        (["production"], "sha256-0f0f0f0f0f0f"),
        (["7B-Q4_0"], "sha256-0f0f0f0f0f0f"),
        (["20260101"], "20260101"),
    ],
)
def test_a_version_is_called_by_the_first_tag_that_looks_like_one(tags: list[str], name: str) -> None:
    assert records.names_of(dict.fromkeys(tags, DIGEST)) == {DIGEST: name}


def test_the_catalogue_is_read_page_by_page_and_filtered(emulate: Emulate) -> None:
    site = emulate(largest_page=2)
    for number in range(5):
        site.pusher.modelpack(f"models/m{number}", "1.0.0", seed=str(number))
    site.pusher.image("images/web", "1.0.0")
    found = scanned(site.adapter(repositories=("models/*", "images/web")))
    assert [*found.models()] == [f"models/m{number}" for number in range(5)]
    assert [*scanned(site.adapter(repositories=("models/m3",))).models()] == ["models/m3"]


def test_a_repository_that_is_no_longer_configured_is_absent(site: Site) -> None:
    site.pusher.modelpack(site.repository, "1.0.0")
    model, version = site.only()
    for key in (model.key, version.key):
        with pytest.raises(NotFoundError, match="none of this registry's `repositories`"):
            site.adapter(repositories=("others/*",)).get(key)


def test_a_page_of_the_catalogue_elsewhere_is_not_asked_for(
    emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, other = emulate(largest_page=1), emulate()
    assert site.registry is not None and other.registry is not None
    for name in ("a", "b"):
        site.pusher.image(name, "1")
    answer = site.registry._catalogue
    monkeypatch.setattr(
        site.registry,
        "_catalogue",
        lambda query: answer(query)._replace(
            headers={"Content-Type": "application/json", "Link": f'<{other.url}/v2/_catalog>; rel="next"'}
        ),
    )
    with pytest.raises(Exception, match="outside the configured `url`"):
        scanned(site.adapter(repositories=()))
    assert other.registry.asked == []


def test_the_native_page_is_the_configured_one(emulator: Site) -> None:
    digest = emulator.pusher.artifact(emulator.repository, "1.0.0", {}, MODELPACK)
    page = "https://hub.example/r/{repository}/{version}/{digest}"
    _, version = emulator.only(emulator.adapter(page=page))
    assert version.url == f"https://hub.example/r/models/churn/1.0.0/{digest}"


@pytest.mark.parametrize(
    ("url", "host", "page"),
    [
        ("https://registry-1.docker.io", "docker.io", "https://hub.docker.com/r/ai/x/tags?name=1.0"),
        ("https://quay.io/v2/", "quay.io", "https://quay.io/repository/ai/x/manifest/sha256:0f"),
        ("https://registry.example:5000/team", "registry.example:5000/team", None),
    ],
)
def test_hosts_are_called_as_their_users_call_them(url: str, host: str, page: str | None) -> None:
    config = OciConfig(url=url)
    assert config.host == host
    assert config.page_of(repository="ai/x", digest="sha256:0f", version="1.0") == page


def test_a_listing_without_end_is_not_read(emulate: Emulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_NAMES", 4)
    site = emulate(largest_page=2)
    for number in range(5):
        site.pusher.image(f"r{number}", "1")
    with pytest.raises(InvalidError, match="more than 4 names"):
        scanned(site.adapter(repositories=()))


def test_an_image_with_layers_of_a_model_is_none(emulator: Site) -> None:
    layer: Layer = ("application/vnd.cncf.model.weight.v1.raw", b"w", {})
    emulator.pusher.artifact(emulator.repository, "1.0.0", {}, IMAGE, [layer])
    assert scanned(emulator.adapter()).records == []


def test_snippets_name_the_digest_and_the_tool(emulator: Site) -> None:
    emulator.pusher.modelpack(emulator.repository, "1.0.0")
    emulator.pusher.kitops(emulator.repository, "2.0.0")
    emulator.pusher.docker(emulator.repository, "3.0.0")
    emulator.pusher.ollama(emulator.repository, "4.0.0")
    adapter = emulator.adapter()
    records = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    told = {one.version: adapter.snippets(emulator.repository, one) for one in records}
    titles = {version: [each.title for each in found] for version, found in told.items()}
    oras = ["ORAS for Python", "ORAS"]
    assert titles == {
        "1.0.0": ["ModelPack for Python", *oras], "2.0.0": ["Kit", *oras],
        "3.0.0": ["Docker Model Runner", *oras], "4.0.0": ["Ollama", *oras],
    }  # fmt: skip
    for one in records:
        place = str(one.artifact_uri).removeprefix("oci://")
        for snippet in told[one.version]:
            assert place in snippet.code
            if snippet.language == "shell":
                words = arguments(snippet.code.partition(" ")[0], snippet.code)
                assert place in words
