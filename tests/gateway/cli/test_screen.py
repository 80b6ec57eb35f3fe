"""Hostile text is shown, never obeyed."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.characters import inert
from gateway.cli import screen

RIGHT_TO_LEFT, BELL, CLEAR = "\u202e", "\x07", "\x1b[2J"


def test_what_steers_a_terminal_is_shown_as_an_escape() -> None:
    assert inert(f"{CLEAR}red{RIGHT_TO_LEFT}der") == "\\x1b[2Jred\\u202eder"


def test_plain_words_of_any_script_stay_as_they_are() -> None:
    assert inert("Größe 模型 [bold]not markup[/bold]") == "Größe 模型 [bold]not markup[/bold]"


@given(st.text())
def test_nothing_that_steers_ever_comes_out(text: str) -> None:
    assert {unicodedata.category(character)[0] for character in inert(text)} <= set("LMNPSZ")
    assert not {"\u2028", "\u2029"} & set(inert(text))


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_stays_the_same_json_and_steers_nothing(data: object) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout.write", lines.append)
        screen.emit_json(data)
    printed = "".join(lines)
    assert json.loads(printed) == data
    assert inert(printed.replace("\n", "")) == printed.replace("\n", "")


def test_a_table_that_goes_elsewhere_is_whole_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    screen.emit_table(("NAME", "STAGE"), [("a" * 200, "none"), ("模型", RIGHT_TO_LEFT)])
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "NAME" + " " * 198 + "STAGE"
    assert second == "a" * 200 + "  none"
    assert third == "模型" + " " * 198 + "\\u202e"


@pytest.mark.parametrize("width", [40, 60, 200])
def test_references_stay_whole_on_a_narrow_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    ref, other = "fraud/card-fraud-scorer-of-payments:12", "search/encoder:3"
    words = "pinned to another version, which would be archived"
    screen.emit_table(("VERSION", "STAGE", "WITH", "WHY"), [(ref, "production", other, words)])
    printed = capsys.readouterr().out
    assert ref in printed
    assert other in printed
    assert max(map(len, printed.splitlines())) <= max(width, len(ref))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567890.0, "1234567890"),
        (1234567.5, "1234568"),
        (0.957812345, "0.957812"),
        (1e-7, "1e-07"),
        (3e20, "3e+20"),
    ],
)
def test_great_numbers_are_shown_whole(value: float, shown: str) -> None:
    assert screen.listed(value) == shown
