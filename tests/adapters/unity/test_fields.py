"""What Unity Catalog's JSON becomes."""

import pytest

from adapters import Capability, Dataset, Parent, VersionRecord
from adapters.emulators.unity import Metastore
from tests.adapters.scans import scanned
from tests.adapters.unity.conftest import Opens

NAME = "main.risk.churn"


def test_a_version_says_where_it_comes_from(metastore: Metastore, opened: Opens) -> None:
    tables = {"dependencies": [{"table": {"table_full_name": "main.risk.clients"}}, {"function": {}}]}
    metastore.put(
        NAME,
        run_id="r1",
        run_workspace_id=42,
        comment="first",
        model_version_dependencies=tables,
        created_by="ada",
    )
    metastore.put(NAME, source="models:/main.dev.churn/7", status="FAILED_REGISTRATION")
    metastore.point(NAME, "champion", 1)
    adapter = opened()
    found = scanned(adapter)
    [model] = found.models().values()
    versions = found.versions(model.key)
    assert adapter.get(model.key) == model
    assert [adapter.get(one.key) for one in versions.values()] == [*versions.values()]
    assert (model.name, model.aliases, model.owner) == (NAME, {"champion": "1"}, "robot")
    one, two = versions["1"], versions["2"]
    assert (one.lineage.run_id, one.tags, one.description, one.creator, one.state) == (
        "r1", {"run_workspace_id": "42"}, "first", "ada", None,
    )  # fmt: skip
    assert one.lineage.datasets == (Dataset("main.risk.clients"),)
    assert one.addresses == ("models:/main.risk.churn/1",)
    assert one.url is not None
    assert one.url.endswith("/explore/data/models/main/risk/churn/version/1")
    assert (two.lineage.parents, two.state) == (
        (Parent("main.dev.churn:7", "copy"),), "FAILED_REGISTRATION",
    )  # fmt: skip


def test_numbers_of_versions_come_as_texts_too(metastore: Metastore, opened: Opens) -> None:
    metastore.put(NAME)["version"] = "1"
    assert [one.version for one in scanned(opened()).records if isinstance(one, VersionRecord)] == ["1"]


@pytest.mark.parametrize("lacks", ["created_at", "storage_location"])
def test_one_that_tells_no_id_is_known_by_its_creation(
    metastore: Metastore, opened: Opens, lacks: str
) -> None:
    metastore.put(NAME)
    metastore.models[NAME].pop(lacks)
    adapter = opened()
    records = scanned(adapter).records
    assert [adapter.get(one.key) for one in records] == records
    assert len(records) == 2


def test_one_record_that_cannot_be_understood_hides_no_other(metastore: Metastore, opened: Opens) -> None:
    metastore.put("main.risk.good")
    metastore.put("main.risk.odd")["version"] = None
    metastore.put("main.risk.late")["created_at"] = "yesterday"
    metastore.create("main.risk.nameless")["full_name"] = "nameless"
    found = scanned(opened())
    assert len(found.bad) == 3
    assert {"main.risk.good", "main.risk.odd", "main.risk.late"} == found.models().keys()


def test_an_open_source_server_has_neither_aliases_nor_tags(metastore: Metastore, opened: Opens) -> None:
    metastore.is_databricks = False
    metastore.put(NAME)
    adapter = opened()
    [model] = scanned(adapter).models().values()
    assert (model.aliases, model.url) == ({}, None)
    info = adapter.probe()
    cannot = frozenset({Capability.SET_ALIAS, Capability.SET_TAGS})
    assert (info.version, info.unavailable) == ("open source", cannot)
    assert not any("include_aliases" in one.query for one in metastore.asked)
