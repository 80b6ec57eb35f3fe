"""What adapters keep in memory is bounded, and tokens end before their time."""

import pytest

from adapters.kept import Kept
from adapters.tokens import Tokens, bearer_challenge


def test_what_was_used_last_is_kept_and_no_more_than_so_much() -> None:
    kept: Kept[int, str] = Kept(30, len)
    for number in range(10):
        kept.keep(number, "x" * 10)
        kept.get(0)
    assert [number for number in range(10) if kept.get(number)] == [0, 8, 9]
    kept.keep(0, "y")
    kept.keep(10, "z" * 9)
    assert [number for number in range(11) if kept.get(number)] == [0, 8, 9, 10]
    kept.forget(0)
    assert kept.get(0) is None
    assert kept.keep(11, "larger than all of it" * 2) == kept.get(11)
    assert [number for number in range(11) if kept.get(number)] == []


def test_a_token_is_not_used_to_its_very_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("adapters.tokens.time.monotonic", lambda: now)
    held = Tokens()
    assert held.get() is None
    assert held.keep("first", 60.0) == held.get() == "first"
    held.keep("other", 3.0, "push")
    now += 0.5
    assert (held.get(), held.get("push"), held.get("pull")) == ("first", "other", None)
    now += 50.0
    assert (held.get(), held.get("push")) == (None, None)
    assert held.secrets == ("other", "first")


def test_a_challenge_for_a_token_is_told_from_others() -> None:
    header = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:a:pull,push"'
    asked = {"realm": "https://auth.example/token", "service": "registry", "scope": "repository:a:pull,push"}
    assert bearer_challenge(header) == asked
    assert bearer_challenge(f'Basic realm="x", {header}') == asked
    assert bearer_challenge('Basic realm="x"') is None
