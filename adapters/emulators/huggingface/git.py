"""Repositories as git keeps them, in memory: the same objects under the same ids, which git itself can check.

`export` writes one as a bare repository, so that a real git server can be asked for the same refs and commits.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Files = dict[str, bytes]


def object_id(kind: str, content: bytes) -> str:
    """The id of a git object."""
    return hashlib.sha1(
        b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: what is in it, and when (whole seconds since 1970) and by whom it was made."""

    id: str
    parent: str | None
    files: Files
    message: str
    at: int
    author: str
    objects: Mapping[str, tuple[str, bytes]] = field(repr=False)
    """Its own objects and those that it reaches, by id: kind and content."""


def commit(parent: Commit | None, files: Files, message: str, at: int, author: str) -> Commit:
    """A commit of these files on top of another one."""
    objects: dict[str, tuple[str, bytes]] = {}

    def keep(kind: str, content: bytes) -> str:
        ident = object_id(kind, content)
        objects[ident] = (kind, content)
        return ident

    def tree(entries: Mapping[str, bytes]) -> str:
        folders: dict[str, Files] = {}
        rows: dict[str, bytes] = {}
        for path, content in entries.items():
            head, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(head, {})[rest] = content
            else:
                rows[head] = b"100644 %s\0%s" % (head.encode(), bytes.fromhex(keep("blob", content)))
        for name, inside in folders.items():  # git sorts a folder as if its name ended in a slash
            rows[f"{name}/"] = b"40000 %s\0%s" % (name.encode(), bytes.fromhex(tree(inside)))
        return keep("tree", b"".join(rows[name] for name in sorted(rows, key=str.encode)))

    who = f"{author} <{author}@users.noreply.example> {at} +0000"
    lines = [f"tree {tree(files)}", *([f"parent {parent.id}"] if parent else [])]
    text = "\n".join([*lines, f"author {who}", f"committer {who}", "", message, ""])
    ident = keep("commit", text.encode())
    return Commit(ident, parent.id if parent else None, dict(files), message, at, author, objects)


@dataclass(slots=True)
class Git:
    """The commits, branches and tags of a repository."""

    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, branch: str, files: Files, message: str, at: int, author: str) -> Commit:
        """A commit at the head of a branch."""
        made = commit(self.at(branch), files, message, at, author)
        self.commits[made.id] = made
        self.branches[branch] = made.id
        return made

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or an id names; `HEAD` is `main` (@huggingface/hub, model-info)."""
        revision = "main" if revision == "HEAD" else revision
        ident = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(ident)

    def history(self, start: Commit) -> Iterator[Commit]:
        """A commit and those before it."""
        found: Commit | None = start
        while found is not None:
            yield found
            found = self.commits.get(found.parent or "")

    def export(self, folder: Path) -> None:
        """Write a bare repository."""
        files = {
            "HEAD": b"ref: refs/heads/main\n",
            "config": b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
            **{f"refs/heads/{name}": f"{ident}\n".encode() for name, ident in self.branches.items()},
            **{f"refs/tags/{name}": f"{ident}\n".encode() for name, ident in self.tags.items()},
        }
        for one in self.commits.values():
            for ident, (kind, content) in one.objects.items():
                packed = zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content)
                files[f"objects/{ident[:2]}/{ident[2:]}"] = packed
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
