"""The tree: the published vectors, and every shape against a recursive reading of RFC 6962."""

import hashlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.journal.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Frontier,
    MissingTileError,
    Tile,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    load_frontier,
    save_frontier,
    tile_rows,
)
from federation.journal.verify import verify_consistency, verify_inclusion

# The inputs and answers published with the Certificate Transparency reference implementation.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
NODE_23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
NODE_45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
NODE_67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
NODE_4567 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
INCLUSIONS = [  # index, size, proof
    (0, 1, []),
    (0, 2, [LEAF_1]),
    (1, 2, [ROOTS[1]]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], NODE_23, LEAF_4]),
    (0, 8, [LEAF_1, NODE_23, NODE_4567]),
    (5, 8, [LEAF_4, NODE_67, ROOTS[4]]),
]
CONSISTENCIES = [  # old size, new size, proof
    (1, 1, []),
    (1, 8, [LEAF_1, NODE_23, NODE_4567]),
    (2, 5, [NODE_23, LEAF_4]),
    (6, 8, [NODE_45, NODE_67, ROOTS[4]]),
]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, read out loud."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


class Log:
    """Leaf hashes and stored tiles, appended to in batches."""

    def __init__(self, *batches: int) -> None:
        self.leaves: list[bytes] = []
        self.tiles: dict[tuple[int, int], bytes] = {}
        for batch in batches:
            self.append(batch)

    def append(self, count: int) -> None:
        old = len(self.leaves)
        new = [leaf_hash(b"entry %d" % seq) for seq in range(old, old + count)]
        for level, number, hashes in list(tile_rows(old, new, self.read)):
            self.tiles[level, number] = hashes
        self.leaves += new

    def read(self, tiles: Sequence[Tile]) -> list[bytes]:
        return [self.read_one(*tile) for tile in tiles]

    def read_one(self, level: int, number: int, width: int) -> bytes:
        if level == 0 and width < TILE_WIDTH:
            return b"".join(self.leaves[number * TILE_WIDTH : number * TILE_WIDTH + width])
        return self.tiles[level, number]


def hexes(hashes: Sequence[bytes]) -> list[str]:
    return [node.hex() for node in hashes]


def reference_log() -> Log:
    log = Log()
    log.leaves = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
    return log


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    leaves = reference_log().leaves[:size]
    assert Frontier().extend(leaves).root().hex() == ROOTS[size]
    assert naive_root(leaves).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSIONS)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    log = reference_log()
    assert hexes(inclusion_proof(index, size, log.read)) == proof
    path = [bytes.fromhex(node) for node in proof]
    assert verify_inclusion(log.leaves[index], index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCIES)
def test_published_consistency_proofs(old: int, new: int, proof: list[str]) -> None:
    assert hexes(consistency_proof(old, new, reference_log().read)) == proof
    path = [bytes.fromhex(node) for node in proof]
    assert verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), path)


def test_every_proof_of_every_small_tree_verifies_and_no_altered_one_does() -> None:
    log = Log(70)
    roots = [naive_root(log.leaves[:size]) for size in range(71)]
    for size in range(1, 71):
        for index in range(size):
            proof = inclusion_proof(index, size, log.read)
            assert verify_inclusion(log.leaves[index], index, size, proof, roots[size])
            assert not verify_inclusion(log.leaves[index], (index + 1) % size, size, proof, roots[size - 1])
            assert not verify_inclusion(log.leaves[index - 1], index, size, proof, roots[size]) or size == 1
            assert not verify_inclusion(log.leaves[index], index, size, [*proof, roots[1]], roots[size])
            assert not proof or not verify_inclusion(log.leaves[index], index, size, proof[:-1], roots[size])
        for old in range(size + 1):
            proof = consistency_proof(old, size, log.read)
            assert verify_consistency(old, roots[old], size, roots[size], proof)
            assert not verify_consistency(old, roots[old - 1], size, roots[size], proof)
            assert not old or not verify_consistency(old, roots[old], size, roots[size - 1], proof)
            assert not verify_consistency(old, roots[old], size, roots[size], [*proof, roots[2]])
            assert not proof or not verify_consistency(old, roots[old], size, roots[size], proof[1:])
            assert old == size or not verify_consistency(size, roots[size], old, roots[old], proof)


batches = st.lists(
    st.one_of(st.integers(1, 5), st.integers(1, 2 * TILE_WIDTH), st.integers(900, 1300)), max_size=6
)


@given(batches, st.data())
def test_appending_in_any_batches_gives_the_same_tree_and_the_same_tiles(
    sizes: list[int], data: st.DataObject
) -> None:
    log = Log(*sizes)
    total = len(log.leaves)
    assert log.tiles == Log(total).tiles
    frontier = Frontier()
    for size in sizes:
        saved = save_frontier(frontier)
        assert load_frontier(frontier.size, saved) == frontier
        frontier = frontier.extend(log.leaves[frontier.size : frontier.size + size])
    assert frontier.root() == naive_root(log.leaves)
    size = data.draw(st.integers(0, total))
    then = frontier_at(size, log.read)
    assert then == Frontier().extend(log.leaves[:size])
    assert verify_consistency(
        size, then.root(), total, frontier.root(), consistency_proof(size, total, log.read)
    )
    if size:
        index = data.draw(st.integers(0, size - 1))
        assert verify_inclusion(
            log.leaves[index], index, size, inclusion_proof(index, size, log.read), then.root()
        )


def test_appending_one_by_one_writes_a_tile_only_when_it_is_full() -> None:
    log = Log()
    written = []
    for seq in range(TILE_WIDTH**2 + 1):
        rows = list(tile_rows(seq, [leaf_hash(b"entry %d" % seq)], log.read))
        written += [(seq, row.level) for row in rows if row.level == 0]
        log.append(1)
    assert written == [(seq, 0) for seq in range(TILE_WIDTH - 1, TILE_WIDTH**2 + 1, TILE_WIDTH)]
    assert log.tiles[1, 0] == log.tiles[1, 0][: TILE_WIDTH * 32]
    assert len(log.tiles[2, 0]) == 32


def test_a_proof_reads_all_its_tiles_at_once() -> None:
    log = Log(5000)
    asked: list[Sequence[Tile]] = []

    def read(tiles: Sequence[Tile]) -> list[bytes]:
        asked.append(tiles)
        return log.read(tiles)

    inclusion_proof(17, 4999, read)
    consistency_proof(1234, 4999, read)
    assert len(asked) == 2
    assert all(len(tiles) == len(set(tiles)) <= 6 for tiles in asked)


def test_tiles_that_do_not_match_the_log_are_named() -> None:
    log = Log(200)
    log.tiles[0, 1] = log.tiles[0, 1][:-32]
    with pytest.raises(MissingTileError, match="tile 0/1 holds 31 hashes where the log needs 32"):
        inclusion_proof(40, 200, log.read)


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    log = Log(10)
    for index, size in ((10, 10), (-1, 10), (0, 0)):
        with pytest.raises(IndexError):
            inclusion_proof(index, size, log.read)
    with pytest.raises(IndexError):
        consistency_proof(7, 6, log.read)
    with pytest.raises(ValueError, match="frontier"):
        load_frontier(3, bytes(32))
    assert frontier_at(0, log.read).root() == EMPTY_ROOT


def test_a_proof_with_one_flipped_bit_never_verifies() -> None:
    rng = random.Random(3)
    log = Log(100)
    root = naive_root(log.leaves)
    for _ in range(2000):
        proof = inclusion_proof(rng.randrange(100), 100, log.read)
        at = rng.randrange(len(proof))
        flipped = bytearray(proof[at])
        flipped[rng.randrange(32)] ^= 1 << rng.randrange(8)
        proof[at] = bytes(flipped)
        assert not any(verify_inclusion(log.leaves[i], i, 100, proof, root) for i in range(100))
