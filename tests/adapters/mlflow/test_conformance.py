"""The MLflow adapter passes the conformance suite against a real server."""

from collections.abc import Iterator

import pytest

from adapters import Key, Record
from adapters.conformance import CheckFailed, Conformance, perform
from adapters.conformance.run import named
from adapters.mlflow import MlflowAdapter, pages
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import MlflowHarness, running
from tests.adapters.scans import scanned
from tests.servers.mlflow import empty


@pytest.fixture(scope="module")
def harness(mlflow_process: Server) -> Iterator[MlflowHarness]:
    with running(mlflow_process.url) as made:
        yield made


@pytest.fixture(autouse=True)
def emptied(harness: MlflowHarness, mlflow_process: Server) -> None:
    """Nothing is there of the checks before: reading all of it again and again is what would cost."""
    empty(mlflow_process)
    harness.begin()


class TestMlflow(Conformance, harness=MlflowHarness):
    """Every check but those about endpoints and another clock, which a real MLflow server has not."""


def test_pages_that_do_not_overlap_fail(harness: MlflowHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "offset_of", lambda token: None)
    with pytest.raises(CheckFailed, match="lived all along"):
        perform(named(["a_delete_during_a_scan_hides_nothing_else"])[0], harness)


def test_an_adapter_that_reads_one_record_from_a_listing_fails(
    harness: MlflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(self: MlflowAdapter, key: Key) -> Record:
        return scanned(self).by_key()[key]

    monkeypatch.setattr(MlflowAdapter, "get", get)
    with pytest.raises(CheckFailed, match="aliases"):
        perform(named(["get_is_whole_where_a_listing_is_torn"])[0], harness)
