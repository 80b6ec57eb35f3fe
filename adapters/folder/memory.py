"""What a scan leaves for the next one: the digests of versions whose files have not changed since.

What was read is known by each file's inode, time of change and size. In `digests` of the configuration that outlives
the process; the file is this machine's own, and one that cannot be read is an empty one.
"""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from adapters.files import File
from adapters.folder.keys import Names
from adapters.formats import Header
from adapters.writing import digest

RACY = 2.0
"""Seconds in which a file may change twice and show one time of change: what is younger is not remembered."""


@dataclass(frozen=True, slots=True)
class Content:
    """The files of a version, each with its SHA-256 (of a link, none) and header."""

    files: tuple[File, ...]
    digests: tuple[str, ...]
    headers: tuple[Header | None, ...]


@dataclass(slots=True)
class KnownFiles:
    """What is known of versions, by their names. Used by many threads; one scan at a time ends with `keep`."""

    path: Path | None
    _known: dict[Names, Content] = field(default_factory=dict)
    _kept: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _is_loaded: bool = False

    def content(self, names: Names, files: tuple[File, ...]) -> Content | None:
        """The content of a version whose files are these, as they were."""
        known = self._known.get(names)
        return known if known is not None and known.files == files else None

    def digests(self, names: Names, files: tuple[File, ...]) -> tuple[str, ...] | None:
        """Their digests, from before this process began."""
        if not self._is_loaded and self.path is not None:
            with suppress(OSError, ValueError, TypeError, AttributeError):
                found = json.loads(self.path.read_bytes())["digests"]
                self._kept = {name: (sign, tuple(known)) for name, (sign, known) in found.items()}
        self._is_loaded = True
        sign, known = self._kept.get("/".join(names), ("", ()))
        return known if sign == _signed(files) and len(known) == len(files) else None

    def take(self, names: Names, content: Content) -> None:
        """Remember it, unless it could still change without a sign."""
        if all(file.sign[1] / 1e9 < time.time() - RACY for file in content.files):
            self._known[names] = content

    def keep(self, living: Iterable[Names]) -> None:
        """Forget all other versions, and write down what is known where that is configured. Errors: `OSError`."""
        living = set(living)
        self._known = {names: content for names, content in list(self._known.items()) if names in living}
        kept = {
            "/".join(names): (_signed(content.files), content.digests)
            for names, content in self._known.items()
        }
        if self.path is None or kept == self._kept:
            return
        self._kept, self._is_loaded = kept, True
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.write_text(json.dumps({"digests": kept}))
        temporary.replace(self.path)


def _signed(files: tuple[File, ...]) -> str:
    return digest([(file.name, *file.sign, file.link) for file in files])
