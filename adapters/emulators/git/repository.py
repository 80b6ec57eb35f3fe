"""A bare repository that tests change with git's own commands, whatever somebody who works on it would do."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

CONFIG = """[core]
\tbare = true
\tfsync = none
[http]
\treceivepack = true
[uploadpack]
\tallowFilter = true
[gc]
\tauto = 0
[receive]
\tautogc = false
"""
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "HOME": "/nonexistent",
}


class GitRepository:
    """One repository with a branch `main`. Each thing that is done is a second younger than the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, str] = {}
        self.at = 0
        self.skew = 0.0
        self.head: str | None = None
        for each in ("objects", "refs"):
            (path / each).mkdir(parents=True)
        (path / "HEAD").write_text("ref: refs/heads/main\n")
        (path / "config").write_text(CONFIG)

    def git(self, *arguments: str, given: str = "") -> str:
        """What a command prints."""
        command = ("git", "--git-dir", str(self.path), *arguments)
        done = subprocess.run(
            command,
            input=given.encode(),
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], **ENVIRONMENT},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def now(self) -> int:
        """A second that nothing else has."""
        self.at = max(self.at + 1, int(time.time() + self.skew))
        return self.at

    def commit(
        self, files: Mapping[str, str | None] = {}, *, tags: Mapping[str, str] = {}, at: int | None = None
    ) -> str:
        """A commit on `main` with these files changed (None: deleted), and annotated tags on it; its id."""
        at = at or self.now()
        lines = [
            "commit refs/heads/main",
            "mark :1",
            f"committer Ada <ada@example.com> {at} +0000",
            _data(f"at {at}"),
        ]
        lines += [f"from {self.head}"] if self.head else []
        for path, content in files.items():
            lines += [f"D {path}"] if content is None else [f"M 100644 inline {path}", _data(content)]
        for tag, message in tags.items():
            lines += [f"tag {tag}", "from :1", f"tagger Ada <ada@example.com> {at} +0000", _data(message)]
        lines += ["get-mark :1", "done", ""]
        self.head = self.git(
            "fast-import", "--quiet", "--done", "--cat-blob-fd=1", given="\n".join(lines)
        ).strip()
        self.files = {path: said for path, said in {**self.files, **files}.items() if said is not None}
        return self.head

    def tag(
        self, name: str, target: str, *, message: str = "told", at: int | None = None, kind: str = "commit"
    ) -> str:
        """An annotated tag; the id of its object."""
        at = at or self.now()
        text = f"object {target}\ntype {kind}\ntag {name}\ntagger Ada <ada@example.com> {at} +0000\n\n{message}\n"
        oid = self.git("hash-object", "-t", "tag", "-w", "--stdin", given=text).strip()
        self.git("update-ref", f"refs/tags/{name}", oid)
        return oid

    def untag(self, *names: str) -> None:
        """Delete tags."""
        self.git("update-ref", "--stdin", given="".join(f"delete refs/tags/{name}\n" for name in names))

    def tags(self) -> dict[str, str]:
        """The names of all tags, and the commits that they lead to."""
        rows = self.git(
            "for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags"
        ).splitlines()
        return {row.split(" ")[0]: row.split(" ")[2] or row.split(" ")[1] for row in rows}


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"
