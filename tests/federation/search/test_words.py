"""Words that are a slip away from others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.search.words import LATIN, MAX_LISTED, one_slip, slips, slips_are_few

words = st.text("abø1", min_size=1, max_size=6)


@given(words)
def test_every_word_that_is_listed_is_one_slip_away(word: str) -> None:
    assert all(one_slip(word, other) for other in slips(word))


@given(words, words)
def test_every_word_one_slip_away_is_listed(left: str, right: str) -> None:
    assert (right in slips(left)) == one_slip(left, right)


def test_only_few_are_listed() -> None:
    assert len(slips("x" * MAX_LISTED)) < 2 * len(LATIN) * (MAX_LISTED + 1)
    assert slips_are_few("x" * MAX_LISTED)
    assert not slips_are_few("x" * (MAX_LISTED + 1))
    assert not slips_are_few("модель")


@pytest.mark.parametrize("word", ["fraud", "ab"])
def test_swapped_neighbours_are_one_slip(word: str) -> None:
    assert word[1::-1] + word[2:] in slips(word)
