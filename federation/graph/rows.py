"""The graph as compressed sparse rows in NumPy files, written by one process and memory-mapped by all.

A folder `rows-<position>-<random>` holds one `.npy` file per array and `meta.json` (position, sizes, CRC-32
of each file). The file `current` names the folder in use and is replaced last, so a reader sees the old rows
or the new ones. Nothing is flushed to the disk: the checksums find what a power cut left behind. Whatever is
missing or damaged raises `DamagedError`; the worker then builds anew from the database.
"""

import json
import secrets
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation import files
from federation.errors import UnavailableError
from federation.whole import Stamp, digest, replace, stamp

FORMAT = 3
CURRENT = "current"
SLACK = 65_536
"""Empty rows at the end: that many new nodes fit before the rows have to be written again."""

NODE_COLUMNS: dict[str, type[np.generic]] = {
    "kind": np.uint8,
    "stage": np.uint8,
    "live": np.uint8,
    "registry": np.int32,
    "created": np.int64,
}
_EDGE_FILES = tuple(f"{side}_{part}" for side in ("down", "up") for part in ("ptr", "node", "kind"))

Array = NDArray[Any]


class DamagedError(UnavailableError):
    """The files on disk are missing, cut short, of another format or fail their checksum: `detail` says which. They are
    being made again.
    """

    code = "graph-building"
    retry_after = 1

    def __init__(self, detail: str) -> None:
        super().__init__("the dependency graph is being built: try again", detail)


@dataclass(frozen=True)
class Side:
    """Adjacency in one direction: the neighbours of row n are `node[ptr[n]:ptr[n+1]]`, sorted, `kind` beside them."""

    ptr: Array
    node: Array
    kind: Array


@dataclass(frozen=True)
class Rows:
    """The rows as mapped. `down` leads to dependents, `up` to what a node needs; `nodes` holds NODE_COLUMNS."""

    name: str
    position: int
    size: int
    """Ids below this may be in use; `capacity - size` rows are free."""
    capacity: int
    registries: int
    """The greatest registry id that a node has."""
    generation: int
    """Which derivation of the tables they were built from."""
    down: Side
    up: Side
    nodes: Mapping[str, Array]

    @property
    def edges(self) -> int:
        return len(self.down.node)


def pack(row: Array, column: Array, kind: Array) -> Array:
    """Edges as sortable 64-bit numbers: 28 bits row, 28 bits column, 8 bits kind."""
    return (
        (row.astype(np.uint64) << np.uint64(36))
        | (column.astype(np.uint64) << np.uint64(8))
        | kind.astype(np.uint64)
    )


def unpack(keys: Array) -> tuple[Array, Array, Array]:
    """The inverse of `pack`."""
    mask = np.uint64((1 << 28) - 1)
    return (
        (keys >> np.uint64(36)).astype(np.int32),
        ((keys >> np.uint64(8)) & mask).astype(np.int32),
        (keys & np.uint64(255)).astype(np.uint8),
    )


def compress(row: Array, column: Array, kind: Array, capacity: int) -> Side:
    """Adjacency of the edges row → column. Doubles fall together."""
    keys = np.sort(pack(row, column, kind))
    if len(keys):
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    row, column, kind = unpack(keys)
    ptr = np.zeros(capacity + 1, np.uint32)
    np.cumsum(np.bincount(row, minlength=capacity), out=ptr[1:])
    return Side(ptr, column, kind)


def write(
    folder: Path,
    position: int,
    nodes: Mapping[str, Array],
    edges: tuple[Array, Array, Array],
    generation: int = 0,
    slack: int = SLACK,
) -> Rows:
    """Write rows for `edges` (source, target, kind: the source needs the target) and make them the current ones.

    `nodes` holds NODE_COLUMNS, indexed by node id. Older rows are removed; a process that still maps them
    keeps them.
    """
    size = len(nodes["kind"])
    capacity = size + slack
    source, target, kind = edges
    up, down = compress(source, target, kind, capacity), compress(target, source, kind, capacity)
    arrays: dict[str, Array] = {
        name: np.concatenate((nodes[name].astype(dtype), np.zeros(slack, dtype)))
        for name, dtype in NODE_COLUMNS.items()
    }
    for side, rows in (("up", up), ("down", down)):
        arrays |= {f"{side}_ptr": rows.ptr, f"{side}_node": rows.node, f"{side}_kind": rows.kind}
    name = f"rows-{position}-{secrets.token_hex(4)}"
    registries = int(arrays["registry"].max(initial=0))
    meta = {
        "format": FORMAT,
        "position": position,
        "size": size,
        "capacity": capacity,
        "registries": registries,
        "generation": generation,
    }
    _store(folder / name, arrays, meta)
    replace(folder / CURRENT, name.encode())
    _remove_others(folder, name)
    return open_rows(folder, verify=False)


def _remove_others(folder: Path, name: str) -> None:
    for old in folder.glob("rows-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def _store(place: Path, arrays: Mapping[str, Array], meta: dict[str, Any]) -> None:
    place.mkdir(parents=True)
    for name, array in arrays.items():
        with (place / f"{name}.npy").open("wb") as file:
            np.save(file, array)
    meta["crc"] = {name: digest(place / f"{name}.npy") for name in arrays}
    body = json.dumps(meta).encode()
    replace(place / "meta.json", zlib.crc32(body).to_bytes(4, "big") + body)


def current(folder: Path) -> str:
    """The name of the rows in use, or '' when there are none."""
    try:
        return (folder / CURRENT).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def open_rows(folder: Path, *, verify: bool) -> Rows:
    """Map the current rows; `verify` reads every byte once against its checksum (0.1 s for 5M edges).

    Raises DamagedError.
    """
    name = current(folder)
    place = folder / name
    if not name.startswith("rows-") or "/" in name:
        raise DamagedError("there are no graph rows yet")
    try:
        meta = _read_meta(place)
        for file, crc in meta["crc"].items() if verify else ():
            if digest(place / f"{file}.npy") != crc:
                raise DamagedError(f"{file}.npy of the graph rows fails its checksum")
        mapped = {file: _map(place / f"{file}.npy") for file in (*_EDGE_FILES, *NODE_COLUMNS)}
        rows = Rows(
            name=name,
            position=int(meta["position"]),
            size=int(meta["size"]),
            capacity=int(meta["capacity"]),
            registries=int(meta["registries"]),
            generation=int(meta["generation"]),
            down=Side(mapped["down_ptr"], mapped["down_node"], mapped["down_kind"]),
            up=Side(mapped["up_ptr"], mapped["up_node"], mapped["up_kind"]),
            nodes={column: mapped[column] for column in NODE_COLUMNS},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"graph rows cannot be read: {error}") from error
    if len(rows.down.ptr) != rows.capacity + 1 or len(rows.nodes["kind"]) != rows.capacity:
        raise DamagedError("graph rows do not fit together")
    return rows


def link(folder: Path, into: Path) -> tuple[str, int, int]:
    """Link the current rows into an empty folder. Returns their name, position and generation.

    Errors: `DamagedError` where there are none that can be read, `FileNotFoundError` where they are being replaced.
    """
    name = current(folder)
    rows = open_rows(folder, verify=False)
    (into / rows.name).mkdir()
    for one in (folder / rows.name).iterdir():
        files.link(one, into / rows.name)
    if not name == rows.name == current(folder):
        raise FileNotFoundError(name)
    (into / CURRENT).write_text(name)
    return name, rows.position, rows.generation


def adopt(folder: Path, made: Path) -> None:
    """Make the rows in another folder of the same disk the current ones. Errors: `DamagedError`, `OSError`."""
    name = open_rows(made, verify=True).name
    shutil.rmtree(folder / name, ignore_errors=True)
    (made / name).rename(folder / name)
    replace(folder / CURRENT, name.encode())
    _remove_others(folder, name)


def _read_meta(place: Path) -> dict[str, Any]:
    content = (place / "meta.json").read_bytes()
    digest, body = content[:4], content[4:]  # any byte may begin the digest: a brace, too
    if zlib.crc32(body).to_bytes(4, "big") != digest:
        raise DamagedError("meta.json of the graph rows fails its checksum")
    meta: dict[str, Any] = json.loads(body)
    if meta["format"] != FORMAT:
        raise DamagedError(f"graph rows are of format {meta['format']}, this version reads {FORMAT}")
    return meta


def stamps(folder: Path, rows: Rows) -> dict[str, Stamp | None]:
    """Size and time of every file of these rows: they change with what is written into them, never by us."""
    place = folder / rows.name
    return {path.name: stamp(path) for path in (place / "meta.json", *sorted(place.glob("*.npy")))}


def _map(path: Path) -> Array:
    """Map one array copy-on-write; an empty one cannot be mapped and is read. A plain view is faster to index."""
    if path.stat().st_size <= 128:
        return np.asarray(np.load(path, allow_pickle=False))
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
