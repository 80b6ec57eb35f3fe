"""A model that has bumped is read whole once, not at every scan while its change is young."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from adapters import Listing
from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.mlflow.scan import Scan
from tests.adapters import scans
from tests.adapters.mlflow.emulated import EmulatedMlflow


@pytest.fixture
def server() -> EmulatedMlflow:
    made = EmulatedMlflow()
    for name in ("a", "b"):
        made.create(name)
        made.register(name)
    return made


@pytest.fixture
def adapter(server: EmulatedMlflow) -> Iterator[MlflowAdapter]:
    made = MlflowAdapter(MlflowConfig(url="http://127.0.0.1:5000"))
    made._api.http._pool = server  # type: ignore[assignment]
    yield made
    made.close()


def scanned(adapter: MlflowAdapter, since: str | None) -> tuple[set[str], str]:
    """The models that one scan has listed whole, by name, and its watermark."""
    found = scans.scanned(adapter, since)
    return {listing.of.native_id.split("/", 1)[1] for listing in found.listed if listing.of}, found.watermark


def test_what_was_seen_to_is_not_listed_whole_again(adapter: MlflowAdapter, server: EmulatedMlflow) -> None:
    _, mark = scanned(adapter, None)
    server.register("a")
    whole, mark = scanned(adapter, mark)
    assert whole == {"a"}
    server.delete_version("b", 1)
    whole, mark = scanned(adapter, mark)
    assert whole == {"b"}
    server.stage("a", 1, "Production")
    server.tag("b", None, "k", "v")  # bumps nothing
    assert scanned(adapter, mark)[0] == {"a"}


def test_a_watermark_of_a_former_build_lists_what_is_young_once_more(
    adapter: MlflowAdapter, server: EmulatedMlflow
) -> None:
    _, mark = scanned(adapter, None)
    former: Any = json.loads(mark)
    for top in former.values():
        del top["near"]
    server.register("a")
    whole, mark = scanned(adapter, json.dumps(former))
    assert whole == {"a", "b"}
    server.register("b")
    assert scanned(adapter, mark)[0] == {"b"}


def test_the_next_listing_is_read_while_a_page_is_used(
    adapter: MlflowAdapter, server: EmulatedMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mark = scanned(adapter, None)
    server.register("a")
    server.describe("b", 1, "young, and its model is not")
    asked = threading.Event()
    answer = server.request

    def request(method: str, url: str, **given: Any) -> Any:
        if "name+IN" in url or "name%20IN" in url:
            asked.set()
        return answer(method, url, **given)

    monkeypatch.setattr(server, "request", request)
    reads = (adapter._api, adapter._translate, adapter._origins, adapter._hidden)
    found = Scan(*reads, mark, None).found()
    while not isinstance(next(found), Listing):
        assert not asked.is_set()
    next(found)
    assert asked.wait(60)
    found.close()
