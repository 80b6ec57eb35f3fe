"""How values read on a page, and what of a stranger's text is let through."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from federation.references import Reference
from gateway.docs import STATIC
from gateway.pages import words
from gateway.pages.markdown import LONGEST, card
from gateway.pages.page import comma_separated, environment
from gateway.pages.search import toggled
from tests.federation.test_references import references
from tests.gateway.pages.cards import SHAPES

BUDGET = 60 * 1024
"""Bytes of JavaScript that the pages have in all, as it lies there."""


@given(st.text())
def test_no_text_turns_a_page_around_or_breaks_out(text: str) -> None:
    shown = environment().from_string("<bdi title='{{ it }}'>{{ it }}</bdi>").render(it=text)
    inner = shown.removeprefix("<bdi title='").removesuffix("</bdi>")
    assert not re.search("[\u202a-\u202e\u2066-\u2069<]", inner.replace("'>", "", 1))


def test_whatever_turns_a_page_around_is_looked_for_in_what_is_not_printable_alone() -> None:
    shown = [one for one in map(chr, range(0x10000)) if words.inert(one) == one]
    assert {one for one in map(chr, range(0x10000)) if one.isprintable()} < set(shown)
    assert not set(shown) & set("\u200e\u200f\u061c\u202a\u202e\u2066\u2069\ufeff\x00\x1b\x7f\x9f")
    assert {"\t", "\n"} < set(shown)


@given(references)
def test_the_model_of_a_reference_is_read_off_its_text(reference: Reference) -> None:
    assert words.model_of(str(reference)) == str(Reference(reference.registry, reference.model))


@given(st.text(alphabet=st.sampled_from("<>\"'()[]!`\n javscript:onerdimg=/&;#x\u202e")))
@example("[a]()")
def test_a_card_can_do_nothing(text: str) -> None:
    html = str(card(text)).lower()
    assert "<script" not in html
    assert "<img" not in html
    assert not re.search(r"href=\"(?!\"|https?:|mailto:)", html)  # an empty one leads to the page itself
    assert not re.search(r"<[a-z][^>]*\son\w+=", html)


def test_a_card_keeps_what_reads() -> None:
    html = str(card("# Head\n\n**bold** and [a link](https://a.example)\n\n| a |\n|---|\n| 1 |\n"))
    for part in ("<h3>Head</h3>", "<strong>bold</strong>", 'href="https://a.example"', "<td>1</td>"):
        assert part in html


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_card_that_is_more_intricate_than_any_for_people_is_shown_as_text(shape: str) -> None:
    html = str(card(shape * (LONGEST // len(shape) + 1)))
    assert html.startswith("<pre>")
    assert html.endswith("</pre><p>… the rest is in the registry itself.</p>")
    assert "<" not in html[5:].removesuffix("</pre><p>… the rest is in the registry itself.</p>")


def test_a_long_card_for_people_is_set() -> None:
    part = "## Figures\n\nIt is *good* at [this](https://a.example).\n\n|a|b|\n|-|-|\n|1|2|\n\n- one\n- two\n"
    html = str(card(part * 60))
    assert html.count("<h4>Figures</h4>") == html.count("<td>2</td>") == 60


@given(st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_choosing_a_facet_twice_is_choosing_nothing(q: str, value: str) -> None:
    words_of_q = " ".join(re.findall(r"\w+", q))
    value = " ".join(value.split()) or "x"
    chosen, there = toggled(words_of_q, "team", value)
    assert not there
    assert toggled(chosen, "team", value) == (words_of_q, True)


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text() | st.none() | st.lists(st.text())))
)
def test_csv_reads_back(rows: list[dict[str, object]]) -> None:
    text = str(comma_separated(rows, "x", ["a"]).content)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == 1 + len(rows) or not any(rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (1234567, "1,234,567"),
        (0.9578, "0.9578"),
        (1234567890.12, "1,234,567,890"),
        (0.0000123, "1.23e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("nobody approved it", "Nobody approved it."),
        ("it's over, by now", "It&#39;s over, by now."),
        ("`waypost sync` reads it", "<code>waypost sync</code> reads it."),
        ("search/encoder:2 has changed", "search/encoder:2 has changed."),
        ("latency_ms <= 10", "latency_ms &lt;= 10."),
    ],
)
def test_a_message_becomes_a_sentence_and_a_name_stays_as_it_is_written(message: str, text: str) -> None:
    assert words.sentence(message) == text


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//host", "ftp://a/b", "https://", "x", None]
)
def test_only_web_addresses_are_links(url: str | None) -> None:
    assert words.outside(url) == ""


def test_all_pages_together_have_little_javascript() -> None:
    assert sum(path.stat().st_size for path in STATIC.rglob("*.js")) < BUDGET


def test_no_page_has_a_script_or_style_of_its_own_or_names_another_host() -> None:
    for path in (Path(words.__file__).parent / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=\"|<script(?! src=\"/static/)", text), path.name
        assert not re.search(r"(src|href)=\"(https?:)?//", text), path.name


def test_a_time_between_two_that_show_the_same_clock_is_said_once() -> None:
    first = datetime(2026, 5, 3, 12, 0, 5, tzinfo=UTC)
    told = [re.sub("<[^>]+>", "", words.between(first, first + timedelta(seconds=one))) for one in (20, 90)]
    assert told == ["2026-05-03 12:00", "between 2026-05-03 12:00 and 2026-05-03 12:01"]
