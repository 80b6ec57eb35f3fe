"""The suite on a live backend only looks: no check that applies there writes, whatever the adapter can do."""

import json
from collections.abc import Iterator

import pytest

from adapters.conformance import CHECKS, run
from adapters.conformance.live import live
from adapters.contract import Adapter
from adapters.emulators.rest import Shelf, serve
from adapters.emulators.rest.harness import SECRET, SHELF
from adapters.rest import RestAdapter, RestConfig


@pytest.fixture
def shelf() -> Iterator[tuple[Shelf, str]]:
    made = Shelf(token=SECRET)
    for name in ("churn", "uplift"):
        made.put_version(name)
    server = serve(made)
    yield made, f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_a_backend_that_can_be_written_to_is_left_as_it_was(shelf: tuple[Shelf, str]) -> None:
    backend, url = shelf
    config = RestConfig(**SHELF, url=url, token=SECRET)

    def connect() -> Adapter:
        return RestAdapter(config)

    before = json.dumps([backend.models, backend.versions])
    results = list(run(live(connect, config)))
    assert [(one.name, one.detail) for one in results if not one.ok] == []
    assert sum(one.outcome == "passed" for one in results) > 40
    assert json.dumps([backend.models, backend.versions]) == before


def test_no_check_that_needs_a_capability_applies() -> None:
    assert [check.name for check in CHECKS if check.any_of and not check.needs - {"secrets"}] == []
