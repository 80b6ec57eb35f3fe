"""The declarative adapter passes the suite against a small in-house registry on a real socket."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import pytest

from adapters.conformance import Check, Conformance, Gap, run
from adapters.conformance.checks import moving, paging
from adapters.emulators.rest.harness import SHELF, RestHarness
from adapters.http import HttpClient
from adapters.rest import client, scan

LISTED = {
    name: {k: v for k, v in SHELF[name].items() if k not in ("page", "since")}
    for name in ("models", "versions")
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class TestRest(Conformance, harness=RestHarness):
    """Cursors, incremental scans by the backend's clock, every write."""


class SingleHarness(RestHarness):
    """A backend that lists everything at once and cannot say what changed; it is only read."""

    config: ClassVar[Mapping[str, Any]] = {
        **{key: value for key, value in SHELF.items() if key != "writes"},
        **LISTED,
    }
    faults = frozenset()
    gaps: ClassVar[Mapping[str, Gap]] = {
        name: Gap("upstream", "this configuration describes no writes")
        for name in (
            "tags_are_written",
            "other_tags_stay",
            "a_written_tag_is_seen_by_a_scan",
            "hostile_values_are_written",
            "an_alias_is_set_moved_and_removed",
            "other_aliases_stay",
            "stages_are_written",
            "a_version_is_registered",
            "the_same_token_registers_once",
            "another_token_registers_another",
            "a_version_is_deleted",
            "a_write_returns_what_it_wrote",
            "writing_twice_is_writing_once",
            "a_current_etag_is_accepted",
            "an_alias_needs_a_version_that_exists",
        )
    }


class TestSingle(Conformance, harness=SingleHarness):
    """Whole listings in one page, split into pages of the size that is asked for."""


MOVING = [
    name for module in (paging, moving) for name, value in vars(module).items() if isinstance(value, Check)
]
COUNTED = {"size": "limit", "size_value": 500}
HIDDEN = {
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
}


def listed_by(style: Mapping[str, Any]) -> RestHarness:
    """A harness whose lists are paged like this."""
    order = {} if style["style"] == "link" else {"order": "updated"}
    lists = {name: {**SHELF[name], "page": style, "query": order} for name in ("models", "versions")}
    config = {**SHELF, **lists}
    made = type("Listed", (RestHarness,), {"config": config})()
    assert isinstance(made, RestHarness)
    return made


@pytest.mark.parametrize(
    "style",
    [
        {"style": "link", **COUNTED},
        {"style": "offset", "param": "offset", **COUNTED},
        {"style": "page", "param": "page", **COUNTED},
    ],
    ids=["link", "offset", "page"],
)
def test_lists_that_are_paged_otherwise(style: Mapping[str, Any]) -> None:
    harness = listed_by(style)
    failed = {result.name: result.detail for result in run(harness, MOVING) if not result.ok}
    harness.close()
    assert not failed


def test_offsets_that_do_not_overlap_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_sort_id", lambda collection, raw: "")
    harness = listed_by({"style": "offset", "param": "offset", **COUNTED})
    failed = {result.name for result in run(harness, HIDDEN) if not result.ok}
    harness.close()
    assert failed == HIDDEN
