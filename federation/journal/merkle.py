"""The Merkle tree over the journal (RFC 6962): its frontier, its stored tiles and the proofs made from them.

A *tile* is a row of up to 32 neighbouring hashes: at level 0 leaf hashes, at level n the roots of full tiles
of level n - 1. (The layout of C2SP tlog-tiles, narrower: what lies between stored levels is hashed anew for
each proof, and 32 wide that takes a third of the time of 256 wide.) Level 0 is stored only when full, because
the leaf hashes of the unfinished one can be had from the entries; so only every 32nd entry writes a tile.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from federation.journal.verify import EMPTY_ROOT, Frontier, fold, leaf_hash, node_hash

__all__ = [
    "EMPTY_ROOT",
    "TILE_WIDTH",
    "Frontier",
    "MissingTileError",
    "StoredTile",
    "Tile",
    "TileReader",
    "consistency_proof",
    "frontier_at",
    "inclusion_proof",
    "leaf_hash",
    "load_frontier",
    "node_hash",
    "save_frontier",
    "tile_rows",
]

TILE_HEIGHT: Final = 5
TILE_WIDTH: Final = 1 << TILE_HEIGHT
_HASH: Final = 32
_TILE_BYTES: Final = TILE_WIDTH * _HASH
_sha256 = hashlib.sha256


class Tile(NamedTuple):
    """The first `width` hashes (1 to 32) of a tile of a level."""

    level: int
    number: int
    width: int


class StoredTile(NamedTuple):
    """A tile to store, in place of what was stored under (level, number): `hashes` is 32 to 1,024 bytes."""

    level: int
    number: int
    hashes: bytes


TileReader = Callable[[Sequence[Tile]], Sequence[bytes]]
"""Reads tiles, all at once: for each, in order, at least `width` hashes of 32 bytes. Asked once per proof.

A tile of level 0 with a width under 32 may not be stored: then its hashes are the `leaf_hash` of the entries
`number * 32` and following.
"""


class MissingTileError(LookupError):
    """The tile reader gave fewer hashes than the tree needs: the stored tiles do not match the log."""


def save_frontier(frontier: Frontier) -> bytes:
    """The hashes of a frontier as bytes, 32 per set bit of its size."""
    return b"".join(frontier.hashes)


def load_frontier(size: int, saved: bytes) -> Frontier:
    """The frontier of `size` leaves from `save_frontier`. Raises ValueError where the two do not match."""
    if size < 0 or len(saved) != _HASH * size.bit_count():
        raise ValueError(f"a frontier of {size} leaves does not have {len(saved)} bytes")
    return Frontier(size, tuple(saved[i : i + _HASH] for i in range(0, len(saved), _HASH)))


def tile_rows(old_size: int, leaf_hashes: Sequence[bytes], read: TileReader) -> Iterator[StoredTile]:
    """The rows to store when `leaf_hashes` are appended to a log of `old_size` leaves; usually none.

    `read` is asked for the hashes before the new ones in a tile that is to be written.
    """
    level, start, new = 0, old_size, leaf_hashes
    while new and (level > 0 or start % TILE_WIDTH + len(new) >= TILE_WIDTH):
        first, before = divmod(start, TILE_WIDTH)
        stored = _read(read, [Tile(level, first, before)])[0][: before * _HASH] if before else b""
        hashes = stored + b"".join(new)
        rows = [hashes[i : i + _TILE_BYTES] for i in range(0, len(hashes), _TILE_BYTES)]
        for index, row in enumerate(rows, first):
            if level > 0 or len(row) == _TILE_BYTES:
                yield StoredTile(level, index, row)
        new = [_subtree_root(row) for row in rows if len(row) == _TILE_BYTES]
        level, start = level + 1, first


def frontier_at(size: int, read: TileReader) -> Frontier:
    """The frontier the log had at `size` leaves; its `root()` is the root of then."""
    nodes = list(_complete_subtrees(0, size))
    return Frontier(size, tuple(_hashes(nodes, size, read)))


def inclusion_proof(index: int, size: int, read: TileReader) -> list[bytes]:
    """The path of leaf `index` in the tree of the first `size` leaves (RFC 6962, 2.1.1), leaf side first.

    Raises IndexError when the leaf is not in that tree.
    """
    if not 0 <= index < size:
        raise IndexError(f"entry {index} is not among the first {size}")
    ranges = []
    low, high = 0, size
    while high - low > 1:
        split = low + _split_of(high - low)
        if index < split:
            ranges.append((split, high))
            high = split
        else:
            ranges.append((low, split))
            low = split
    return _roots(ranges[::-1], size, read)


def consistency_proof(old_size: int, new_size: int, read: TileReader) -> list[bytes]:
    """The proof that the tree of `old_size` leaves is a prefix of that of `new_size` (RFC 6962, 2.1.2).

    Empty for equal sizes and from the empty tree. Raises IndexError when the old size is not within the new.
    """
    if not 0 <= old_size <= new_size:
        raise IndexError(f"a log of {old_size} entries is not a prefix of one of {new_size}")
    if old_size in (0, new_size):
        return []
    ranges = []
    low, high = 0, new_size
    while high != old_size:
        split = low + _split_of(high - low)
        if old_size <= split:
            ranges.append((split, high))
            high = split
        else:
            ranges.append((low, split))
            low = split
    if low > 0:
        ranges.append((low, high))
    return _roots(ranges[::-1], new_size, read)


def _split_of(width: int) -> int:
    """The largest power of two under `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def _complete_subtrees(low: int, high: int) -> Iterator[tuple[int, int]]:
    """(height, index) of the complete subtrees that make up the leaves low to high, largest first."""
    while low < high:
        height = (high - low).bit_length() - 1
        yield height, low >> height
        low += 1 << height


def _roots(ranges: Sequence[tuple[int, int]], size: int, read: TileReader) -> list[bytes]:
    """The root over each range of leaves, with one reading of tiles for all."""
    subtrees = [list(_complete_subtrees(low, high)) for low, high in ranges]
    hashes = iter(_hashes([node for nodes in subtrees for node in nodes], size, read))
    return [fold([next(hashes) for _ in nodes]) for nodes in subtrees]


def _hashes(nodes: Sequence[tuple[int, int]], size: int, read: TileReader) -> list[bytes]:
    """The hashes of complete subtrees, each from the tile that holds it or its parts."""
    places = []
    for height, index in nodes:
        level, above = divmod(height, TILE_HEIGHT)
        first = index << above
        places.append((level, first // TILE_WIDTH, first % TILE_WIDTH, 1 << above))
    wanted = sorted({(level, tile) for level, tile, _, _ in places})
    widths = [min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - tile * TILE_WIDTH) for level, tile in wanted]
    tiles = [Tile(level, tile, width) for (level, tile), width in zip(wanted, widths, strict=True)]
    found = dict(zip(wanted, _read(read, tiles), strict=True)) if tiles else {}
    return [
        _subtree_root(found[level, tile][at * _HASH : (at + count) * _HASH])
        for level, tile, at, count in places
    ]


def _read(read: TileReader, tiles: Sequence[Tile]) -> Sequence[bytes]:
    answers = read(tiles)
    for (level, index, width), answer in zip(tiles, answers, strict=True):
        if len(answer) < width * _HASH:
            found = len(answer) // _HASH
            raise MissingTileError(f"tile {level}/{index} holds {found} hashes where the log needs {width}")
    return answers


def _subtree_root(row: bytes) -> bytes:
    """The root over a power of two of neighbouring hashes."""
    while len(row) > _HASH:
        row = b"".join([_sha256(b"\x01" + row[i : i + 64]).digest() for i in range(0, len(row), 64)])
    return row
