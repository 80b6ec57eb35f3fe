"""Which of a model's versions is the newest: one order, asked wherever something means the newest.

Creation in the backend's full resolution, then the version's own order with numbers as numbers, then the id. Where a
backend tells no creation, the time at which the version was first seen stands for it.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from federation.references import decode_part

AGE = ("created_at", "first_seen_at", "version", "id")
"""The columns of the version table that `age` reads."""
Age = tuple[datetime, tuple[int | str, ...], int]
"""Compares versions of one model: the greater one is newer."""

_NEVER = datetime.fromtimestamp(0, UTC)
_NUMBERS = re.compile("([0-9]+)")


def age(row: Any) -> Age:
    """The age of a row of the version table with the columns of `AGE`."""
    return age_of(row.created_at, row.first_seen_at, decode_part(row.version), row.id)


def age_of(created: datetime | None, first_seen: datetime | None, version: str, id_: int) -> Age:
    """The age of a version, whose name is given as the backend spells it."""
    return (created or first_seen or _NEVER, version_order(version), id_)


@lru_cache(8192)
def version_order(version: str) -> tuple[int | str, ...]:
    """What versions compare by: text and numbers in turn, so that 10 comes after 9 and `v1.10` after `v1.9`."""
    parts = _NUMBERS.split(version)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))
