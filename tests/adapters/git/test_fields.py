"""What tags and files say of artifacts, versions and entry points."""

import json
import subprocess

from adapters import BadRecordError, Dataset, Key, ModelRecord, NotFoundError, Parent, Record, VersionRecord
from adapters.conformance.lab import ScanResult
from adapters.emulators.git.repository import GitRepository
from adapters.git import GitAdapter
from tests.adapters.git.conftest import Open

DVC = """
stages:
  train:
    cmd: python train.py
    deps: [train.py, data/clicks.csv, data/users]
    params: [lr]
    outs: [model.pt]
    metrics: [metrics.json]
artifacts:
  ranker:
    path: model.pt
    type: model
    desc: Ranks what was found
    labels: [vision, daily]
    meta: {framework: pytorch, license: apache-2.0, depends_on: encoder@prod}
"""
LOCK = """
schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - {path: data/clicks.csv, hash: md5, md5: 1f3870be274f6c49b3e31a0c6728957f, size: 12}
    - {path: data/users, hash: md5, md5: 72b302bf297a228a75730123efef7c41.dir, size: 40, nfiles: 2}
    - {path: train.py, hash: md5, md5: 9b5b2c4dc5a1e1d6a0b8d3f1a8f1c0de, size: 3}
    params:
      params.yaml: {lr: 0.1, net: {depth: 3}}
    outs:
    - {path: model.pt, hash: md5, md5: d41d8cd98f00b204e9800998ecf8427e, size: 9}
"""


def scan(adapter: GitAdapter) -> ScanResult:
    return ScanResult(list(adapter.scan(since=None, limit=1000)))


def versions(adapter: GitAdapter, model: str) -> dict[str, VersionRecord]:
    found = scan(adapter)
    return found.versions(found.models()[model].key)


def test_a_version_says_what_dvc_noted(repository: GitRepository, opened: Open) -> None:
    files = {
        "search/dvc.yaml": DVC,
        "search/dvc.lock": LOCK,
        "search/metrics.json": '{"auc": 0.91, "by": {"country": {"de": 0.9}}, "note": "fine"}',
    }
    commit = repository.commit(files, tags={"search=ranker@v1.2.0": "First that ranks"})
    adapter = opened()
    model, version = scan(adapter).models()["search:ranker"], versions(adapter, "search:ranker")["v1.2.0"]
    assert (model.type, model.description, model.license) == ("model", "Ranks what was found", "apache-2.0")
    assert version.description == "Ranks what was found"
    assert version.tags == {
        "vision": "", "daily": "", "framework": "pytorch", "license": "apache-2.0", "depends_on": "encoder@prod",
    }  # fmt: skip
    assert (version.framework, version.license) == ("pytorch", "apache-2.0")
    assert version.artifact_digest == "md5:d41d8cd98f00b204e9800998ecf8427e"
    assert version.artifact_uri == f"git+file://{repository.path}@{commit}#subdirectory=search/model.pt"
    assert version.lineage.commit == commit
    assert version.lineage.datasets == (
        Dataset("search/data/clicks.csv", digest="md5:1f3870be274f6c49b3e31a0c6728957f"),
        Dataset("search/data/users", digest="md5:72b302bf297a228a75730123efef7c41.dir"),
    )
    assert version.params == {"lr": "0.1", "net.depth": "3"}
    assert version.metrics == {"auc": 0.91, "by.country.de": 0.9}
    assert version.creator == "Ada <ada@example.com>"
    assert version.native["message"] == "First that ranks"


def test_what_a_stage_makes_of_another_artifact_has_that_for_its_base(
    repository: GitRepository, opened: Open
) -> None:
    artifacts = """artifacts:
  "base: one": {path: base.pt, type: model}
  tuned: {path: tuned.pt, type: model}
  clicks: {path: clicks.csv, type: dataset}
"""
    lock = """stages:
  tune:
    deps: [{path: base.pt, md5: aaaa8cd98f00b204e9800998ecf8427e}, {path: clicks.csv}]
    outs: [{path: tuned.pt, md5: d41d8cd98f00b204e9800998ecf8427e}]
"""
    repository.commit({"s/dvc.yaml": artifacts, "s/dvc.lock": lock}, tags={"s=tuned@v1.0.0": "1"})
    lineage = versions(opened(), "s:tuned")["v1.0.0"].lineage
    assert lineage.parents == (Parent("s%3Abase%3A one", "base"),)
    assert lineage.datasets == (Dataset("s/clicks.csv"),)


def test_several_files_name_artifacts_and_one_needs_no_tag(repository: GitRepository, opened: Open) -> None:
    added = "outs:\n- {md5: aaaa8cd98f00b204e9800998ecf8427e, path: tree.pkl}\n"
    repository.commit(
        {
            "artifacts.yaml": "churn: {type: model, path: tree.pkl, labels: [nightly], description: Who leaves}",
            "tree.pkl.dvc": added,
            "dvc.yaml": "artifacts: {root: {path: a.bin, type: dataset}}",
            "a/b/dvc.yaml": "artifacts: {deep: {path: c.bin}}",
        }
    )
    found = scan(opened())
    assert found.models().keys() == {"churn", "root", "a/b:deep"}
    assert found.models()["root"].type == "dataset"
    assert not [record for record in found.records if isinstance(record, VersionRecord)]
    repository.tag("churn@v0.0.1", repository.head or "")
    version = versions(opened(), "churn")["v0.0.1"]
    assert version.artifact_digest == "md5:aaaa8cd98f00b204e9800998ecf8427e"
    assert version.tags == {"nightly": ""}


def test_stages_are_a_stack_and_what_is_taken_back_is_archived(
    repository: GitRepository, opened: Open
) -> None:
    first = repository.commit(tags={"churn@v1.0.0": "1"})
    second = repository.commit(tags={"churn@v1.1.0": "2"})
    adapter = opened()

    def prod() -> str | None:
        return scan(adapter).models()["churn"].aliases.get("prod")

    repository.tag("churn#prod#1", second)
    repository.tag("churn#prod#2", first)
    assert prod() == "v1.0.0"
    assert versions(adapter, "churn")["v1.0.0"].stage == "prod"
    repository.tag("churn#prod!#3", first)
    assert prod() == "v1.1.0"
    repository.tag("churn@v1.1.0!", second)
    assert prod() is None
    assert versions(adapter, "churn")["v1.1.0"].lifecycle == "deregistered"
    repository.tag("churn@deprecated", second)
    assert {each.lifecycle for each in versions(adapter, "churn").values()} == {"deprecated", "deregistered"}
    assert scan(adapter).models()["churn"].tags == {"deprecated": "true"}


def test_a_commit_with_a_stage_is_a_version_and_keeps_it(repository: GitRepository, opened: Open) -> None:
    commit = repository.commit()
    repository.tag("churn#prod!#1", commit)
    adapter = opened()
    assert versions(adapter, "churn")[commit].lifecycle == "unregistered"
    assert scan(adapter).models()["churn"].aliases == {}
    repository.tag("churn#prod#2", commit)
    repository.tag("churn#prod!#3", commit)
    assert scan(adapter).models()["churn"].aliases == {"prod": commit}, "as GTO has it"


def test_of_one_second_the_older_version_has_the_stage_as_gto_shows_it(
    repository: GitRepository, opened: Open
) -> None:
    first, second, bare = (repository.commit(at=at) for at in (1_000_000_000, 1_000_000_001, 1_000_000_002))
    repository.tag("churn@v2.0.0", first, at=1_000_000_010)
    repository.tag("churn@v1.0.0", second, at=1_000_000_020)
    repository.tag("churn#prod#1", second, at=1_000_000_020)
    repository.tag("churn#prod#0", bare, at=1_000_000_020)
    adapter = opened()
    assert scan(adapter).models()["churn"].aliases == {"prod": "v1.0.0"}
    repository.tag("churn#prod#2", first, at=1_000_000_020)
    assert scan(adapter).models()["churn"].aliases == {"prod": "v2.0.0"}


def test_one_odd_tag_is_one_bad_record(repository: GitRepository, opened: Open) -> None:
    commit = repository.commit(
        {"artifacts.yaml": "{}"}, tags={"good@v1.0.0": "1", "twice@v1.0.0": "1", "twice@v1.1.0": "2"}
    )
    blob = repository.git("rev-parse", f"{commit}:artifacts.yaml").strip()
    repository.tag("blob@v1.0.0", blob, kind="blob")
    repository.tag("twice#prod#1", commit)
    repository.git("update-ref", "refs/tags/light@v1.0.0", commit)
    repository.git("update-ref", "refs/tags/any thing".replace(" ", "-"), commit)
    found = scan(opened())
    assert sorted(error.native for error in found.bad) == ["blob@v1.0.0", "twice#prod#1"]
    assert found.models().keys() == {"good", "twice", "blob"}
    assert {record.version for record in found.records if isinstance(record, VersionRecord)} == {
        "v1.0.0",
        "v1.1.0",
    }


def test_a_file_that_cannot_be_read_is_unknown_and_proves_no_absence(
    repository: GitRepository, opened: Open
) -> None:
    repository.commit(
        {"artifacts.yaml": "solo: {type: model}\nchurn: {type: model}"}, tags={"churn@v1.0.0": "1"}
    )
    adapter = opened(max_file_kb=1)
    assert scan(adapter).models().keys() == {"solo", "churn"}
    for broken in ("solo: [", "solo: {description: " + "x" * 2000 + "}"):
        repository.commit({"artifacts.yaml": broken}, tags={f"churn@v1.{len(broken)}.0": "2"})
        found = ScanResult(list(adapter.scan(since="another", limit=1000)))
        assert {listing.kind for listing in found.listed} == {"version"}
        assert len(found.bad) == 1
        unread = found.versions(Key("model", "churn"))[f"v1.{len(broken)}.0"].unread
        assert unread is not None and "artifacts.yaml" in unread.reason
        try:
            adapter.get(Key("model", "solo"))
        except BadRecordError:
            continue
        raise AssertionError("solo may be there")


HUBCONF = """
dependencies = ["torch", "numpy"]
from torchvision.models import resnet18 as resnet
import torch
_private = 1
raise SystemExit("this is never run")

def encoder(pretrained=True, width: int = 64, *, norm="batch", kind=object()):
    'Encodes pictures.'
    return torch.nn.Identity()

def _helper(): ...
"""


def test_entry_points_are_models_and_tags_their_versions(repository: GitRepository, opened: Open) -> None:
    repository.commit({"README": "nothing yet"}, tags={"v0.1": "before"})
    repository.commit({"hubconf.py": "def old(): ..."}, tags={"v0.2": "first"})
    newest = repository.commit({"hubconf.py": HUBCONF}, tags={"churn@v1.0.0": "an artifact beside"})
    repository.git("update-ref", "refs/tags/v0.3", newest)
    found = scan(opened(page="https://git.example.com/vision/{tag}"))
    assert found.models().keys() == {"old", "encoder", "resnet", "churn"}
    assert found.versions(Key("model", "hub old")).keys() == {"v0.2"}
    version = found.versions(Key("model", "hub encoder"))["v0.3"]
    assert version.description == "Encodes pictures."
    assert version.schema is not None
    assert [(each.name, each.type, each.default) for each in version.schema.params] == [
        ("pretrained", "bool", "true"), ("width", "int", "64"), ("norm", "str", '"batch"'),
    ]  # fmt: skip
    assert version.environment.libraries == {"torch": "", "numpy": ""}
    assert (version.framework, version.url) == ("pytorch", "https://git.example.com/vision/v0.3")
    assert found.versions(Key("model", "hub resnet"))["v0.3"].schema is None
    clone, load = opened().snippets("encoder", version)
    subprocess.run(["sh", "-euc", clone.code], cwd=repository.path.parent, check=True, capture_output=True)
    assert (repository.path.parent / "model" / "hubconf.py").read_text() == HUBCONF
    assert load.code.endswith("torch.hub.load('model', 'encoder', source='local')")
    hosted = opened(url="git@github.com:acme/vision.git").snippets("encoder", version)[1]
    assert hosted.code.endswith("torch.hub.load('acme/vision:v0.3', 'encoder')")


def test_a_hubconf_that_cannot_be_read_is_one_bad_record(repository: GitRepository, opened: Open) -> None:
    repository.commit({"hubconf.py": "def broken(:"}, tags={"v0.1": "1"})
    repository.commit({"hubconf.py": "x = " + "[" * 61 + "]" * 61}, tags={"v0.2": "1"})
    repository.commit({"hubconf.py": "def fine(): ..."}, tags={"v0.3": "1"})
    found = scan(opened())
    assert sorted(error.native for error in found.bad) == ["v0.1", "v0.2"]
    assert found.models().keys() == {"fine"}


def test_a_tag_made_anew_is_another_version(repository: GitRepository, opened: Open) -> None:
    commit, adapter = repository.commit(tags={"churn@v1.0.0": "1"}), opened()
    old = versions(adapter, "churn")["v1.0.0"]
    repository.untag("churn@v1.0.0")
    repository.tag("churn@v1.0.0", commit)
    assert versions(adapter, "churn")["v1.0.0"].key != old.key
    try:
        found: Record | None = adapter.get(old.key)
    except NotFoundError:
        found = None
    assert found is None


def test_pages_are_those_of_the_host(opened: Open) -> None:
    page = "vision/tree/churn%40v1.0.0"
    for url, expected in {
        "https://github.com/acme/vision.git": f"https://github.com/acme/{page}",
        "git@github.com:acme/vision.git": f"https://github.com/acme/{page}",
        "ssh://git@gitlab.acme.com:2222/ml/vision.git": "https://gitlab.acme.com/ml/vision/-/tree/churn%40v1.0.0",
        "https://git.acme.com:8443/ml/vision": "https://git.acme.com:8443/ml/vision",
        "/srv/git/vision.git": None,
    }.items():
        assert opened(url=url)._client.config.page_of("churn@v1.0.0") == expected


def test_native_payloads_are_json_whatever_yaml_says(repository: GitRepository, opened: Open) -> None:
    repository.commit(
        {"artifacts.yaml": "odd: {custom: {a: .nan, b: [.inf, 2026-01-01], c: null}}"},
        tags={"odd@v1.0.0": "1"},
    )
    model = scan(opened()).models()["odd"]
    assert isinstance(model, ModelRecord)
    json.dumps(model.native, allow_nan=False)
    assert model.tags == {"a": "NaN", "b": '[Infinity, "2026-01-01"]'}
