"""The options that every command takes, anywhere on the line."""

from pathlib import Path

import pytest

from gateway.cli.invocation import Invocation, addressed, hoist, remember


@pytest.mark.parametrize(
    ("words", "hoisted"),
    [
        (["search", "x", "--json"], ["--json", "search", "x"]),
        (["show", "--url", "http://a", "r/m"], ["--url", "http://a", "show", "r/m"]),
        (["sync", "--config=w.toml"], ["--config=w.toml", "sync"]),
        (["search", "--", "--json"], ["search", "--", "--json"]),
        (["search", "--url"], ["--url", "search"]),
    ],
)
def test_the_options_of_every_command_may_stand_anywhere(words: list[str], hoisted: list[str]) -> None:
    assert hoist(words) == hoisted


def test_an_option_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_URL", "http://elsewhere/")
    assert Invocation.of(None, "", json=False).url == "http://elsewhere"
    assert Invocation.of(None, "http://here", json=False).url == "http://here"
    assert Invocation.of(Path("mine.toml"), "", json=False).url == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--url", "http://a:1", "search", "x"],
            "`waypost token list --url http://a:1` or `waypost migrate`",
        ),
        (
            ["--config=my file.toml", "sync"],
            "`waypost token list --config 'my file.toml'` or `waypost migrate --config 'my file.toml'`",
        ),
        (["search", "--", "--url", "x"], "`waypost token list` or `waypost migrate`"),
    ],
)
def test_a_command_in_a_message_speaks_to_the_gateway_that_was_named(words: list[str], said: str) -> None:
    remember(words)
    assert addressed("`waypost token list` or `waypost migrate`") == said
    assert addressed(said) == said
