"""Questions go before files: a file that one API process hands on stands back behind what any of them is asked."""

import asyncio
import time
from dataclasses import dataclass

from gateway.shared import ASKED_AT

LASTING = 0.1
"""Seconds after a question in which files stand back."""
PIECE, STANDING_BACK = 1 << 20, 1 << 17
"""Bytes that are handed on at once: where nobody else asks, and where somebody does."""
RATE = 32 << 20
"""Bytes in a second that one API process hands on where somebody asks."""


def note() -> None:
    """Something else than a file is asked for."""
    ASKED_AT[0] = time.monotonic()


def is_asked() -> bool:
    """Whether something else than a file was asked for a moment ago."""
    return time.monotonic() - ASKED_AT[0] < LASTING


@dataclass(slots=True)
class Pace:
    """How quickly one process hands on all files together."""

    _free_at: float = 0.0

    def piece(self) -> int:
        """How many bytes are handed on at once now."""
        return STANDING_BACK if is_asked() else PIECE

    async def stand_back(self, size: int) -> None:
        """Wait after so many bytes, where somebody asks: `RATE` is kept to."""
        if is_asked():
            at = time.monotonic()
            self._free_at = max(at, self._free_at) + size / RATE
            await asyncio.sleep(self._free_at - at)
