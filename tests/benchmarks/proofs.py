"""How fast the journal's tree grows, proves and is verified; storage apart."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

from federation.journal import verify
from federation.journal.entry import Action, Entry, encode
from federation.journal.export import ExportedCheckpoint, ExportedEntry, export_lines
from federation.journal.merkle import (
    TILE_WIDTH,
    Frontier,
    Tile,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tile_rows,
)
from federation.journal.note import generate_key, sign_checkpoint
from federation.journal.verify import Checkpoint
from tests.benchmarks import Figure, benchmark, seconds, spread

ORIGIN = "waypost.example/journal"
TIME = datetime(2026, 5, 3, tzinfo=UTC)
SIGN_EVERY = 1000
WATCHED = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Tells the most that the process has held; what `getrusage` tells of a child counts the parent it was forked from."""


@benchmark(sample=2_000, full=1_000_000)
def journal_proofs(size: int, folder: Path) -> Iterator[Figure]:
    """Proofs at any size over `size` entries, from tiles in memory."""
    leaves = [leaf_hash(b"%d" % seq) for seq in range(size)]
    grown = seconds(lambda: Frontier().extend(leaves), times=3, warm_up=0)
    yield Figure("leaves appended", size / grown.p50, "per second", goal=860_000, higher_is_better=True)
    tiles = {(level, number): hashes for level, number, hashes in tile_rows(0, leaves, lambda _: [])}

    def read(wanted: Sequence[Tile]) -> list[bytes]:
        return [
            tiles.get((level, number)) or b"".join(leaves[number * TILE_WIDTH : number * TILE_WIDTH + width])
            for level, number, width in wanted
        ]

    rng = random.Random(size)
    for name, prove in (("inclusion", inclusion_proof), ("consistency", consistency_proof)):
        taken = []
        for _ in range(2_000):
            then = rng.randint(size // 2, size)
            index = rng.randrange(then)
            one = partial(prove, index, then, read)
            taken.append(seconds(one, times=1, warm_up=0).p50)
        yield Figure(f"{name} proof, p99", spread(taken).p99 * 1e3, "ms", goal=1)


@benchmark(sample=2_000, full=1_000_000)
def journal_verify(size: int, folder: Path) -> Iterator[Figure]:
    """The stand-alone verifier, in a process of its own, on a whole export with a checkpoint every 1,000."""
    path = folder / "export.jsonl"
    with path.open("wb") as file:
        file.writelines(exported(size))
    command = [sys.executable, "-I", "-c", WATCHED, verify.__file__, str(path)]
    began = time.perf_counter()
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    yield Figure("export verified", time.perf_counter() - began, "seconds", goal=60)
    yield Figure("peak memory", int(told.rpartition("VmHWM:")[2].split()[0]) / 1024, "MB", goal=256)


def exported(size: int) -> Iterator[bytes]:
    """An export written while it is made, so that its maker needs no memory either."""
    key = generate_key(ORIGIN)
    frontier = Frontier()
    bounds = pairwise([*range(0, size, SIGN_EVERY), size])
    for number, (first, end) in enumerate(bounds):
        entries = [entry(seq) for seq in range(first, end)]
        grown = frontier.extend(one.hash for one in entries)
        point = ExportedCheckpoint(end, sign_checkpoint(Checkpoint(ORIGIN, end, grown.root()), key))
        lines = export_lines(ORIGIN, [key.verifier], Frontier(), size, entries, [point])
        yield from (line for at, line in enumerate(lines) if number == 0 or at >= 2)
        frontier = grown


def entry(seq: int) -> ExportedEntry:
    """A change of stage, about 350 bytes."""
    data = encode(
        Entry(
            action=Action.STAGE_CHANGED,
            actor="principal:7",
            ref=f"fraud/model-{seq % 1000}:{seq}",
            registry="fraud",
            request="01JXABCDEFGHJKMNPQRSTVWXYZ",
            targets={"version": seq},
            before={"stage": "none", "native": "None"},
            after={"stage": "production", "native": "Production"},
            not_before=TIME,
            not_after=TIME,
        ),
        seq,
        TIME,
    )
    return ExportedEntry(seq, data, leaf_hash(data))
