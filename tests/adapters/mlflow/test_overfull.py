"""A page with more rows than were asked for is not taken in."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from adapters import InvalidError, TransientError
from adapters.mlflow import MlflowAdapter, MlflowConfig
from adapters.portions import Answers
from tests.adapters.mlflow.emulated import EmulatedAnswer, EmulatedMlflow
from tests.adapters.scans import scanned

LISTINGS = {
    "registered-models/search": "registered_models",
    "model-versions/search": "model_versions",
    "experiments/search": "experiments",
    "runs/search": "runs",
    "logged-models/search": "models",
}
WANTED = "r" * 32


class Overfull(EmulatedMlflow):
    """Answers one listing with a row more than was asked for, whatever that was."""

    spoiled = ""

    def request(self, method: str, url: str, **given: Any) -> EmulatedAnswer:
        answer = super().request(method, url, **given)
        if not url.partition("?")[0].endswith(self.spoiled):
            return answer
        body = json.loads(given.get("body") or "{}")
        asked = body.get("max_results") or int(url.partition("max_results=")[2].partition("&")[0])
        return EmulatedAnswer(200, json.dumps({LISTINGS[self.spoiled]: [{}] * (asked + 1)}).encode())


def adapter_on(server: EmulatedMlflow) -> MlflowAdapter:
    made = MlflowAdapter(MlflowConfig(url="http://127.0.0.1:5000"))
    made._api.http._pool = server  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("listing", ["registered-models/search", "model-versions/search"])
def test_a_page_with_more_records_than_were_asked_for_is_refused(listing: str) -> None:
    server = Overfull()
    server.create("m")
    server.register("m")
    server.spoiled = listing
    with pytest.raises(InvalidError, match=r"records, more than the [\d,]+ that were asked for"):
        scanned(adapter_on(server))
    assert len(server.requests) < 12, "asking for less is of no use"


@pytest.mark.parametrize("listing", ["runs/search", "experiments/search", "logged-models/search"])
def test_what_belongs_to_a_version_is_unknown_where_too_much_of_it_came(listing: str) -> None:
    server = Overfull()
    server.spoiled = listing
    api = adapter_on(server)._api
    if listing != "experiments/search":
        api._experiments = ["0"]
    found = (api.logged_models if listing.startswith("logged") else api.runs)([WANTED])
    assert "that were asked for" in found.failed[WANTED]


class EndlessListing(Overfull):
    """Gives one listing as pages of so many rows, each with a token that was never given before."""

    rows = 1

    def request(self, method: str, url: str, **given: Any) -> EmulatedAnswer:
        answer = EmulatedMlflow.request(self, method, url, **given)
        if not url.endswith(self.spoiled):
            return answer
        page = {LISTINGS[self.spoiled]: [{}] * self.rows, "next_page_token": f"t{len(self.requests)}"}
        return EmulatedAnswer(200, json.dumps(page).encode())


@pytest.fixture(params=["runs", "logged_models"])
def endless(request: pytest.FixtureRequest) -> tuple[EndlessListing, Callable[[], Answers[Any]]]:
    """A server whose pages of runs or logged models do not end, and who asks it for one."""
    server = EndlessListing()
    server.spoiled = f"{request.param.replace('_', '-')}/search"
    api = adapter_on(server)._api
    api._experiments = ["0"]
    return server, lambda: getattr(api, request.param)([WANTED])


def test_what_belongs_to_a_version_is_unknown_where_pages_of_it_do_not_end(
    endless: tuple[EndlessListing, Callable[[], Answers[Any]]],
) -> None:
    server, ask = endless
    assert "that were asked for" in ask().failed[WANTED]
    assert len(server.requests) < 5


def test_pages_without_rows_end(endless: tuple[EndlessListing, Callable[[], Answers[Any]]]) -> None:
    server, ask = endless
    server.rows = 0
    with pytest.raises(TransientError, match="never ends"):
        ask()
    assert len(server.requests) < 12
