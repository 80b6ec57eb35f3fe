"""Rows that move between two pages of MLflow's, or between the statements of one: none is missed or comes torn."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.mlflow.pages import offset_of, token_of
from tests.adapters.mlflow.emulated import EmulatedAnswer, EmulatedMlflow
from tests.adapters.scans import scanned

NAMES = tuple("abcdefghijklmnop")
WHOLE = {name: {"is": name} for name in NAMES}
PLACES = range(3, 50)
"""Statements behind the head of the listing, and some more."""


@pytest.fixture
def server() -> EmulatedMlflow:
    return EmulatedMlflow()


@pytest.fixture
def adapter(server: EmulatedMlflow) -> Iterator[MlflowAdapter]:
    made = MlflowAdapter(MlflowConfig(url="http://127.0.0.1:5000", model_page=2))
    made._api.http._pool = server  # type: ignore[assignment]
    yield made
    made.close()


def listed(
    adapter: MlflowAdapter, server: EmulatedMlflow, place: int, change: Callable[[], None]
) -> dict[str, dict[str, str]]:
    """The tags of all models, in a scan during which something changes before one of the server's statements."""
    server.models.clear()
    for name in NAMES:
        server.create(name, {"is": name})
    statements = iter(range(1000))
    server.point = lambda: change() if next(statements) == place else None
    return {name: dict(model.tags) for name, model in scanned(adapter).models().items()}


@pytest.mark.parametrize("deleted", ["a", "ab", "bc", "abc", "abcd", "efgh", "abcdefgh"])
def test_deletes_hide_and_tear_nothing(server: EmulatedMlflow, adapter: MlflowAdapter, deleted: str) -> None:
    def delete() -> None:
        for name in deleted:
            server.delete_model(name)

    left = {name: WHOLE[name] for name in NAMES if name not in deleted}
    for place in PLACES:
        found = listed(adapter, server, place, delete)
        assert {name: found.get(name) for name in left} == left, place


@pytest.mark.parametrize("changed", ["a", "f", "p"])
def test_what_changes_between_two_statements_keeps_its_tags(
    server: EmulatedMlflow, adapter: MlflowAdapter, changed: str
) -> None:
    for place in PLACES:
        assert listed(adapter, server, place, lambda: server.describe(changed, None, "better")) == WHOLE


def test_a_server_that_gives_fewer_rows_than_pages_overlap_is_read_to_its_end(
    server: EmulatedMlflow, adapter: MlflowAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = server.request

    def request(method: str, url: str, **given: Any) -> EmulatedAnswer:
        asked = int(url.partition("max_results=")[2].partition("&")[0] or 0)
        return EmulatedAnswer(400, b"too much") if asked > 2 else answer(method, url, **given)

    monkeypatch.setattr(server, "request", request)
    assert listed(adapter, server, 1000, lambda: None) == WHOLE


@pytest.mark.parametrize("said", [b"", b"[]", b"[" * 100_000, b'{"offset": -1}', b'{"offset": "5"}', b"\xff"])
def test_what_is_no_offset_is_a_token_of_another_server(said: bytes) -> None:
    assert offset_of(base64.b64encode(said).decode()) is None
    assert offset_of("not base64!") is None
    assert offset_of(token_of(5)) == 5
