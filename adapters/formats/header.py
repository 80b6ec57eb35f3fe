"""What a header says, and the bounded reading of a file."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from adapters.errors import BadRecordError
from adapters.parsing import storable
from adapters.records import Column

MOST_STEPS = 2_000_000
"""Values that a header may hold: a vocabulary has a quarter of a million."""
MOST_TEXTS = 256
"""Entries of a header's own metadata that are kept."""
LONGEST_TEXT = 4096
"""Characters of one of them that are kept."""


class CutError(Exception):
    """The file ends before what its header announces."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. `parameters` counts numbers in all tensors; `imports` are the names that a pickle
    would import, as far as they were looked for; `problem` says why it was not understood as a whole.
    """

    format: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    imports: tuple[str, ...] = ()
    is_cut: bool = False
    problem: str = ""


@dataclass(slots=True)
class BoundedFile:
    """A file that is read forwards. Errors: `CutError` behind its end, `BadRecordError` beyond bounds."""

    file: BinaryIO
    size: int
    at: int = 0
    steps: int = 0

    def take(self, length: int, most: int) -> bytes:
        """The next bytes, at most so many."""
        if length > most:
            raise BadRecordError(
                f"a part of its header has {length:,} bytes, more than {most:,}: it is not read"
            )
        self._go(length)
        found = self.file.read(length)
        if len(found) != length:
            raise CutError
        return found

    def skip(self, length: int) -> None:
        """Go on behind the next bytes, without reading them."""
        self._go(length)
        self.file.seek(self.at)

    def number(self, layout: str) -> Any:
        """One number, as `struct` lays it out."""
        return struct.unpack(layout, self.take(struct.calcsize(layout), 8))[0]

    def _go(self, length: int) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise BadRecordError(f"its header holds more than {MOST_STEPS:,} values: it is not read")
        if length > self.size - self.at:
            raise CutError
        self.at += length


def texts(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Metadata as it is kept: text by name, bounded, that every database stores."""
    kept: dict[str, str] = {}
    for name, value in pairs:
        if len(kept) == MOST_TEXTS:
            break
        text = str(value).lower() if isinstance(value, bool) else str(value)
        kept[storable(name[:LONGEST_TEXT])] = storable(text[:LONGEST_TEXT])
    return kept
