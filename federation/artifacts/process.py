"""`python -m federation.artifacts.process`: copies the files of one version, and says what it does a line at a time.

A process of its own: its memory is bounded, it may be killed at any time, and what it has done by then is not done
again. It makes one request at a time of each backend. Each file is read once, written once from a spool on disk and
read back: only where both have the same SHA-256 is it said to be there.
"""

import hashlib
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import BinaryIO, cast

import msgspec

from adapters import (
    AdapterError,
    ArtifactRoom,
    BadRecordError,
    RejectedError,
    TransientError,
    UnsupportedError,
    discover,
)
from federation.artifacts.stores import GivenFiles, StoredRoom, files_of, room_in
from federation.artifacts.words import Copied, CopyOrder, CopyWord, digest_of
from federation.catalogue.codec import decode_version
from federation.registries.configured import RegistryError
from federation.registries.opening import open_adapter

MEMORY = 4 << 30
"""Bytes of address space; a file is never held whole."""
MOST_FILES, MOST_BYTES = 100_000, 1 << 42
IN_MEMORY = 8 << 20
"""Bytes of a file that are kept in memory before it is spooled to disk."""
TIMEOUT = 600.0
"""Seconds that one file may take."""


def main() -> None:
    """Read what is asked for from standard input, and do it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    os.nice(5)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=CopyOrder)

    def say(said: CopyWord) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()

    run(order, say)


def run(order: CopyOrder, say: Callable[[CopyWord], object]) -> None:
    """Copy, and say how it ended."""
    try:
        copy(order, say)
    except UnsupportedError as error:
        say(CopyWord(unable=str(error)))
    except (RejectedError, BadRecordError) as error:
        say(CopyWord(refused=str(error)))
    except (AdapterError, RegistryError, OSError) as error:
        say(CopyWord(failed=str(error)))


def copy(order: CopyOrder, say: Callable[[CopyWord], object]) -> None:
    """Copy what is not there yet. Errors: any `AdapterError`, `RegistryError`, `OSError`."""
    adapters = discover(order.plugins)
    (source, of_source), (target, of_target) = (
        open_adapter(side.name, side.kind, {**side.config, "timeout": TIMEOUT}, adapters)
        for side in (order.source, order.target)
    )
    try:
        files = files_of(source, of_source, decode_version(order.version))
        room = room_in(target, of_target, order.model, order.token)
        done, total = dict(order.done), 0
        for number, one in enumerate(sorted(files.list(), key=lambda one: one.path)):
            total += one.size or 0
            if number >= MOST_FILES or total > MOST_BYTES:
                raise UnsupportedError(f"it has more than {MOST_FILES:,} files, or {MOST_BYTES >> 40} TiB")
            _check_path(one.path)
            if one.path not in done:
                done[one.path] = _copied(files, room, one.path)
                say(CopyWord(path=one.path, file=done[one.path]))
        if not done:
            raise UnsupportedError("the artifact has no files")
        say(CopyWord(source=room.source, run_id=room.run_id, digest=digest_of(done)))
    finally:
        source.close()
        target.close()


def _copied(files: StoredRoom | GivenFiles, room: ArtifactRoom, path: str) -> Copied:
    """Copy one file, and read it back. Errors: any `AdapterError`."""
    sent, back = hashlib.sha256(), hashlib.sha256()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
        with files.read(path) as pieces:
            for piece in pieces:
                sent.update(piece)
                spool.write(piece)
        size = spool.tell()
        spool.seek(0)
        room.put(path, cast("BinaryIO", spool), size)
    with room.read(path) as pieces:
        for piece in pieces:
            back.update(piece)
    if back.digest() != sent.digest():
        raise TransientError(f"{path} did not arrive as it was sent: it is copied again")
    return Copied(size, sent.hexdigest())


def _check_path(path: str) -> None:
    """Errors: `BadRecordError` for a path that leads out of the artifact."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not path.isprintable() or "\\" in path:
        raise BadRecordError(f"the artifact has a file with the path {path[:100]!a}")


if __name__ == "__main__":
    main()
