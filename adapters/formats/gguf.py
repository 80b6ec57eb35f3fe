"""GGUF, versions 1 to 3, of either byte order: a table of typed values, then where each tensor lies."""

from math import prod
from typing import Any

from adapters.errors import BadRecordError
from adapters.formats.header import BoundedFile, CutError, Header, texts

PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The types of values that are one number, as `struct` writes them."""
WIDTH = {"B": 1, "b": 1, "?": 1, "H": 2, "h": 2, "I": 4, "i": 4, "f": 4, "Q": 8, "q": 8, "d": 8}
TEXT, ARRAY = 8, 9
MOST_TENSORS, MOST_VALUES, LONGEST, MOST_DIMENSIONS, DEEPEST = 100_000, 10_000, 1 << 20, 8, 4
SHOWN = 64
"""Values of an array that are told; a longer one is a vocabulary."""


def read(source: BoundedFile) -> Header:
    """Its values as text, and the number of parameters."""
    if source.take(4, 4) != b"GGUF":
        raise BadRecordError("it does not begin as GGUF does")
    version = source.take(4, 4)
    order = "<" if version[0] else ">"
    number = int.from_bytes(version, "little" if version[0] else "big")
    if not 1 <= number <= 3:
        raise BadRecordError(f"it is of version {number} of GGUF, which is not known")
    return _Gguf(source, order, "I" if number == 1 else "Q").header()


class _Gguf:
    """One header. `size` is how lengths are written."""

    def __init__(self, source: BoundedFile, order: str, size: str) -> None:
        self.source, self.order, self.size = source, order, order + size

    def header(self) -> Header:
        tensors = self._count(MOST_TENSORS)
        values = [(self._text(), self._value(self._number("I"))) for _ in range(self._count(MOST_VALUES))]
        spans = [self._tensor() for _ in range(tensors)]
        alignment = next((value for name, value in values if name == "general.alignment"), 32)
        aligned = alignment if isinstance(alignment, int) and alignment > 0 else 32
        begins = -(-self.source.at // aligned) * aligned
        if spans and begins + max(place for _, place in spans) >= self.source.size:
            raise CutError
        told = ((name, value) for name, value in values if value is not None)
        return Header("gguf", texts(told), sum(count for count, _ in spans))

    def _tensor(self) -> tuple[int, int]:
        """How many numbers it has, and where its bytes begin."""
        self._text()
        dimensions = self._number("I")
        if dimensions > MOST_DIMENSIONS:
            raise BadRecordError(f"a tensor has {dimensions} dimensions")
        shape = [self.source.number(self.size) for _ in range(dimensions)]
        self._number("I")
        return prod(shape), self._number("Q")

    def _value(self, kind: int, depth: int = 0) -> Any:
        """A value; of a long array, or one of arrays, None."""
        if kind in PLAIN:
            return self._number(PLAIN[kind])
        if kind == TEXT:
            return self._text()
        if kind != ARRAY or depth == DEEPEST:
            raise BadRecordError(f"its header has a value of type {kind}, which is not known")
        inner, count = self._number("I"), self.source.number(self.size)
        if inner in PLAIN and count > SHOWN:
            self.source.skip(count * WIDTH[PLAIN[inner]])
            return None
        if count > SHOWN:
            self._pass_by(inner, count, depth)
            return None
        found = [self._value(inner, depth + 1) for _ in range(count)]
        return None if inner == ARRAY else ", ".join(map(str, found))

    def _pass_by(self, inner: int, count: int, depth: int) -> None:
        for _ in range(count):  # ends where the file does, or what `BoundedFile` allows
            if inner == TEXT:
                self.source.skip(self.source.number(self.size))
            else:
                self._value(inner, depth + 1)

    def _text(self) -> str:
        return self.source.take(self.source.number(self.size), LONGEST).decode("utf-8", "replace")

    def _number(self, sign: str) -> Any:
        return self.source.number(self.order + sign)

    def _count(self, most: int) -> int:
        count: int = self.source.number(self.size)
        if count > most:
            raise BadRecordError(f"its header announces {count:,} parts, more than {most:,}: it is not read")
        return count
