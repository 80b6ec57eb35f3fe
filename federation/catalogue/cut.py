"""What is too large, or no JSON, is cut out of a native payload and marked: the record lives without it."""

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any

import msgspec

MARK = "waypost.cut"
"""The only key of what stands in the place of something cut; its value says how many bytes it had, or what it was."""
SMALLEST = 64
"""Bytes that each part of something is left at least: where there is less, all of it is cut."""
DEEPEST = 32
_encoder = msgspec.json.Encoder()


def cut(value: Any, room: int) -> Any:
    """The value in at most `room` bytes of JSON. What is small stays; of the rest each part gets an equal share."""
    return _cut(value, _size(value), room, 0)


def _cut(value: Any, size: float, room: int, depth: int) -> Any:
    if size <= room:
        return value
    within = depth < DEEPEST and isinstance(value, Sized) and len(value) * SMALLEST <= room
    if within and isinstance(value, Mapping):
        named = [(str(key), part, _size(part)) for key, part in value.items()]
        shares = _shares([(_size(key) + 2, its) for key, _, its in named], room)
        return {
            key: _cut(part, its, share, depth + 1)
            for (key, part, its), share in zip(named, shares, strict=True)
        }
    if within and isinstance(value, list | tuple):
        sizes = [_size(part) for part in value]
        shares = _shares([(2, its) for its in sizes], room)
        return [
            _cut(part, its, share, depth + 1) for part, its, share in zip(value, sizes, shares, strict=True)
        ]
    return {MARK: type(value).__name__ if math.isinf(size) else int(size)}


def _shares(parts: Sequence[tuple[float, float]], room: int) -> list[int]:
    """How much each part may take, as the bytes around it and its own: the smallest first, what they leave is shared
    by the larger ones.
    """
    left = room - 2 - sum(around for around, _ in parts if not math.isinf(around))
    shares = [0] * len(parts)
    order = sorted(range(len(parts)), key=lambda place: parts[place][1])
    for rank, place in enumerate(order):
        shares[place] = max(0, int(min(parts[place][1], left // (len(parts) - rank))))
        left -= shares[place]
    return shares


def _size(value: Any) -> float:
    """Bytes of JSON, infinite for what is none."""
    try:
        return len(_encoder.encode(value))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError):
        return math.inf
