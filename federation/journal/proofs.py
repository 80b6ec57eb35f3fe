"""Proofs from the database: that an entry is in the log, and that the log only grew (RFC 6962)."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from federation import tables
from federation.errors import InvalidRequestError
from federation.journal.checkpoints import newest_size
from federation.journal.log import read_tiles
from federation.journal.merkle import Tile, TileReader, consistency_proof, frontier_at, inclusion_proof


class OutsideLogError(InvalidRequestError):
    """There is no such entry or size in the log. One line that says what there is."""

    code = "outside-log"


class Inclusion(NamedTuple):
    """That the entry `seq` with this leaf hash is in the tree of `size` entries with this root."""

    seq: int
    size: int
    leaf_hash: bytes
    root: bytes
    proof: Sequence[bytes]


class Consistency(NamedTuple):
    """That the tree of `old_size` entries is the beginning of that of `new_size`."""

    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    proof: Sequence[bytes]


def tile_reader(connection: Connection) -> TileReader:
    """Reads the tiles of the log in this transaction."""

    def read(tiles: Sequence[Tile]) -> list[bytes]:
        return read_tiles(connection, tiles)

    return read


def prove_inclusion(connection: Connection, seq: int, size: int | None = None) -> Inclusion:
    """The proof for an entry in the tree of `size` entries; None: of the newest checkpoint that has it.

    Errors: `OutsideLogError`.
    """
    known = size_of_log(connection)
    signed = newest_size(connection)
    size = size if size is not None else (signed if signed > seq else known)
    if not 0 <= seq < size <= known:
        raise OutsideLogError(f"the log has {known} entries: no proof for entry {seq} among {size}")
    read = tile_reader(connection)
    return Inclusion(
        seq, size, leaf_of(connection, seq), frontier_at(size, read).root(), inclusion_proof(seq, size, read)
    )


def prove_consistency(connection: Connection, old: int, new: int | None = None) -> Consistency:
    """The proof between two sizes; `new` None: the newest checkpoint's. Errors: `OutsideLogError`."""
    known = size_of_log(connection)
    new = new if new is not None else (newest_size(connection) or known)
    if not 0 <= old <= new <= known:
        raise OutsideLogError(f"the log has {known} entries: no proof from {old} to {new}")
    read = tile_reader(connection)
    return Consistency(
        old,
        frontier_at(old, read).root(),
        new,
        frontier_at(new, read).root(),
        consistency_proof(old, new, read),
    )


def leaf_of(connection: Connection, seq: int) -> bytes:
    """The leaf hash the log stored for an entry, also for one that was moved into an archive."""
    entries = tables.journal.c
    found = connection.execute(select(entries.leaf_hash).where(entries.seq == seq)).scalar_one_or_none()
    if found is not None:
        return bytes(found)
    tile, place = divmod(seq, 32)
    return read_tiles(connection, [Tile(0, tile, place + 1)])[0][place * 32 : place * 32 + 32]


def size_of_log(connection: Connection) -> int:
    """How many entries the log has."""
    return int(connection.execute(select(tables.head.c.size)).scalar_one())
