"""Appending to the journal through Waypost, beside the same statements raw on the driver, in one run."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from federation import schema
from federation.database import micros, open_engine, reading, sqlite_module, writing
from federation.journal.entry import Action, Entry, encode
from federation.journal.log import Batch
from federation.journal.merkle import (
    TILE_WIDTH,
    Frontier,
    Tile,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    save_frontier,
    tile_rows,
)
from federation.journal.proofs import tile_reader
from tests.benchmarks import Figure, benchmark, seconds, spread

SHARE = 60.0
ENTRY = Entry(
    action=Action.STAGE_CHANGED,
    actor="p-0123456789abcdef0123",
    ref="fraud/card-fraud-scorer:3",
    registry="fraud",
    before={"stage": "staging"},
    after={"stage": "production"},
)
ROUNDS = 6


@benchmark(sample=40, full=3_000)
def journal_append(size: int, folder: Path) -> Iterator[Figure]:
    """Durable appends, single and in batches of 100, on SQLite; ours and the driver's take turns."""
    for batch, count in ((1, size), (100, max(2, size // 20))):
        ours = theirs = 0.0
        engine = open_engine(f"sqlite:///{folder / f'ours-{batch}.db'}")
        schema.migrate(engine)
        with closing(raw(folder / f"raw-{batch}.db")) as connection:
            for _ in range(ROUNDS):
                ours += taken(partial(append, engine, batch), count // ROUNDS + 1)
                theirs += taken(partial(append_raw, connection, batch), count // ROUNDS + 1)
        engine.dispose()
        done = (count // ROUNDS + 1) * ROUNDS * batch
        name = "single" if batch == 1 else f"in batches of {batch}"
        yield Figure(
            f"entries appended {name}", done / ours, "per second", comparison=("the driver", done / theirs),
            higher_is_better=True,
        )  # fmt: skip
        share = theirs / ours * 100
        yield Figure(f"share of the driver, {name}", share, "%", goal=SHARE, higher_is_better=True)


def taken(append: Callable[[], None], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        append()
    return time.perf_counter() - began


def append(engine: Engine, count: int) -> None:
    with writing(engine) as connection:
        batch = Batch()
        for _ in range(count):
            batch.record(ENTRY)
        batch.append(connection)


def raw(path: Path) -> Any:
    """The same tables and settings, made by hand."""
    engine = open_engine(f"sqlite:///{path}")
    schema.migrate(engine)
    engine.dispose()
    connection = sqlite_module().connect(str(path), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def append_raw(connection: Any, count: int) -> None:
    """What an append is: read the head, insert the entries and full tiles, move the head; the same bytes and hashes."""
    run = connection.execute
    run("BEGIN IMMEDIATE")
    size, saved = run("SELECT size, frontier FROM head").fetchone()
    now = datetime.now(UTC)
    rows, leaves = [], []
    for seq in range(size, size + count):
        data = encode(ENTRY, seq, now)
        leaf = leaf_hash(data)
        leaves.append(leaf)
        rows.append((seq, micros(now), ENTRY.action.value, ENTRY.actor, None, ENTRY.ref, data, leaf))
    insert = (
        "INSERT INTO journal (seq, time, action, actor, registry_id, ref, entry, leaf_hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    connection.executemany(insert, rows)

    def read(tiles: Sequence[Tile]) -> list[bytes]:
        return [stored(run, tile) for tile in tiles]

    for tile in tile_rows(size, leaves, read):
        run("INSERT OR REPLACE INTO journal_tile (level, number, hashes) VALUES (?, ?, ?)", tile)
    hashes = tuple(saved[at : at + 32] for at in range(0, len(saved), 32))
    frontier = Frontier(size, hashes).extend(leaves)
    run(
        "UPDATE head SET size = ?, frontier = ?, time = ?",
        (frontier.size, save_frontier(frontier), micros(now)),
    )
    run("COMMIT")


def stored(run: Callable[..., Any], tile: Tile) -> bytes:
    """The hashes of a tile, as they are stored or from the entries."""
    found = run("SELECT hashes FROM journal_tile WHERE level = ? AND number = ?", tile[:2]).fetchone()
    if found:
        return bytes(found[0])
    first = tile.number * TILE_WIDTH
    leaves = "SELECT leaf_hash FROM journal WHERE seq >= ? AND seq < ? ORDER BY seq"
    return b"".join(row[0] for row in run(leaves, (first, first + tile.width)))


@benchmark(sample=500, full=1_000_000)
def journal_proofs_stored(size: int, folder: Path) -> Iterator[Figure]:
    """Proofs over `size` entries that stand in SQLite, from stored tiles, each in a transaction of its own."""
    engine = open_engine(f"sqlite:///{folder / 'log.db'}")
    schema.migrate(engine)
    for first in range(0, size, 10_000):
        append(engine, min(10_000, size - first))
    rng = random.Random(size)
    for name, prove in (("inclusion", inclusion_proof), ("consistency", consistency_proof)):
        spent = []
        for _ in range(min(size, 2_000)):
            then = rng.randint(size // 2, size)
            with reading(engine) as connection:
                read = tile_reader(connection)
                spent.append(seconds(partial(prove, rng.randrange(then), then, read), times=1, warm_up=0).p50)
        yield Figure(f"{name} proof from the database, p50", spread(spent).p50 * 1e3, "ms", goal=1)
        yield Figure(f"{name} proof from the database, p99", spread(spent).p99 * 1e3, "ms")
    engine.dispose()
