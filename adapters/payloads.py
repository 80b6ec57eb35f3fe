"""Reading what a backend said: parsed JSON, of which nothing is certain."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from math import isfinite, nan
from typing import Any

from adapters.errors import BadRecordError

EXCERPT = 120
"""Characters by which something unusable is told."""
Raw = dict[str, Any]
"""An object as a backend gives it."""
_lazy = json.JSONEncoder(default=str)


def at(raw: Any, *path: str) -> Any:
    """What stands at a path of names; None where one of them is missing or leads to no object."""
    for name in path:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw


def text(raw: Any, *path: str) -> str | None:
    """A text; None where it is empty, missing or something else."""
    value = at(raw, *path)
    return value if isinstance(value, str) and value else None


def integer(value: Any) -> int | None:
    """An integer, also as the digits JSON writes a 64-bit one with."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_number(value: Any) -> bool:
    """Whether it is a number, and no truth value, and finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def moment(value: Any) -> datetime | None:
    """A time of RFC 3339, in UTC where it says no zone; None for anything else."""
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def time_of(raw: Raw, *path: str) -> datetime | None:
    """The time of RFC 3339 at a path; None where nothing is said. Errors: `BadRecordError` for what is no time."""
    value = at(raw, *path)
    found = moment(value)
    if value is not None and found is None:
        raise _no_time(raw, path[-1])
    return found


def epoch_of(raw: Raw, field: str) -> datetime | None:
    """The same of milliseconds since 1970, which may be digits."""
    value = raw.get(field)
    if value is None or value == "":
        return None
    found = integer(value)
    try:
        return datetime.fromtimestamp((nan if found is None else found) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise _no_time(raw, field) from None


def _no_time(raw: Raw, field: str) -> BadRecordError:
    whose = next((found for name in ("full_name", "id", "name") if (found := text(raw, name))), "")
    return BadRecordError(f"{field} of {whose} is no time", native=whose)


def part(raw: Any, *path: str) -> Raw:
    """An object inside an object, empty where there is none."""
    value = at(raw, *path)
    return value if isinstance(value, dict) else {}


def parts(raw: Any, *path: str) -> Iterator[Raw]:
    """The objects of a list inside an object, none where there is no list."""
    value = at(raw, *path)
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def pairs(entries: Any, key: str, value: str) -> dict[str, str]:
    """A list of `{key, value}` as a mapping; an absent value is an empty text."""
    rows = entries if isinstance(entries, list) else []
    return {
        row[key]: str(row.get(value, ""))
        for row in rows
        if isinstance(row, dict) and isinstance(row.get(key), str) and row[key]
    }


def excerpt(raw: Any) -> str:
    """The beginning of something unusable, as JSON, to find it by. Something large is not written whole for it."""
    beginning = raw[:EXCERPT] if isinstance(raw, str) else raw
    return "".join(islice(_lazy.iterencode(beginning), EXCERPT))[:EXCERPT]
