"""What is written to a metastore."""

import pytest

from adapters import InvalidError, NotFoundError, UnsupportedError
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
