"""What a snapshot says of itself: its position, what reads it, and each file by size and digest, under a seal.

The seal is an HMAC with the secret that the gateways of one database share. So what was damaged, cut off, made up, or
is of another database or of one that was put back from a backup since, is none.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

import msgspec
from sqlalchemy import Connection, select

from federation.identity import tables
from federation.positions import NAME

FORMAT = "waypost-snapshot-1"
ABOUT = b"snapshot"
"""What the key is for: the same secret seals positions."""
LARGEST = 8 << 20
"""Bytes of a manifest that is read."""


class SnapshotDamagedError(Exception):
    """A snapshot is not what a gateway on this database made. One line that says what of it."""


class SnapshotFile(msgspec.Struct, frozen=True):
    """A file of a snapshot."""

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: str) -> "SnapshotFile":
        """A file in a folder. Errors: `OSError`."""
        with (folder / path).open("rb") as file:
            return cls(path, (folder / path).stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


class SnapshotManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of. `written_as` says who can read its files, `generation` of which derivation they are."""

    format: str
    part: str
    written_as: str
    generation: int
    position: int
    made_at: datetime
    files: Sequence[SnapshotFile]


def key(connection: Connection) -> bytes:
    """The key of the gateways on this database; another one after it was put back from a backup."""
    query = select(tables.secret.c.value).where(tables.secret.c.name == NAME)
    return hmac.digest(connection.execute(query).scalar_one(), ABOUT, "sha256")


def sealed(key: bytes, manifest: SnapshotManifest) -> bytes:
    """The manifest as it is kept: the seal in a line of its own, then JSON."""
    body = msgspec.json.encode(manifest)
    return hmac.digest(key, body, "sha256").hex().encode() + b"\n" + body


def opened(key: bytes, content: bytes) -> SnapshotManifest:
    """The manifest that was sealed. Errors: `SnapshotDamagedError`."""
    seal, _, body = content.partition(b"\n")
    if not hmac.compare_digest(seal, hmac.digest(key, body, "sha256").hex().encode()):
        raise SnapshotDamagedError("its manifest is not what a gateway on this database wrote")
    try:
        found = msgspec.json.decode(body, type=SnapshotManifest)
    except msgspec.MsgspecError:
        raise SnapshotDamagedError("its manifest is of another release") from None
    if found.format != FORMAT or any(not _stays_inside(one.path) for one in found.files):
        raise SnapshotDamagedError("its manifest is of another release")
    return found


def _stays_inside(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in PurePosixPath(path).parts
