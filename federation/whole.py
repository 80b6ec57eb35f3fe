"""Files that are derived from the database are proven whole by digests of ours; what fails is made again.

A writer records of each file its size, its time and a digest. Whoever opens the folder compares size and time, and
reads only what differs there; the writer also reads everything again at leisure, since a disk may lose what nobody
has written. A reader that meets an error leaves a mark, and the writer looks at once.
"""

import json
import secrets
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FILE, SUSPECT = "digests", "suspect"
BLOCK = 1 << 20
PASS = 3600.0
"""Seconds in which everything is read again once."""
ANEW_EVERY = 600.0
"""Seconds after which what is whole is built anew because a reader could not use it; sooner is no remedy."""

Stamp = tuple[int, int]
"""Size and time of the last change."""


def digest(path: Path) -> int:
    """CRC-32 of a file. Errors: `OSError`."""
    total = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total = zlib.crc32(block, total)
    return total


def stamp(path: Path) -> Stamp | None:
    """Size and time; None for a file that is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def replace(path: Path, content: bytes) -> None:
    """Write a small file so that readers see the old content or the new, never a part. Errors: `OSError`."""
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


@dataclass(slots=True)
class Digests:
    """What a writer recorded of the files in a folder: by name its stamp and its digest."""

    folder: Path
    known: dict[str, tuple[Stamp, int]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Digests":
        """As recorded; nothing where that is not there or damaged itself, so that it is recorded anew."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads((folder / FILE).read_bytes())
            if stored["crc"] == zlib.crc32(json.dumps(stored["files"]).encode()):
                return cls(
                    folder, {name: ((size, at), crc) for name, (size, at, crc) in stored["files"].items()}
                )
        return cls(folder)

    def record(self, names: Iterable[str], *, anew: Iterable[str] = ()) -> None:
        """Record files that are not yet, and those of `anew` in any case; forget others. Errors: `OSError`."""
        wanted, again = set(names), set(anew)
        before = dict(self.known)
        self.known = {name: one for name, one in before.items() if name in wanted - again}
        for name in sorted((wanted | again) - self.known.keys()):
            found = stamp(self.folder / name)
            if found is not None:
                self.known[name] = found, digest(self.folder / name)
        if self.known != before:
            self.save()

    def save(self) -> None:
        """Write it down. Errors: `OSError`."""
        files = {name: [*known, crc] for name, (known, crc) in sorted(self.known.items())}
        body = {"crc": zlib.crc32(json.dumps(files).encode()), "files": files}
        replace(self.folder / FILE, json.dumps(body).encode())

    def is_whole(self, name: str, *, thorough: bool = False) -> bool:
        """Whether a recorded file is what was recorded. Read is only one whose stamp differs, or with `thorough`."""
        known, crc = self.known[name]
        found = stamp(self.folder / name)
        if found is None or found[0] != known[0]:
            return False
        if found == known and not thorough:
            return True
        try:
            return digest(self.folder / name) == crc
        except OSError:
            return False

    def damaged(self, *, thorough: bool = False) -> str | None:
        """The first recorded file that is not whole; None where all are."""
        return next((name for name in sorted(self.known) if not self.is_whole(name, thorough=thorough)), None)


@dataclass(slots=True)
class Leisure:
    """Reads everything again in the course of an hour: which file is next, and when."""

    queue: list[str] = field(default_factory=list)
    due: float = 0.0

    def next(self, digests: Digests) -> str | None:
        """The file to read now; None while there is time."""
        at = time.monotonic()
        if at < self.due:
            return None
        if not self.queue:
            self.queue = sorted(digests.known)
            if not self.due:  # just opened and compared
                self.due = at + PASS
                return None
        total = sum(known[0] for known, _ in digests.known.values()) or 1
        while self.queue:
            name = self.queue.pop()
            if name in digests.known:
                self.due = at + PASS * digests.known[name][0][0] / total
                return name
        self.due = at + 1.0
        return None


@dataclass(slots=True)
class Suspicion:
    """What a reader that met an error tells the writer: look at once."""

    folder: Path
    clock: Callable[[], float] = time.monotonic
    _anew: float | None = None

    def mark(self, name: str) -> None:
        """A reader could not use what is called `name`. Raises nothing."""
        with suppress(OSError):
            (self.folder / SUSPECT).write_text(name, encoding="utf-8")

    def take(self) -> str | None:
        """The writer: what was marked since the last call."""
        path = self.folder / SUSPECT
        try:
            name = path.read_text(encoding="utf-8", errors="replace")
            path.unlink(missing_ok=True)
        except OSError:
            return None
        return name

    def may_build_anew(self) -> bool:
        """Whether it is some time since something whole was built anew for a suspicion; it counts as done then."""
        at = self.clock()
        if self._anew is not None and at - self._anew < ANEW_EVERY:
            return False
        self._anew = at
        return True
