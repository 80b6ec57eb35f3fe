"""Tokens look alike, are never alike, and betray a typing mistake."""

from hypothesis import given
from hypothesis import strategies as st

from federation.identity.credentials import ALPHABET, SHAPE, is_token, new_token
from gateway.logs import redact


def test_tokens_have_one_shape_and_never_repeat() -> None:
    made = {new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(SHAPE.fullmatch(one) and is_token(one) for one in made)


@given(st.integers(3, 35), st.sampled_from(ALPHABET))
def test_a_mistyped_character_is_noticed(place: int, other: str) -> None:
    token = new_token()
    mistyped = token[:place] + other + token[place + 1 :]
    assert is_token(mistyped) == (mistyped == token)


def test_a_token_is_hidden_in_logs() -> None:
    token = new_token()
    assert token not in redact(f"asked with {token} for something")
