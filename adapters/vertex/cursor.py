"""Where a scan stands, and where the next one begins: the texts that a caller keeps for the adapter."""

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from adapters.errors import InvalidError
from adapters.records import Mark, Watermark

OVERLAP = 60 * 1_000_000
"""Microseconds before the watermark that are read again: times are given before changes become visible."""

Mode = Literal["full", "sweep", "changed"]
"""Everything; everything, told as an incremental scan; only models whose `update_time` moved."""


class Position(NamedTuple):
    """What was given last: 0 models, 1 endpoints; creation in microseconds; id."""

    stage: int = -1
    created: int = 0
    id: str = ""


START = Position()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a scan stands. `floor` and `high` are the service's own times, in microseconds since 1970."""

    mode: Mode
    floor: int
    high: int
    swept: float
    at: Position = START

    def to_mark(self) -> Mark:
        """The cursor as an opaque text."""
        return Mark(json.dumps([self.mode, self.floor, self.high, self.swept, *self.at]))

    def to_watermark(self) -> Watermark:
        """Where the next incremental scan begins."""
        return json.dumps([self.high, self.swept])

    @classmethod
    def from_mark(cls, mark: Mark) -> "Cursor":
        """Read what `to_mark` wrote. Errors: InvalidError."""
        try:
            mode, floor, high, swept, *at = json.loads(mark)
            return cls(mode, int(floor), int(high), float(swept), Position(*at))
        except (ValueError, TypeError) as error:
            raise InvalidError("this mark was not made by the vertex adapter: scan from the start") from error


def begin(since: Watermark | None, sweep_every: float, now: float) -> Cursor:
    """The cursor of a new scan at `now` (seconds since 1970)."""
    if since is None:
        return Cursor("full", 0, 0, now)
    try:
        high, swept = json.loads(since)
        due = not 0 <= now - float(swept) < sweep_every
        return Cursor(
            "sweep" if due else "changed", int(high) - OVERLAP, int(high), now if due else float(swept)
        )
    except (ValueError, TypeError):
        raise InvalidError("this watermark was not made by the vertex adapter: scan in full") from None


def micros(moment: Any) -> int:
    """A time of the service in microseconds since 1970."""
    return int(moment.seconds) * 1_000_000 + int(moment.nanos) // 1000
