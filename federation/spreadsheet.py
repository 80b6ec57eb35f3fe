"""Rows of CSV for spreadsheets (RFC 4180). Every table that leaves Waypost is written here, so that no name which
somebody else gave is ever run as a formula.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

FORMULA = frozenset("=+-@")
"""What a spreadsheet takes for the beginning of a formula, after what Unicode calls space or control."""


def csv_row(cells: Iterable[object]) -> str:
    """One line with its line end."""
    out = io.StringIO()
    csv.writer(out).writerow([cell(value) for value in cells])
    return out.getvalue()


def cell(value: object) -> str:
    """One value as text: words of a list are separated by spaces, what is nested is JSON, nothing is empty.

    A text that a spreadsheet would run gets an apostrophe before it.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = _text(value)
    return f"'{text}" if _runs(text) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _runs(text: str) -> bool:
    """Whether the first character that shows begins a formula, in whatever width it is written (`＝` is `=`)."""
    if text[:1].isalnum():
        return False
    shown = next((one for one in text if unicodedata.category(one)[0] not in "CZ"), "")
    return unicodedata.normalize("NFKC", shown)[:1] in FORMULA
