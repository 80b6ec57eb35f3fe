"""Where a page ends: leg of the order, the values there, and what the query was, as opaque text."""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

from federation.search.answer import SearchError

MOST_STEPS = 64
_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class PagePosition:
    """The place of one hit in the total order: its leg and its values there. `corrected` are the words that were
    searched with a typo, `steps` what was left out of the query, so that the next page decides as the first one did."""

    leg: int
    values: tuple[int | float | str, ...]
    corrected: frozenset[str] = frozenset()
    steps: tuple[int, ...] = ()


def encode(position: PagePosition, request: str) -> str:
    """The cursor that continues after a position. `request` identifies what was asked."""
    content = [position.leg, list(position.values), sorted(position.corrected), position.steps, request]
    text = _encoder.encode(content).encode("utf-8", "replace")
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(cursor: str, request: str) -> PagePosition:
    """The position of a cursor. Errors: `SearchError` when it is none or belongs to another request."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True), parse_constant=_refuse)
        leg, values, corrected, steps, made_for = content
        words = frozenset(map(_word, corrected))
        position = PagePosition(
            _natural(leg), tuple(map(_value, values)), words, tuple(map(_mask, steps[:MOST_STEPS]))
        )
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise SearchError("cursor", "The cursor is damaged: begin again without it.") from None
    if made_for != request:
        raise SearchError("cursor", "The cursor belongs to another search: begin again without it.")
    return position


def _refuse(_constant: str) -> Any:
    raise ValueError


def _natural(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000:
        return value
    raise ValueError


def _mask(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 64:
        return value
    raise ValueError


def _value(value: object) -> int | float | str:
    if isinstance(value, str) and len(value) <= 1_000:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError


def _word(value: object) -> str:
    if isinstance(value, str) and len(value) <= 100:
        return value
    raise ValueError
