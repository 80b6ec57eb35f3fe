"""The folders and files of commits that were fetched, each read once, and what they say of an artifact."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from posixpath import basename
from typing import Any, NamedTuple, TypeVar

from adapters.errors import BadRecordError
from adapters.formats.dvc import DVC, FIELDS, INDEX, LOCK, Described, artifacts_of, describe, split
from adapters.git.client import Objects
from adapters.parsing import parse_yaml
from adapters.records import Unread

T = TypeVar("T")
LARGEST = 8 << 20
"""Bytes of a tag, commit or folder that are looked at."""
MOST_FILES = 2_000
"""CommitFiles with artifacts in one commit."""


class FetchedCommit(NamedTuple):
    """A commit: the folder that it holds, and when it was made in seconds since 1970."""

    tree: str
    at: int


def _readable(read: Callable[[str], T], oids: Iterable[str]) -> Iterator[T]:
    for oid in oids:
        with suppress(BadRecordError):
            yield read(oid)


class CommitFiles:
    """Reads through one process. Errors: `BadRecordError` for what is not there or not what it should be."""

    def __init__(self, objects: Objects, largest: int) -> None:
        self._objects, self._largest = objects, largest
        self._commits: dict[str, FetchedCommit] = {}
        self._folders: dict[str, dict[str, str]] = {}
        self._parsed: dict[str, Any] = {}
        self._described: dict[tuple[str, str], Described] = {}

    def ahead(self, commits: Sequence[str]) -> None:
        """Read in a few goes what will be asked for of these commits, as far as it can be read."""
        self._objects.ahead(commits)
        trees = [found.tree for found in _readable(self.commit, commits)]
        self._objects.ahead(tree for tree in trees if tree not in self._folders)
        held = [folder.get(name) for folder in _readable(self.folder, trees) for name in (INDEX, DVC, LOCK)]
        self._objects.ahead(oid for oid in held if oid and oid not in self._parsed)

    def content(self, oid: str, kind: str) -> bytes:
        """An object of this kind."""
        found = self._objects.read(oid, self._largest if kind == "blob" else LARGEST)
        if found is None or found[0] != kind:
            there = f"a {found[0]}" if found else "nothing that could be read"
            raise BadRecordError(f"{there} is where a {kind} should be")
        return found[1]

    def commit(self, oid: str) -> FetchedCommit:
        """A commit."""
        if oid not in self._commits:
            head = self.content(oid, "commit").partition(b"\n\n")[0].decode("utf-8", "replace").splitlines()
            made = next((row.rsplit(" ", 2) for row in head if row.startswith("committer ")), [])
            at = int(made[1]) if len(made) == 3 and made[1].isdigit() else 0
            self._commits[oid] = FetchedCommit(head[0].removeprefix("tree "), min(at, 1 << 36))
        return self._commits[oid]

    def folder(self, tree: str) -> dict[str, str]:
        """What a folder holds: ids by name."""
        if tree not in self._folders:
            content, found, at = self.content(tree, "tree"), dict[str, str](), 0
            while (end := content.find(b"\0", at)) > 0:
                name = content[at:end].partition(b" ")[2].decode("utf-8", "replace")
                found[name] = content[end + 1 : end + 21].hex()
                at = end + 21
            self._folders[tree] = found
        return self._folders[tree]

    def place(self, tree: str, path: str) -> str | None:
        """The id of what is at a path; None: nothing is."""
        found: str | None = tree
        for name in path.split("/") if path else ():
            found = self.folder(found).get(name) if found else None
        return found

    def yaml(self, tree: str, path: str) -> Any:
        """What a file says; None where there is none."""
        oid = self.place(tree, path)
        if oid is not None and oid not in self._parsed:
            self._parsed[oid] = parse_yaml(self._blob(oid, path), path)
        return self._parsed.get(oid or "")

    def named(self, head: str, list_files: Callable[[str], list[str]]) -> dict[str, Described]:
        """The artifacts that the files of a commit name, in whichever folder."""
        tree = self.commit(head).tree
        paths = [each for each in list_files(tree) if each == INDEX or basename(each) == DVC]
        if len(paths) > MOST_FILES:
            raise BadRecordError(
                f"HEAD names artifacts in {len(paths):,} files: only {MOST_FILES:,} are read"
            )
        found: dict[str, Described] = {}
        for path in sorted(paths, key=lambda each: each != INDEX):
            for name in artifacts_of(self.yaml(tree, path), path):
                found.setdefault(name, replace(self.described(head, name), is_indexed=path == INDEX))
        return found

    def described(self, commit: str, artifact: str) -> Described:
        """What the files of a commit say of an artifact: what cannot be read of it is unknown."""
        tree = self.commit(commit).tree
        if (tree, artifact) not in self._described:
            try:
                found = self._describe(tree, *split(artifact))
            except BadRecordError as error:
                found = Described(unread=Unread(FIELDS, str(error)))
            self._described[tree, artifact] = found
        return self._described[tree, artifact]

    def _describe(self, tree: str, folder: str, name: str) -> Described:
        here = self.place(tree, folder)
        if here is None:
            return Described()
        return describe(folder, name, partial(self.file, here), partial(self.yaml, here))

    def _blob(self, oid: str, path: str) -> bytes:
        try:
            return self.content(oid, "blob")
        except BadRecordError:
            raise BadRecordError(f"{path} is larger than `max_file_kb` lets it be: it is not read") from None

    def file(self, tree: str, path: str) -> bytes | None:
        """A file; None where there is none."""
        oid = self.place(tree, path)
        return None if oid is None else self._blob(oid, path)
