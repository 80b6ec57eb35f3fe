"""Sees that `adapters`, `federation` and `gateway` are Waypost's own, before anything imports `adapters`.

Two of the three names exist on the package index as unrelated packages. Where one of them is installed beside
Waypost, Python would run a stranger's code under our name, so Waypost refuses to start. Every command passes here,
so the files are searched as bytes: the standard library's `packages_distributions` takes several times as long.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

NAMES = ("adapters", "federation", "gateway")
OURS = "waypost"
MARKS = {"RECORD": ("/", ".py,"), "top_level.txt": ("\n", "\r\n")}
"""By a distribution's file that lists what it brings: what follows a name of ours at the start of a line."""


class ForeignPackageError(Exception):
    """Another distribution owns one of our import names. One line with cause and remedy."""


def foreign_owners(folders: Iterable[str] | None = None) -> dict[str, str]:
    """Which of our import names another distribution owns: its name, by import name.

    `folders` are looked through for installed distributions; those Python imports from when not given.
    """
    owners: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path if folders is None else folders):
        for distribution, name in _claims(folder):
            owners.setdefault(name, distribution)
    return owners


def require_own_names(folders: Iterable[str] | None = None) -> None:
    """Errors: `ForeignPackageError`."""
    owners = foreign_owners(folders)
    if owners:
        name, distribution = next(iter(owners.items()))
        raise ForeignPackageError(
            f"the package {distribution} also brings a module {name}, and Python could run it in place of Waypost's: "
            "install Waypost in an environment of its own (it is an application, as pipx or uv tool do it)"
        )


def _claims(folder: str) -> Iterator[tuple[str, str]]:
    try:
        entries = list(os.scandir(folder or "."))
    except OSError:
        return
    for entry in entries:
        stem, _, suffix = entry.name.rpartition(".")
        distribution = stem.partition("-")[0]
        if suffix not in ("dist-info", "egg-info") or distribution.lower() == OURS:
            continue
        for file, marks in MARKS.items():
            listed = b"\n" + _bytes(Path(entry.path, file)) + b"\n"
            for name in NAMES:
                if any(f"\n{name}{mark}".encode() in listed for mark in marks):
                    yield distribution, name


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
