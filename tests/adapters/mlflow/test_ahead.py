"""The next page is read while one is used: that and no more, and its failure is not the end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from adapters import Page, scanning
from adapters.mlflow import MlflowAdapter, MlflowConfig
from tests.adapters.scans import scanned
from tests.adapters.web import answering

URL = "http://127.0.0.1:5000"
PAGES = 8
TIMES = {"creation_timestamp": 1000, "last_updated_timestamp": 1000}


class Listing:
    """Answers like MLflow: one model, whose versions come one a page."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: set[str] = set()
        self.models_asked: list[str] = []
        self.is_together = False
        self._both = threading.Barrier(2)

    def models(self, request: httpx.Request) -> httpx.Response:
        is_prompts = "prompt" in request.url.params.get("filter", "")
        self.models_asked.append("prompts" if is_prompts else "models")
        if self.is_together:
            self._both.wait(60)
        rows = [] if is_prompts else [{"name": "m", **TIMES}]
        return httpx.Response(200, json={"registered_models": rows})

    def versions(self, request: httpx.Request) -> httpx.Response:
        if "prompt" in request.url.params.get("filter", ""):
            return httpx.Response(200, json={})
        token = request.url.params.get("page_token", "0")
        if "creation_timestamp ASC" in request.url.params.get_list("order_by"):
            self.asked.append(token)
        if token in self.broken:
            return httpx.Response(400, text="spoiled")
        row = {
            "name": "m",
            "version": str(int(token) + 1),
            "source": "s3://m",
            "current_stage": "None",
            **TIMES,
        }
        more = {"next_page_token": str(int(token) + 1)} if int(token) < PAGES - 1 else {}
        return httpx.Response(200, json={"model_versions": [row], **more})


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listing]:
    found = Listing()
    with answering(monkeypatch) as mock:
        mock.get(path__regex="registered-models/search").mock(side_effect=found.models)
        mock.get(path__regex="model-versions/search").mock(side_effect=found.versions)
        yield found


@pytest.fixture
def adapter(listing: Listing) -> Iterator[MlflowAdapter]:
    made = MlflowAdapter(MlflowConfig(url=URL, version_page=1))
    yield made
    made.close()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Waits until the threads that read ahead have nothing more to do."""
    pools: list[ThreadPoolExecutor] = []

    def make(*given: Any, **more: Any) -> ThreadPoolExecutor:
        pools.append(ThreadPoolExecutor(*given, **more))
        return pools[-1]

    monkeypatch.setattr(scanning, "ThreadPoolExecutor", make)

    def settle() -> None:
        for pool in pools:
            with suppress(RuntimeError):  # it was shut down
                pool.submit(lambda: None).result()

    return settle


def test_one_page_is_read_ahead_and_no_more(
    adapter: MlflowAdapter, listing: Listing, settled: Callable[[], None]
) -> None:
    pages = adapter.scan(since=None, limit=1)
    assert [record.key.kind for record in next(pages).records] == ["model"]
    for used in range(1, PAGES):
        assert len(next(pages).records) == 1
        settled()
        # The page that is given is cut when the one behind it has come.
        assert len(listing.asked) == min(used + 2, PAGES)
    assert [*pages][-1].watermark is not None
    assert listing.asked == [str(number) for number in range(PAGES)]


def test_what_was_read_before_a_failure_is_given_and_gone_on_from(
    adapter: MlflowAdapter, listing: Listing
) -> None:
    listing.broken.add("2")
    given: list[Page] = []
    with pytest.raises(Exception, match="400"):
        given.extend(adapter.scan(since=None, limit=10))
    assert [record.key.kind for page in given for record in page.records] == ["model", "version", "version"]
    listing.broken.clear()
    rest = scanned(adapter, resume=given[-1].mark)
    assert len(rest.records) == PAGES - 2
    assert listing.asked.count("1") == 1


def test_prompts_are_asked_for_while_models_are(adapter: MlflowAdapter, listing: Listing) -> None:
    listing.is_together = True
    assert len(scanned(adapter).models()) == 1
    assert sorted(listing.models_asked) == ["models", "prompts"]
