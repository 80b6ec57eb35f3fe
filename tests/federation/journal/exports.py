"""A small journal with keys, a witness, commitments and checkpoints, and its exports."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from federation.journal.commitments import Committed, commitment_digest
from federation.journal.entry import Action, Entry, encode
from federation.journal.export import ExportedCheckpoint, ExportedEntry, bundle_lines, export_lines
from federation.journal.merkle import (
    TILE_WIDTH,
    Frontier,
    Tile,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    tile_rows,
)
from federation.journal.note import COSIGNATURE, ED25519, SigningKey, cosign, sign_checkpoint, signing_key
from federation.journal.verify import Checkpoint, VerifierKey

ORIGIN = "waypost.example/journal"
START = datetime(2026, 5, 3, tzinfo=UTC)


@dataclass
class Book:
    """A journal in memory, with the keys that the gateway had one after the other and its witness's."""

    keys: list[SigningKey]
    witness: SigningKey
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    values: list[dict[str, Committed]] = field(default_factory=list)
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    checkpoints: list[ExportedCheckpoint] = field(default_factory=list)

    def append(self, entry: Entry, values: dict[str, Committed] | None = None) -> None:
        seq = len(self.entries)
        data = encode(entry, seq, START + timedelta(seconds=seq))
        leaf = leaf_hash(data)
        for level, number, hashes in list(tile_rows(seq, [leaf], self.read)):
            self.tiles[level, number] = hashes
        self.entries.append(data)
        self.leaves.append(leaf)
        self.values.append(values or {})

    def fill(self, count: int, rng: random.Random) -> None:
        for _ in range(count):
            values = {"reason": committed(f"because {rng.random()}\x1b", rng)} if rng.random() < 0.3 else {}
            entry = Entry(
                action=rng.choice([Action.STAGE_CHANGED, Action.ALIAS_MOVED, Action.VERSION_CREATED]),
                actor=f"principal:{rng.randrange(9)}",
                ref=f"fraud/model-{rng.randrange(5)}:{rng.randrange(9)}",
                registry="fraud",
                after={"stage": rng.choice(["staging", "production"])},
                commitments={name: value.digest for name, value in values.items()},
            )
            self.append(entry, values)

    def rotate(self, new: SigningKey) -> None:
        """A new key: announced in an entry, and the checkpoint over that entry is signed by both."""
        self.append(Entry(action=Action.KEY_ROTATED, details={"key": str(new.verifier)}))
        self.sign(self.keys[-1], new)
        self.keys.append(new)

    def sign(self, *keys: SigningKey, countersigned: bool = True) -> None:
        size = len(self.entries)
        note = sign_checkpoint(Checkpoint(ORIGIN, size, self.root(size)), *(keys or self.keys[-1:]))
        if countersigned:
            note = cosign(note, self.witness, 1_777_000_000 + size)
        self.checkpoints.append(ExportedCheckpoint(size, note))

    def root(self, size: int) -> bytes:
        return frontier_at(size, self.read).root()

    def read(self, tiles: Sequence[Tile]) -> list[bytes]:
        return [
            b"".join(self.leaves[number * TILE_WIDTH : number * TILE_WIDTH + width])
            if level == 0 and width < TILE_WIDTH
            else self.tiles[level, number]
            for level, number, width in tiles
        ]

    @property
    def verifiers(self) -> list[VerifierKey]:
        return [*(key.verifier for key in self.keys), self.witness.verifier]

    def exported(self, seq: int, proof: Sequence[bytes] = ()) -> ExportedEntry:
        return ExportedEntry(seq, self.entries[seq], self.leaves[seq], self.values[seq], proof)

    def export(self, path: Path, *, first: int = 0, end: int | None = None) -> Path:
        path.write_bytes(b"".join(self.export_lines(first, end)))
        return path

    def export_lines(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        end = len(self.entries) if end is None else end
        before = frontier_at(first, self.read) if first else Frontier()
        checkpoints = [point for point in self.checkpoints if point.size <= end]
        beyond = next((point for point in self.checkpoints if point.size > end), None)
        if beyond and not (checkpoints and checkpoints[-1].size == end):
            proof = consistency_proof(end, beyond.size, self.read)
            checkpoints.append(ExportedCheckpoint(beyond.size, beyond.note, proof))
        entries = map(self.exported, range(first, end))
        return export_lines(ORIGIN, self.verifiers, before, end, entries, checkpoints)

    def bundle_lines(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Some entries, those that announce keys, and the checkpoints that carry trust from key to key."""
        rotations = [seq for seq, data in enumerate(self.entries) if b'"action":"key.rotated"' in data]
        covering = [next(point for point in self.checkpoints if point.size > seq) for seq in rotations]
        parts: list[ExportedCheckpoint | ExportedEntry] = []
        last = 0
        for point in dict.fromkeys([*covering, self.checkpoints[-1]]):
            parts.append(self.grown(point, last))
            here = sorted(seq for seq in {*rotations, *numbers} if last <= seq < point.size)
            parts += [self.exported(seq, inclusion_proof(seq, point.size, self.read)) for seq in here]
            last = point.size
        return bundle_lines(ORIGIN, self.verifiers, parts, last)

    def grown(self, point: ExportedCheckpoint, last: int) -> ExportedCheckpoint:
        return ExportedCheckpoint(point.size, point.note, consistency_proof(last, point.size, self.read))


def committed(value: str, rng: random.Random) -> Committed:
    salt = rng.randbytes(16)
    return Committed(value, salt, commitment_digest(salt, value))


def make_book(seed: int, count: int = 60) -> Book:
    """A journal of about `count` entries: a checkpoint every few, one rotation of the key, a witness."""
    rng = random.Random(seed)
    witness = signing_key("witness.example/w1", COSIGNATURE, rng.randbytes(32))
    book = Book([signing_key(ORIGIN, ED25519, rng.randbytes(32))], witness)
    book.append(Entry(action=Action.JOURNAL_STARTED, details={"origin": ORIGIN}))
    book.append(Entry(action=Action.KEY_CREATED, details={"key": str(book.keys[0].verifier)}))
    while len(book.entries) < count:
        book.fill(rng.randrange(1, 12), rng)
        if len(book.keys) == 1 and len(book.entries) > count // 2:
            book.rotate(signing_key(ORIGIN, ED25519, rng.randbytes(32)))
        else:
            book.sign()
    return book
