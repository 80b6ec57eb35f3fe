"""Reading MLflow's dictionaries, of which nothing is certain."""

import json
from typing import Any

from adapters.mlflow.client import Raw


def integer(value: Any) -> int | None:
    """An integer, also as the digits JSON writes a 64-bit one with."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(raw: Any, field: str) -> str | None:
    """A text field; None where it is empty, missing or something else."""
    value = raw.get(field) if isinstance(raw, dict) else None
    return value if isinstance(value, str) and value else None


def part(raw: Raw, field: str) -> Raw:
    """An object inside an object, empty where there is none."""
    value = raw.get(field)
    return value if isinstance(value, dict) else {}


def pairs(entries: Any, key: str, value: str) -> dict[str, str]:
    """A list of `{key, value}` as a mapping; an absent value is an empty text."""
    rows = entries if isinstance(entries, list) else []
    return {
        row[key]: str(row.get(value, ""))
        for row in rows
        if isinstance(row, dict) and isinstance(row.get(key), str) and row[key]
    }


def excerpt(raw: Any) -> str:
    """The beginning of something unusable, to find it by."""
    return json.dumps(raw, default=str)[:120]
