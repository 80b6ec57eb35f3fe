"""Every setting, command, capability, error type and journal action says what it is, and the reference page has it."""

from collections.abc import Callable

import pytest

from tests.reference import PAGE, SECTIONS, DocumentedEntry, page


@pytest.mark.parametrize("entries", SECTIONS.values(), ids=SECTIONS.keys())
def test_each_says_what_it_is(entries: Callable[[], list[DocumentedEntry]]) -> None:
    assert [entry.name for entry in entries() if not entry.meaning.strip()] == []


@pytest.mark.parametrize(
    "title", ["Settings of a registry", "Capabilities of an adapter", "Errors", "Journal actions"]
)
def test_nothing_that_exists_is_overlooked(title: str) -> None:
    assert SECTIONS[title]()


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
