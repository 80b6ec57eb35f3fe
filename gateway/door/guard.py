"""Sees that `adapters`, `federation` and `gateway` are Waypost's own, before anything imports `adapters`.

Two of the three names exist on the package index as unrelated packages. Where one of them is installed beside
Waypost, Python would run a stranger's code under our name, so Waypost refuses to start. Every command passes here,
so the files are searched as bytes: the standard library's `packages_distributions` takes several times as long.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator

OURS = "waypost"
LISTS = {
    "RECORD": re.compile(rb"\n(adapters|federation|gateway)(?:/|\.py,)"),
    "top_level.txt": re.compile(rb"\n(adapters|federation|gateway)(?=\r?\n)"),
}
"""A distribution's files that list what it brings: what stands there, behind the end of a line, of a name of ours."""


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
        for file, ours in LISTS.items():
            for found in ours.finditer(b"\n" + _bytes(f"{entry.path}/{file}") + b"\n"):
                yield distribution, found[1].decode()


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hundreds of paths take longer to make than to read
            return file.read()
    except OSError:
        return b""
