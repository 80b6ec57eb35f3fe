"""Files inside a tar archive of an object store: unpacked on their way out, in one pass, never held nor put on disk.

Each file that is asked for is one pass over the archive as far as that file. What is in it was packed by strangers:
headers are read in a bounded way, and an archive with links, devices or paths that lead out is refused whole.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from adapters import ArtifactFile, ArtifactStream, ByteSpan, NotFoundError, UnsupportedError
from federation.artifacts.stores import HANDED_ON, StoredRoom

SUFFIXES = (".tar.gz", ".tgz", ".tar")
MOST_FILES, MOST_BYTES = 10_000, 1 << 36
"""Of one archive, unpacked."""
LONGEST_HEADER = 1 << 16
"""Bytes of what a header says of the next one: a long path, or a list of fields."""
GZIP = b"\x1f\x8b"
BLOCK = tarfile.BLOCKSIZE
ABOUT_THE_NEXT = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def is_archive(address: str) -> bool:
    """Whether the files at an address are packed in one."""
    return address.lower().endswith(SUFFIXES)


class ArchivedRoom:
    """The files of an archive at an address, to be read. Errors of everything: any `AdapterError`."""

    def __init__(self, address: str) -> None:
        folder, _, self._name = address.rpartition("/")
        self._store = StoredRoom(folder)

    def folder(self, path: str) -> Sequence[ArtifactFile]:
        """What is in one folder."""
        above = f"{path}/" if path else ""
        found: dict[str, ArtifactFile] = {}
        with self._members() as members:
            for name, size, _ in members:
                if name.startswith(above):
                    step, deeper, _ = name.removeprefix(above).partition("/")
                    one = above + step
                    found[one] = ArtifactFile(one, is_folder=True) if deeper else ArtifactFile(one, size)
        return list(found.values())

    @contextmanager
    def part(self, path: str, span: ByteSpan | None) -> Iterator[ArtifactStream]:
        """A file, or a part of it."""
        first, last = (0, None) if span is None else (span.first, span.last)
        with self._members() as members:
            for name, size, content in members:
                if name != path:
                    continue
                if span is not None and first >= size:
                    raise UnsupportedError(f"the file has {size} bytes: a part of it begins before that")
                end = size if last is None else min(size, last + 1)
                yield ArtifactStream(content.part(first, end), end - first, size, is_part=span is not None)
                return
        raise NotFoundError(f"the archive has no file {path[:200]!a}")

    @contextmanager
    def _members(self) -> "Iterator[Iterator[tuple[str, int, Unpacked]]]":
        with self._store.part(self._name, None) as stream:
            yield _files(Unpacked(stream.pieces))


class Unpacked:
    """Reads an archive from its first byte on, gzipped or not. Errors: `UnsupportedError` where that cannot be."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        packed = io.BufferedReader(_PackedBytes(pieces), HANDED_ON)
        is_zipped = packed.peek(len(GZIP)).startswith(GZIP)
        self._file: io.BufferedIOBase = gzip.GzipFile(fileobj=packed) if is_zipped else packed
        self.place, self._start = 0, 0

    def take(self, size: int) -> bytes:
        """So many bytes at once."""
        return b"".join(self.pass_on(size))

    def pass_on(self, size: int) -> Iterator[bytes]:
        """So many bytes, in pieces."""
        end = self.place + size
        if end > MOST_BYTES:
            raise UnsupportedError(f"the archive has more than {MOST_BYTES >> 30} GiB unpacked")
        while self.place < end:
            try:
                piece = self._file.read(min(end - self.place, HANDED_ON))
            except (gzip.BadGzipFile, EOFError, zlib.error):
                piece = b""
            if not piece:
                raise UnsupportedError("the archive is damaged, or breaks off")
            self.place += len(piece)
            yield piece

    def begin(self) -> None:
        """A file begins here."""
        self._start = self.place

    def part(self, first: int, end: int) -> Iterator[bytes]:
        """The bytes of the file that began, from one on and before another."""
        self.pass_over(self._start + first)
        yield from self.pass_on(end - first)

    def pass_over(self, place: int) -> None:
        """Go on to a place that is not behind."""
        for _ in self.pass_on(place - self.place):
            pass


def _files(unpacked: Unpacked) -> Iterator[tuple[str, int, Unpacked]]:
    """The path and size of each file, at which the bytes stand."""
    said: dict[str, str] = {}
    for number, block in enumerate(iter(lambda: unpacked.take(BLOCK), bytes(BLOCK))):
        if number >= 2 * MOST_FILES:
            raise UnsupportedError(f"the archive has more than {MOST_FILES:,} files")
        header = _header(block)
        size = int(said.get("size", header.size))
        if size < 0:
            raise UnsupportedError("the archive has a header that cannot be read")
        end = unpacked.place + -(-size // BLOCK) * BLOCK
        if header.type in ABOUT_THE_NEXT:
            said = _said(header.type, size, unpacked, said)
        else:
            path = _checked(said.get("path", header.name), header)
            said = {}
            if header.isreg():
                unpacked.begin()
                yield path, size, unpacked
        unpacked.pass_over(end)


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise UnsupportedError("the archive is no tar, or has a header that cannot be read") from None


def _said(kind: bytes, size: int, unpacked: Unpacked, known: dict[str, str]) -> dict[str, str]:
    """What a header says of the next one: its path and its size."""
    if size > LONGEST_HEADER:
        raise UnsupportedError(f"the archive has a header of more than {LONGEST_HEADER >> 10} KiB")
    content = unpacked.take(size).decode("utf-8", "surrogateescape")
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {**known, "path": content.rstrip("\0")}
    if kind != tarfile.XHDTYPE:
        return known
    fields = (line.partition(" ")[2].partition("=") for line in content.split("\n"))
    found = {name: value for name, _, value in fields if name}
    if any(name.startswith("GNU.sparse") for name in found) or not found.get("size", "0").isdecimal():
        raise UnsupportedError("the archive has a file with holes, or a size that is none")
    return {**known, **{name: value for name, value in found.items() if name in ("path", "size")}}


def _checked(path: str, header: tarfile.TarInfo) -> str:
    """The path of a file, or of a folder. Errors: `UnsupportedError` for whatever else, and where it leads out."""
    if not (header.isreg() or header.isdir()) or header.type == tarfile.GNUTYPE_SPARSE:
        raise UnsupportedError(f"the archive has a link or a device, {path[:100]!a}: pack files alone")
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith("/") or ".." in steps or "\\" in path or not path.isprintable():
        raise UnsupportedError(f"the archive has a file whose path leads out of it, {path[:100]!a}")
    return "/".join(steps)


class _PackedBytes(io.RawIOBase):
    """What comes in pieces, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, room: Any) -> int:
        """Fill what there is room for; nothing is the end."""
        self._left = self._left or next(self._pieces, b"")
        size = min(len(room), len(self._left))
        room[:size], self._left = self._left[:size], self._left[size:]
        return size
