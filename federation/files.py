"""What the standard library lacks for files: that must outlast a loss of power, and that are sent as they are made."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

BLOCK = 1 << 16


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk, as `fsync` has a file's bytes. Errors: `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(path: Path, into: Path) -> None:
    """Have a file that nobody writes any more in another folder, without its bytes where the disk can do that.

    Errors: `OSError`.
    """
    try:
        os.link(path, into / path.name)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, into / path.name)


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about 64 KiB."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
