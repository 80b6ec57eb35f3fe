"""What is written to a metastore."""

import pytest

from adapters import Capability, ConflictError, InvalidError, NotFoundError, UnsupportedError, VersionRecord
from adapters.emulators.unity import Metastore
from tests.adapters.scans import scanned
from tests.adapters.unity.conftest import Opens

NAME = "main.risk.churn"


def test_an_alias_moves_at_once(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME)
    metastore.put(NAME)
    adapter = opened()
    [key] = [one.key for one in scanned(adapter).models().values()]
    assert adapter.set_alias(key, "champion", "1").aliases == {"champion": "1"}
    assert adapter.set_alias(key, "champion", "2").aliases == {"champion": "2"}
    assert adapter.set_alias(key, "champion", None).aliases == {}
    for alias, version, error in (
        ("a/b", "1", InvalidError), ("a.b", "1", InvalidError), ("a", "v1", InvalidError), ("a", "3", NotFoundError),
    ):  # fmt: skip
        with pytest.raises(error):
            adapter.set_alias(key, alias, version)
    metastore.is_databricks = False
    with pytest.raises(UnsupportedError):
        opened().set_alias(key, "champion", "1")


def test_deleting_a_model_takes_its_versions_along(metastore: Metastore, opened: Opens) -> None:
    metastore.is_databricks = False
    metastore.put(NAME)
    adapter = opened()
    [key] = [one.key for one in scanned(adapter).models().values()]
    adapter.delete(key)
    assert metastore.models == {}


def test_tags_are_read_and_written_where_that_is_configured(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME, run_workspace_id=7)
    plain = opened()
    [model] = scanned(plain).models().values()
    before = len(metastore.asked)
    scanned(plain)
    assert not [one for one in metastore.asked[before:] if "mlflow" in one.path], (
        "a request each is asked for"
    )
    assert plain.probe().unavailable == {Capability.SET_TAGS}
    with pytest.raises(UnsupportedError, match="tags = true"):
        plain.set_tags(model.key, {"team": "risk"})
    adapter = opened(tags=True)
    assert not adapter.probe().unavailable
    [version] = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    for key in (model.key, version.key):
        adapter.set_tags(key, {"team": "risk", "old": "1"})
        adapter.set_tags(key, {"old": None})
    found = scanned(adapter)
    assert found.models()[NAME].tags == {"team": "risk"}
    assert found.versions(model.key)["1"].tags == {"team": "risk", "run_workspace_id": "7"}
    with pytest.raises(InvalidError, match="run_workspace_id"):
        adapter.set_tags(version.key, {"run_workspace_id": "8"})


def test_tags_that_cannot_be_read_are_unknown_and_hide_nothing(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME)
    metastore.put("main.risk.uplift")
    adapter = opened(tags=True)
    metastore.refused["/api/2.0/mlflow/unity-catalog/model-versions/get"] = 403
    found = scanned(adapter)
    assert not found.bad
    versions = [one for one in found.records if isinstance(one, VersionRecord)]
    assert len(versions) == 2
    for one in versions:
        assert one.unread is not None
        assert one.unread.fields == ("tags", "native.tags")


def test_a_model_is_renamed_within_its_schema(either: Metastore, opened: Opens) -> None:
    either.put(NAME)
    either.put("main.risk.taken")
    adapter = opened()
    key = scanned(adapter).models()[NAME].key
    for name, error in (
        ("main.other.churn", InvalidError),
        ("main.risk.a/b", InvalidError),
        ("main.risk.taken", ConflictError),
    ):
        with pytest.raises(error):
            adapter.rename(key, name)
    with pytest.raises(ConflictError):
        adapter.rename(key, "main.risk.better", etag="old")
    [model, version] = adapter.rename(key, "main.risk.better")
    assert [adapter.get(one.key) for one in (model, version)] == [model, version]
    assert adapter.succeeds(model.key, key)
    assert [one.key for one in adapter.rename(key, "main.risk.better")] == [model.key, version.key]
    either.drop("main.risk.better")
    with pytest.raises(NotFoundError):
        adapter.rename(key, "main.risk.better")
