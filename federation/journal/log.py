"""Appending to the journal and to the change feed: the last thing a transaction does, under the lock of one
head row.

What belongs together is collected in a `Batch` while the transaction works, without any lock; `append` then locks
the head, numbers the entries and changes densely, hashes, and writes. So numbers are in the order of commits, on
both databases, and an entry is committed exactly with the change that it describes, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select

from federation import bulk, tables
from federation.changes import Change, FeedTrimmedError
from federation.database import DatabaseError, micros, moment, now
from federation.journal.commitments import Committed, commit
from federation.journal.entry import Entry, Recorded, decode, encode
from federation.journal.merkle import (
    TILE_WIDTH,
    Frontier,
    Tile,
    leaf_hash,
    load_frontier,
    save_frontier,
    tile_rows,
)
from federation.journal.query import ENTRIES, MOST_BYTES, within_bytes
from federation.journal.tables import seal
from federation.prepared import Prepared

MICROSECOND = timedelta(microseconds=1)


class Withheld(NamedTuple):
    """A value an entry only commits to. `subject` is the person it names, where it names one."""

    committed: Committed
    subject: str | None


@dataclass(slots=True)
class Batch:
    """The entries and changes of one transaction, in order."""

    entries: list[tuple[Entry, int | None]] = field(default_factory=list)
    changes: dict[Change, None] = field(default_factory=dict)
    withheld: list[Withheld] = field(default_factory=list)

    def record(self, entry: Entry, registry_id: int | None = None) -> int:
        """Add an entry; returns its place in this batch, from 0."""
        self.entries.append((entry, registry_id))
        return len(self.entries) - 1

    def change(self, change: Change) -> None:
        """Tell followers to read something again; the same change is told once."""
        self.changes[change] = None

    def withhold(self, values: Mapping[str, str | None], subject: str | None = None) -> dict[str, bytes]:
        """Commitments, for `Entry.commitments`, to values that must not stand in an entry; no None."""
        commitments = {}
        for name, value in values.items():
            if value is not None:
                committed = commit(value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
                self.withheld.append(Withheld(committed, subject))
                commitments[name] = committed.digest
        return commitments

    def append(self, connection: Connection) -> int:
        """Write everything; returns the feed's newest position after it.

        Call it last: from here to the commit every other writer waits.
        """
        bulk.insert(
            connection,
            tables.value,
            ("commitment", "salt", "value", "subject"),
            [(w.committed.digest, w.committed.salt, w.committed.value, w.subject) for w in self.withheld],
        )
        head = _lock_head(connection)
        # The clock may jump back; the journal's order is its numbers, and its times never contradict them.
        time = max(now(), head.time + MICROSECOND)
        written = [encode(entry, seq, time) for seq, (entry, _) in enumerate(self.entries, head.size)]
        hashes = [leaf_hash(data) for data in written]
        moved = micros(time)
        bulk.insert(
            connection,
            tables.journal,
            ("seq", "time", "action", "actor", "registry_id", "ref", "entry", "leaf_hash"),
            [
                (seq, moved, entry.action.value, entry.actor, registry_id, entry.ref, data, leaf)
                for seq, (entry, registry_id), data, leaf in zip(
                    range(head.size, head.size + len(written)), self.entries, written, hashes, strict=True
                )
            ],
        )
        _store_tiles(connection, head.size, hashes)
        position = head.position + len(self.changes)
        bulk.insert(
            connection,
            tables.change,
            ("position", "kind", "target_id", "registry_id", "time"),
            [
                (head.position + 1 + i, c.kind, c.target_id, c.registry_id, moved)
                for i, c in enumerate(self.changes)
            ],
        )
        frontier: Frontier = load_frontier(head.size, head.frontier).extend(hashes)
        latest = moved if written else micros(head.time)
        _move_head(connection, (frontier.size, save_frontier(frontier), position, latest))
        return position


class _Head(NamedTuple):
    size: int
    frontier: bytes
    position: int
    time: datetime


def _lock_head(connection: Connection) -> _Head:
    """The head row, which nobody else can have until this transaction ends."""
    suffix = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    # On the driver: SQLAlchemy around a statement costs several times what the statement does.
    rows = bulk.fetch(connection, f"SELECT size, frontier, position, time FROM head{suffix}", ())
    if not rows:
        raise DatabaseError("the database has no journal: run `waypost migrate`")
    size, frontier, position, time = rows[0]
    return _Head(size, bytes(frontier), position, moment(time))


def _move_head(connection: Connection, values: tuple[int, bytes, int, int]) -> None:
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    sets = ", ".join(f"{name} = {mark}" for name in ("size", "frontier", "position", "time"))
    cursor = connection.connection.cursor()
    cursor.execute(f"UPDATE head SET {sets}", values)
    cursor.close()


def source(connection: Connection, position: int, limit: int) -> list[tuple[int, Recorded]]:
    """At most `limit` entries after the first `position` of them, and not many more than fill `MOST_BYTES`, each with
    how many there are up to it: what a shared follower is given. Errors: `FeedTrimmedError` where they stand in an
    archive.
    """
    [(sealed,)] = _SEALED.bare(connection)
    if position < (sealed or 0):
        raise FeedTrimmedError(f"the entries from {position} to {sealed - 1} are sealed", sealed)
    found = _ENTRIES.bare(connection, position=position, limit=limit, most_bytes=MOST_BYTES)
    return [(seq + 1, decode(bytes(entry))) for seq, entry in found]


_SEALED = Prepared(select(func.max(seal.c.size).label("size")))
_ENTRIES = Prepared(
    within_bytes(select(ENTRIES.seq, ENTRIES.entry), [ENTRIES.seq >= bindparam("position", 0)])
)


def start(connection: Connection) -> None:
    """Write the head row of an empty database. Anything but that is an error of the database."""
    connection.execute(insert(tables.head).values(id=1, size=0, frontier=b"", position=0, time=now()))


def read_tiles(connection: Connection, tiles: Sequence[Tile]) -> list[bytes]:
    """The hashes of tiles; those of an unfinished tile of level 0 come from the entries."""
    if not tiles:
        return []
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    wanted = " OR ".join([f"(level = {mark} AND number = {mark})"] * len(tiles))
    asked = tuple(part for tile in tiles for part in (tile.level, tile.number))
    rows = bulk.fetch(connection, f"SELECT level, number, hashes FROM journal_tile WHERE {wanted}", asked)
    found = {(level, number): bytes(hashes) for level, number, hashes in rows}
    return [found.get((tile.level, tile.number)) or _leaves(connection, tile) for tile in tiles]


def _leaves(connection: Connection, tile: Tile) -> bytes:
    if tile.level:
        return b""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    first = tile.number * TILE_WIDTH
    rows = bulk.fetch(
        connection,
        f"SELECT leaf_hash FROM journal WHERE seq >= {mark} AND seq < {mark} ORDER BY seq",
        (first, first + tile.width),
    )
    return b"".join(bytes(row[0]) for row in rows)


def _store_tiles(connection: Connection, old_size: int, hashes: Sequence[bytes]) -> None:
    rows = list(tile_rows(old_size, hashes, lambda tiles: read_tiles(connection, tiles)))
    if not rows:
        return
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    cursor = connection.connection.cursor()
    cursor.executemany(
        f"INSERT INTO journal_tile (level, number, hashes) VALUES ({mark}, {mark}, {mark}) "
        "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
        [tuple(row) for row in rows],
    )
    cursor.close()
