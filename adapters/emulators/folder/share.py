"""A share as people fill one: folders, files with real headers, sidecars written by hand."""

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

from adapters.parsing import parse_yaml

SIDECAR, MARKER = "waypost.yaml", ".waypost"


class Shelves:
    """A folder with a marker. Names of models may lead through several folders."""

    def __init__(self, path: Path, identity: str = "") -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        (path / MARKER).write_text(identity or token_hex(8))

    def put(
        self, model: str, version: str = "", files: Mapping[str, bytes] | None = None, **said: Any
    ) -> str:
        """A new version with these files (a file of its own without any), and what its sidecar says."""
        folder = self.path / model
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(each.name) for each in folder.iterdir() if each.name.isdecimal()]
        version = version or str(max(numbers, default=0) + 1)
        made = {"weights.safetensors": safetensors({"w": token_hex(8)})} if files is None else files
        for name, body in made.items():
            (folder / version / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / version / name).write_bytes(body)
        if said:
            self.say(model, version, **said)
        return version

    def say(self, model: str, version: str | None, **said: Any) -> None:
        """Change entries of a sidecar; None takes one out."""
        folder = self.path / model / (version or "")
        known = self.said(model, version) | said
        text = json.dumps(
            {name: value for name, value in known.items() if value is not None}, indent=1, ensure_ascii=False
        )
        (temporary := folder / f".{token_hex(4)}").write_text(text)
        temporary.replace(folder / SIDECAR)

    def said(self, model: str, version: str | None) -> dict[str, Any]:
        """What a sidecar says now."""
        file = self.path / model / (version or "") / SIDECAR
        found: dict[str, Any] = (parse_yaml(file.read_text(), SIDECAR) or {}) if file.exists() else {}
        return found

    def drop(self, model: str, version: str | None = None) -> None:
        """Take a version away, or a model; in one step, as one that is moved elsewhere."""
        folder = self.path / model / (version or "")
        if folder.exists():
            shutil.rmtree(folder.rename(folder.with_name(f".{token_hex(8)}")))


def safetensors(metadata: Mapping[str, str], shape: tuple[int, ...] = (2, 2)) -> bytes:
    """A file with one tensor of float32."""
    count = 1
    for size in shape:
        count *= size
    tensor = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, 4 * count]}
    header = json.dumps({"__metadata__": dict(metadata), "weight": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * count)


def gguf(metadata: Mapping[str, str | int], shape: tuple[int, ...] = (32,)) -> bytes:
    """A file of version 3 with one tensor of float32."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    count = 1
    for size in shape:
        count *= size
    body = b"GGUF" + struct.pack("<IQQ", 3, 1, len(metadata))
    for name, value in metadata.items():
        told = struct.pack("<II", 4, value) if isinstance(value, int) else struct.pack("<I", 8) + text(value)
        body += text(name) + told
    body += text("weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)
    return body + bytes(-len(body) % 32) + bytes(4 * count)
