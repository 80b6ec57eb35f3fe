"""Where the processes of one gateway on this machine see how the parts of the others stand.

Each process has one small file in the folder in which they meet. It is mapped into memory and as large as it will
ever be, so that a process can say that the disk is full when it is. Who reads finds whole reports or none.
"""

import mmap
import os
import stat
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

import msgspec

from federation.health import PartReport

SIZE = 16_384
HEAD = 8
WRITE_EVERY = 0.25
"""Seconds for which reports that say the same are not written again."""
PREFIX = "health-"
TRIES = 5


def meeting_place(index_folder: Path) -> Path:
    """The folder of sockets and reports of the gateway whose index is there; nobody else may look into it.

    Errors: `OSError` where it cannot be made, or is somebody else's.
    """
    # A socket's path has at most about 100 characters, so it stands in the temporary folder.
    name = sha256(str(index_folder.resolve()).encode()).hexdigest()[:16]
    folder = Path(gettempdir()) / f"waypost-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it")
    return folder


class Board:
    """Where this process says how its parts stand, as `role`. It is given up with the process."""

    def __init__(self, folder: Path, role: str) -> None:
        self._path = folder / f"{PREFIX}{role}-{os.getpid()}"
        self._path.unlink(missing_ok=True)
        with self._path.open("xb+") as file:
            file.write(bytes(SIZE))  # has its room now, come what may
            file.flush()
            self._memory = mmap.mmap(file.fileno(), SIZE)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._written = 0.0
        self._shown: Sequence[tuple[object, ...]] = ()

    def show(self, reports: Iterable[PartReport]) -> None:
        """Write down how the parts stand, where that is news."""
        listed = list(reports)
        # One for each report: of one part there are as many as loops do its work.
        shown = [(one.part, one.state, one.people, one.blocks) for one in listed]
        with self._lock:
            if shown == self._shown and time.monotonic() - self._written < WRITE_EVERY:
                return
            if os.getpid() != self._pid:
                return  # a fork has the memory of its parent, which speaks for itself
            body = msgspec.json.encode(listed)
            if len(body) <= SIZE - HEAD:
                head = len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")
                self._memory[: HEAD + len(body)] = head + body
                self._shown, self._written = shown, time.monotonic()

    def close(self) -> None:
        """Say nothing any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_boards(index_folder: Path) -> list[PartReport]:
    """What all processes of the gateway say of their parts. What dead ones left is removed."""
    with suppress(OSError):
        return [report for path in _boards(meeting_place(index_folder)) for report in _read(path)]
    return []


def _boards(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob(f"{PREFIX}*")):
        number = path.name.rpartition("-")[2]
        if number.isdigit() and _lives(int(number)):
            yield path
        else:
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path) -> list[PartReport]:
    for _ in range(TRIES):  # it may be written at this moment
        with suppress(OSError, msgspec.MsgspecError):
            content = path.read_bytes()
            body = content[HEAD : HEAD + int.from_bytes(content[:4], "big")]
            if body and zlib.crc32(body).to_bytes(4, "big") == content[4:HEAD]:
                return msgspec.json.decode(body, type=list[PartReport])
    return []
