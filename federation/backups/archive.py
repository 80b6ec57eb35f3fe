"""The file of a backup: a gzip of frames, each its length in four bytes and a MessagePack value.

The first says what the backup is, then each table comes with its columns and its rows as the database holds them (times
as microseconds, JSON as text), and the last has the digest of all that came before. The same file is read by SQLite and
by PostgreSQL.
"""

import gzip
import hashlib
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from federation.errors import SetupError
from federation.files import sync_folder

FORMAT = "waypost-backup-1"
LARGEST_FRAME = 1 << 28
"""Bytes of a frame that is read: our own have a few MiB, and one row of the largest record more."""
LEVEL = 3
"""Of compression: what is beyond costs three times as long for a tenth less."""


class BackupError(SetupError):
    """The file cannot be written, or is no backup that can be put back. One line with cause and remedy."""

    code = "backup-unusable"


class BackupHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of."""

    format: str
    schema: str
    """The migration that its tables are of."""
    origin: str
    """The name of the journal."""
    entries: int
    """Entries of the journal."""
    made_at: datetime


class TableFrame(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    """A table begins: its columns, and the highest id that it has ever given."""

    name: str
    columns: Sequence[str]
    last_id: int | None


class RowsFrame(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Some rows of a table: of that whose frame came last."""

    rows: Sequence[Sequence[Any]]


class EndFrame(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """Nothing is missing: the SHA-256 of every frame before this one, and how many rows there are."""

    digest: bytes
    rows: int


Frame = TableFrame | RowsFrame | EndFrame


@dataclass(slots=True)
class FrameWriter:
    """Writes a backup, frame by frame, and the digest of all of them at its end."""

    file: IO[bytes] | gzip.GzipFile
    digest: Any
    rows: int = 0

    def put(self, frame: BackupHeader | Frame) -> None:
        """Write one. Errors: `OSError`."""
        data = msgspec.msgpack.encode(frame)
        whole = len(data).to_bytes(4) + data
        self.digest.update(whole)
        self.file.write(whole)

    def put_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of the table that began last. Errors: `OSError`."""
        self.rows += len(rows)
        self.put(RowsFrame(rows=rows))


@contextmanager
def writing_to(path: Path, header: BackupHeader) -> Iterator[FrameWriter]:
    """A new file, for its owner alone, that stands under its name once it is whole and on the disk.

    Errors: `BackupError` where the file is there already or cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} exists: a backup never overwrites a file")
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _made(scratch) as raw:
            with gzip.GzipFile("", "wb", LEVEL, raw) as file:
                writer = FrameWriter(file, hashlib.sha256())
                writer.put(header)
                yield writer
                writer.put(EndFrame(digest=writer.digest.digest(), rows=writer.rows))
            raw.flush()
            os.fsync(raw.fileno())
        scratch.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        scratch.unlink(missing_ok=True)


def _made(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def read_frames(path: Path) -> Iterator[BackupHeader | Frame]:
    """The header, then every frame. That the end was reached says that nothing is missing or changed.

    Errors: `BackupError`.
    """
    try:
        with gzip.open(path, "rb") as file:
            yield from _checked(path, file)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from None
        raise BackupError(f"{path} is damaged or no backup: {error}") from None


def _checked(path: Path, file: gzip.GzipFile) -> Iterator[BackupHeader | Frame]:
    digest, rows = hashlib.sha256(), 0
    header = _decoded(path, _next(path, file, digest), BackupHeader)
    if header.format != FORMAT:
        raise BackupError(f"{path} has the format {header.format!r}, this Waypost reads {FORMAT}")
    yield header
    while True:
        before = digest.digest()
        frame: Frame = _decoded(path, _next(path, file, digest), Frame)
        if isinstance(frame, EndFrame):
            if frame.digest != before or frame.rows != rows:
                raise BackupError(f"{path} is damaged: its content is not what was written")
            yield frame
            return
        rows += len(frame.rows) if isinstance(frame, RowsFrame) else 0
        yield frame


def _next(path: Path, file: gzip.GzipFile, digest: Any) -> bytes:
    size = file.read(4)
    length = int.from_bytes(size)
    data = file.read(length) if length <= LARGEST_FRAME else b""
    if len(size) < 4 or len(data) < length:
        raise BackupError(f"{path} is damaged or no backup: it ends too early")
    digest.update(size + data)
    return data


def _decoded(path: Path, data: bytes, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BackupError(f"{path} is damaged or no backup") from None
