"""The overlay of the graph, what changed since its rows were written: new and removed edges, new and changed nodes.

One small file beside the rows, replaced as a whole by the worker; readers look at its stamp before each
answer, so an edge is visible in every process as soon as the file is. It names the rows it belongs to; for
any others it is void.
"""

import io
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from federation.graph.rows import NODE_COLUMNS, Array, DamagedError, pack, unpack
from federation.whole import replace

FILE = "overlay"
LIMIT = 20_000
"""Edits after which the worker folds the overlay into new rows."""

Edge = tuple[int, int, int]
"""Source, target, kind: the source needs the target."""


@dataclass
class Overlay:
    """The edits, as the worker collects them."""

    rows: str
    position: int
    added: set[Edge] = field(default_factory=set)
    removed: set[Edge] = field(default_factory=set)
    nodes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Node id → values in the order of NODE_COLUMNS."""

    def __len__(self) -> int:
        return len(self.added) + len(self.removed) + len(self.nodes)

    def add(self, edge: Edge) -> None:
        """Have an edge, whether or not the rows hold it already."""
        self.removed.discard(edge)
        self.added.add(edge)

    def remove(self, edge: Edge) -> None:
        """Have no such edge."""
        self.added.discard(edge)
        self.removed.add(edge)


def save(folder: Path, overlay: Overlay) -> None:
    """Write the file. About 1 ms at LIMIT edits."""
    columns = np.array(list(overlay.nodes.values()), np.int64).reshape(len(overlay.nodes), len(NODE_COLUMNS))
    arrays: dict[str, Any] = {
        "rows": np.array(overlay.rows),
        "position": np.array(overlay.position),
        "added": _packed(overlay.added),
        "removed": _packed(overlay.removed),
        "ids": np.fromiter(overlay.nodes, np.int64, len(overlay.nodes)),
        "columns": columns,
    }
    content = io.BytesIO()
    np.savez(content, **arrays)
    body = content.getvalue()
    replace(folder / FILE, zlib.crc32(body).to_bytes(4, "big") + body)


def _packed(edges: Iterable[Edge]) -> Array:
    listed = np.array(sorted(edges), np.int64).reshape(-1, 3)
    return pack(listed[:, 0], listed[:, 1], listed[:, 2])


def load(folder: Path) -> dict[str, Array]:
    """The file's arrays. Raises DamagedError; FileNotFoundError when there is none."""
    content = (folder / FILE).read_bytes()
    if zlib.crc32(content[4:]).to_bytes(4, "big") != content[:4]:
        raise DamagedError("the graph overlay fails its checksum")
    try:
        with np.load(io.BytesIO(content[4:]), allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, KeyError) as error:
        raise DamagedError(f"the graph overlay cannot be read: {error}") from error


def restore(arrays: Mapping[str, Array]) -> Overlay:
    """The overlay as the worker goes on with it after a restart."""
    return Overlay(
        rows=str(arrays["rows"]),
        position=int(arrays["position"]),
        added=_edges(arrays["added"]),
        removed=_edges(arrays["removed"]),
        nodes={
            int(node): tuple(map(int, values))
            for node, values in zip(arrays["ids"], arrays["columns"], strict=True)
        },
    )


def _edges(keys: Array) -> set[Edge]:
    source, target, kind = (part.tolist() for part in unpack(keys))
    return set(zip(source, target, kind, strict=True))
