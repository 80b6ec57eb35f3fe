"""Words that are a slip away from others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.search.words import LATIN, MAX_LISTED, edits, edits_are_few, within_one_edit

words = st.text("abø1", min_size=1, max_size=6)


@given(words)
def test_every_word_that_is_listed_is_one_edit_away(word: str) -> None:
    assert all(within_one_edit(word, other) for other in edits(word))


@given(words, words)
def test_every_word_one_edit_away_is_listed(left: str, right: str) -> None:
    assert (right in edits(left)) == within_one_edit(left, right)


def test_only_few_are_listed() -> None:
    assert len(edits("x" * MAX_LISTED)) < 2 * len(LATIN) * (MAX_LISTED + 1)
    assert edits_are_few("x" * MAX_LISTED)
    assert not edits_are_few("x" * (MAX_LISTED + 1))
    assert not edits_are_few("модель")


@pytest.mark.parametrize("word", ["fraud", "ab"])
def test_swapped_neighbours_are_within_one_edit(word: str) -> None:
    assert word[1::-1] + word[2:] in edits(word)
