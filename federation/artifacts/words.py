"""What the process that copies is told, and what it says."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


class Copied(msgspec.Struct, frozen=True):
    """A file that is there: its size in bytes and its SHA-256 in hexadecimal, the same at both ends."""

    size: int
    sha256: str


class CopySide(msgspec.Struct, frozen=True):
    """A registry as it is configured: secrets are references, which the process resolves itself."""

    name: str
    kind: str
    config: dict[str, Any]


class CopyOrder(msgspec.Struct, frozen=True):
    """What is copied: the version (its record as it is stored) into a model of another registry. `done` is there."""

    source: CopySide
    target: CopySide
    version: str
    model: str
    token: str
    done: dict[str, Copied] = {}
    plugins: Path | None = None


class CopyWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: a file is there; or at the end with what the version is registered; or why it cannot be: one side is
    `unable`, one has `refused`, or it `failed` and is tried again.
    """

    path: str = ""
    file: Copied | None = None
    source: str = ""
    run_id: str | None = None
    digest: str = ""
    unable: str = ""
    refused: str = ""
    failed: str = ""


def digest_of(files: Mapping[str, Copied]) -> str:
    """The digest of an artifact: SHA-256 over the lines that `sha256sum` prints, in the order of paths."""
    lines = "".join(f"{one.sha256}  {path}\n" for path, one in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode('utf-8', 'surrogatepass')).hexdigest()}"
