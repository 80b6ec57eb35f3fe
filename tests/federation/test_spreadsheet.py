"""Tables for spreadsheets: whatever stands in a cell, nothing is run."""

import csv
import io
import sys
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.spreadsheet import cell, csv_row


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹣"])
@pytest.mark.parametrize(
    "before", ["", " ", "\t", "\r", "\n", "\v", "\f", "\xa0", "　", "\u200b", "\ufeff", " \x00\u2028"]
)
def test_what_begins_a_formula_is_a_text(sign: str, before: str) -> None:
    assert cell(f"{before}{sign}1+1") == f"'{before}{sign}1+1"
    assert cell([f"{before}{sign}1+1", "b"]) == f"'{before}{sign}1+1 b"


def test_no_blank_hides_a_formula() -> None:
    """Whatever Unicode calls space or control."""
    blanks = (c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] in "CZ")
    assert [hex(ord(blank)) for blank in blanks if not cell(f"{blank}=1").startswith("'")] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "true"), (False, "false"), (-1, "-1"), (-1.5, "-1.5"), ("a=1", "a=1"), ("", ""),
        ("  ", "  "), ("-1", "'-1"), (["a", "b"], "a b"), ({"a": 1}, '{"a": 1}'), ([1, None], "[1, null]"),
        ("Ärzte", "Ärzte"),
        (datetime(2026, 5, 3, tzinfo=UTC), "2026-05-03T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_each_kind_of_value(value: object, text: str) -> None:
    assert cell(value) == text


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1))
def test_a_row_reads_back(texts: list[str]) -> None:
    [read] = csv.reader(io.StringIO(csv_row(texts), newline=""))
    assert read == [cell(text) for text in texts]
