"""Pickles, and the archives of PyTorch around them: the names they would import. Nothing is ever loaded.

A pickle is a program: who loads it runs what it says. Its operations are only listed here, as far as they fit into
the first mebibyte; the numbers of a model come behind, or lie in other members of the archive.
"""

import io
import pickletools
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from adapters.errors import BadRecordError
from adapters.formats.header import BoundedFile, Header
from adapters.parsing import storable

LONGEST, MOST_AT_ONCE = 1 << 20, 4 << 20
MOST_IMPORTS = 256
ARCHIVE = b"PK\x03\x04"
PROTOCOL = b"\x80"
"""How a pickle begins, but for those of Python 2."""
TEXTS = {
    "GET", "BINGET", "LONG_BINGET", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING",
    "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
"""The operations that put a text on the stack."""
COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x\x9c", b"x\xda", b"BZh", b"\xfd7zXZ", b'\x04"M\x18', b"ZF")
"""How files of joblib begin that are compressed: gzip, zlib, bzip2, xz, LZ4, joblib's own."""


def read(source: BoundedFile) -> Header:
    """What it would import, in alphabetical order."""
    begins = source.take(min(source.size, LONGEST), LONGEST)
    if begins.startswith(ARCHIVE):
        body, is_whole = _member(source.file)
    elif begins.startswith(COMPRESSED):
        raise BadRecordError("it is compressed: what it would import is not known")
    else:
        body, is_whole = begins, source.size <= LONGEST
    found, is_followed = _imports(body)
    problem = "" if is_whole and is_followed else "only a part of it was followed: it may import more"
    return Header("pickle", imports=tuple(sorted(found)), problem=problem)


class _Bounded:
    """A file of which no single read is large, whatever an archive's directory says of itself."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, length: int = -1) -> bytes:
        if length > MOST_AT_ONCE:
            raise BadRecordError("the directory of the archive is larger than 4 MiB: it is not read")
        return self._file.read(length if length >= 0 else MOST_AT_ONCE)


def _member(file: BinaryIO) -> tuple[bytes, bool]:
    """The pickle in an archive of PyTorch, or its first mebibyte, and whether that is all of it."""
    try:
        with zipfile.ZipFile(_Bounded(file)) as archive:
            inside = [one for one in archive.infolist() if one.filename.endswith("data.pkl")]
            if not inside:
                raise BadRecordError("it is an archive without a pickle of PyTorch")
            with archive.open(inside[0]) as member:
                body = member.read(LONGEST)
            return body, inside[0].file_size <= LONGEST
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, LookupError):
        raise BadRecordError("it is an archive that cannot be read") from None


def _imports(body: bytes) -> tuple[set[str], bool]:
    """The names that pickles one behind the other would import, and whether they were followed to their end."""
    found: set[str] = set()
    stream = io.BytesIO(body)
    try:
        while stream.tell() == 0 or body[stream.tell() : stream.tell() + 1] == PROTOCOL:
            for name in _named(pickletools.genops(stream)):
                found.add(storable(name[:300]))
                if len(found) == MOST_IMPORTS:
                    return found, False
    except (ValueError, LookupError, OverflowError):
        return found, False
    return found, True


def _named(operations: Iterator[tuple[Any, Any, Any]]) -> Iterator[str]:
    """What the operations name; `?` where a name does not stand right before it is imported."""
    texts: list[str] = []
    memo: dict[int, str] = {}
    for operation, value, _ in operations:
        name = operation.name
        if name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if value is None else int(value)] = texts[-1] if texts else "?"
            continue
        if name in ("GLOBAL", "INST"):
            yield str(value).replace(" ", ".")
        elif name == "STACK_GLOBAL":
            yield ".".join(texts[-2:]) if len(texts) > 1 else "?"
        elif name in ("EXT1", "EXT2", "EXT4"):
            yield "?"
        pushed = memo.get(value, "?") if name in ("GET", "BINGET", "LONG_BINGET") else value
        texts = [*texts[-1:], pushed] if name in TEXTS and isinstance(pushed, str) else []
