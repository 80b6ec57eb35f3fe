"""The next page is asked for as soon as the one before it has come, and none is asked for in vain."""

import threading
from collections.abc import Iterator

import pytest

from adapters import AdapterError, TransientError
from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.mlflow.client import Arrived, Listed
from adapters.mlflow.pages import Prefetch, Wanted
from tests.adapters.mlflow.emulated import EmulatedMlflow
from tests.adapters.scans import scanned

LAST = 4
PAGES = [Wanted(str(number), 1) for number in range(LAST + 2)]


class PagesOfOne:
    """Pages of one row, whose token is its number; the last is `LAST`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: dict[str, AdapterError] = {}
        self.parsing: dict[str, threading.Event] = {}
        """Pages that are not parsed before the event."""
        self.began = {page.token: threading.Event() for page in PAGES}

    def fetch(self, token: str | None, rows: int, arrived: Arrived) -> Listed:
        assert token is not None
        self.asked.append(token)
        self.began[token].set()
        if token in self.broken:
            raise self.broken[token]
        arrived(int(token) < LAST)
        if token in self.parsing:
            assert self.parsing[token].wait(60)
        return Listed([token], str(int(token) + 1) if int(token) < LAST else None)


@pytest.fixture
def backend() -> PagesOfOne:
    return PagesOfOne()


@pytest.fixture
def prefetch(backend: PagesOfOne) -> Iterator[Prefetch]:
    with Prefetch(backend.fetch) as made:
        yield made


def test_the_next_page_is_asked_for_before_the_one_that_came_is_parsed(
    backend: PagesOfOne, prefetch: Prefetch
) -> None:
    backend.parsing["0"] = threading.Event()
    reader = threading.Thread(target=lambda: prefetch.read(PAGES[0], PAGES[1]))
    reader.start()
    assert backend.began["1"].wait(60)
    assert reader.is_alive()
    backend.parsing["0"].set()
    reader.join()


def test_every_page_is_asked_for_once_in_order_and_none_behind_the_last(
    backend: PagesOfOne, prefetch: Prefetch
) -> None:
    for number in range(LAST + 1):
        assert prefetch.read(PAGES[number], PAGES[number + 1]).rows == [str(number)]
    assert backend.asked == [str(number) for number in range(LAST + 1)]


def test_no_more_than_the_next_page_is_asked_for(backend: PagesOfOne, prefetch: Prefetch) -> None:
    backend.parsing["1"] = threading.Event()
    prefetch.read(PAGES[0], PAGES[1])
    assert backend.began["1"].wait(60)
    assert not backend.began["2"].is_set(), "it has come, and nobody has wanted it"
    backend.parsing["1"].set()
    prefetch.read(PAGES[1], PAGES[2])
    assert backend.began["2"].wait(60)


def test_whoever_wants_another_page_gets_it_and_nothing_is_guessed_from_then_on(
    backend: PagesOfOne, prefetch: Prefetch
) -> None:
    prefetch.read(PAGES[0], PAGES[1])
    assert prefetch.read(PAGES[2], PAGES[3]).rows == ["2"]
    assert prefetch.read(PAGES[3], PAGES[4]).rows == ["3"]
    assert sorted(backend.asked) == ["0", "1", "2", "3"]


def test_a_page_that_fails_fails_for_whoever_wants_it(backend: PagesOfOne, prefetch: Prefetch) -> None:
    backend.broken["1"] = TransientError("it broke")
    prefetch.read(PAGES[0], PAGES[1])
    with pytest.raises(TransientError, match="it broke"):
        prefetch.read(PAGES[1], PAGES[2])
    del backend.broken["1"]
    assert prefetch.read(PAGES[1], PAGES[2]).rows == ["1"]


def test_nothing_is_begun_after_the_end(backend: PagesOfOne) -> None:
    with Prefetch(backend.fetch) as prefetch:
        backend.parsing["0"] = threading.Event()
        reader = threading.Thread(target=lambda: prefetch.read(PAGES[0], PAGES[1]))
        reader.start()
        assert backend.began["1"].wait(60)
    backend.parsing["0"].set()
    reader.join()
    assert backend.asked == ["0", "1"]


@pytest.mark.parametrize("models", [3, 40, 100])
def test_a_scan_asks_for_each_page_of_a_listing_once(monkeypatch: pytest.MonkeyPatch, models: int) -> None:
    server = EmulatedMlflow()
    for number in range(models):
        server.create(f"m{number:03}", {"is": str(number)})
    adapter = MlflowAdapter(MlflowConfig(url="http://127.0.0.1:5000", model_page=10))
    monkeypatch.setattr(adapter._api.http, "_pool", server)
    asked: list[tuple[str | None, int]] = []
    ask = adapter._api.models

    def models_of(*, prompts: bool, token: str | None, size: int, **more: object) -> Listed:
        if not prompts and "arrived" in more:
            asked.append((token, size))
        return ask(prompts=prompts, token=token, size=size, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(adapter._api, "models", models_of)
    assert len(scanned(adapter).models()) == models
    assert len(asked) == len(set(asked))
    adapter.close()
