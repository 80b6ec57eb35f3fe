"""The next page is read while one is used: that and no more, and its failure is not the end."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapters import Page
from adapters.mlflow import MlflowAdapter, MlflowConfig
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
            self._both.wait(30)
        rows = [] if is_prompts else [{"name": "m", **TIMES}]
        return httpx.Response(200, json={"registered_models": rows})

    def versions(self, request: httpx.Request) -> httpx.Response:
        if "prompt" in request.url.params.get("filter", ""):
            return httpx.Response(200, json={})
        token = request.url.params.get("page_token", "0")
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


def settled(adapter: MlflowAdapter) -> None:
    """Wait until the thread that reads ahead has nothing more to do."""
    pool: Any = adapter._scan._pool
    pool.submit(lambda: None).result()
    pool.submit(lambda: None).result()


def test_one_page_is_read_ahead_and_no_more(adapter: MlflowAdapter, listing: Listing) -> None:
    page = until_version(adapter)
    for used in range(1, PAGES + 1):
        for _ in range(PAGES):
            settled(adapter)
        assert len(listing.asked) == min(used + 1, PAGES)
        if page.next is None:
            break
        page = adapter.scan(since=None, page=page.next, limit=10)
    assert listing.asked == [str(number) for number in range(PAGES)]


def test_a_page_that_failed_ahead_is_asked_for_again(adapter: MlflowAdapter, listing: Listing) -> None:
    listing.broken.add("2")
    page = until_version(adapter)
    page = adapter.scan(since=None, page=page.next, limit=10)
    with pytest.raises(Exception, match="400"):
        adapter.scan(since=None, page=page.next, limit=10)
    listing.broken.clear()
    versions = 2
    while page.next is not None:
        page = adapter.scan(since=None, page=page.next, limit=10)
        versions += len(page.records)
    assert versions == PAGES


def until_version(adapter: MlflowAdapter) -> Page:
    """The first page with a version."""
    page = adapter.scan(since=None, page=None, limit=10)
    while not listed(page):
        page = adapter.scan(since=None, page=page.next, limit=10)
    return page


def listed(page: Page) -> bool:
    return any(record.key.kind == "version" for record in page.records)


def test_prompts_are_asked_for_while_models_are(adapter: MlflowAdapter, listing: Listing) -> None:
    listing.is_together = True
    page = adapter.scan(since=None, page=None, limit=10)
    assert [record.key.kind for record in page.records] == ["model"]
    while page.next is not None:
        page = adapter.scan(since=None, page=page.next, limit=10)
    assert sorted(listing.models_asked) == ["models", "prompts"]
