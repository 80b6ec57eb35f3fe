"""Commitments: they hold for their value and no other, and say nothing without the salt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.journal.commitments import commit, commitment_digest, verify_commitment

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_a_commitment_holds_for_its_value_and_no_other(value: str, other: str) -> None:
    made = commit(value)
    assert verify_commitment(made.digest, made.salt, value)
    assert verify_commitment(made.digest, made.salt, other) == (value == other)
    assert not verify_commitment(made.digest, commit(value).salt, value)


def test_equal_values_have_unrelated_commitments() -> None:
    assert len({commit("ada@example.com").digest for _ in range(100)}) == 100


@given(st.binary(min_size=16, max_size=32), st.binary(min_size=16, max_size=32), texts, texts)
def test_salt_and_value_cannot_slide_into_each_other(a: bytes, b: bytes, x: str, y: str) -> None:
    assert (commitment_digest(a, x) == commitment_digest(b, y)) == ((a, x) == (b, y))
    grown = a + x.encode()[:1]
    if len(grown) <= 32 and x[:1].isascii() and x:
        assert commitment_digest(grown, x[1:]) != commitment_digest(a, x)


@pytest.mark.parametrize("length", [0, 15, 33])
def test_a_salt_of_another_length_is_no_salt(length: int) -> None:
    with pytest.raises(ValueError, match="salt"):
        commitment_digest(bytes(length), "x")
    assert not verify_commitment(bytes(32), bytes(length), "x")


def test_the_digest_is_the_documented_one() -> None:
    """Fixed for ever: what was written with format version 1 must verify with every later Waypost."""
    digest = commitment_digest(bytes(range(16)), "ada")
    assert digest.hex() == "3c3020477a5bb53e6457cd232575391de56171f1d76b2466957c08a07ab377b3"
