"""The declarative adapter passes the suite against a small in-house registry on a real socket."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.conformance import Conformance, Gap
from adapters.rest.harness import SHELF, RestHarness

LISTED = {
    name: {k: v for k, v in SHELF[name].items() if k not in ("page", "since")}
    for name in ("models", "versions")
}


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
