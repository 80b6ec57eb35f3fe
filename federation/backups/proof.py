"""That a journal which was put back is the one that was written: every entry has its hash, and all of them one root."""

from pathlib import Path

from sqlalchemy import Connection, select

from federation import tables
from federation.backups.archive import BackupError, BackupHeader
from federation.journal.checkpoints import newest_note
from federation.journal.logkey import read_origin
from federation.journal.merkle import MissingTileError, frontier_at, load_frontier
from federation.journal.proofs import tile_reader
from federation.journal.verify import leaf_hash, parse_checkpoint, parse_note

AT_ONCE = 1000


def require_whole(connection: Connection, path: Path, header: BackupHeader) -> None:
    """Errors: `BackupError`, which names the first entry that is not what it was."""
    try:
        reason = _wrong(connection, header)
    except MissingTileError as error:
        reason = str(error)
    if reason is not None:
        raise BackupError(f"the journal in {path} was changed: {reason}")


def _wrong(connection: Connection, header: BackupHeader) -> str | None:
    head = connection.execute(select(tables.head)).one_or_none()
    if head is None or head.size != header.entries:
        return "it has not as many entries as the backup says"
    entries = tables.journal.c
    query = select(entries.seq, entries.entry, entries.leaf_hash).order_by(entries.seq)
    bit_by_bit = {"stream_results": True, "yield_per": AT_ONCE}
    for row in connection.execute(query, execution_options=bit_by_bit):
        if leaf_hash(bytes(row.entry)) != bytes(row.leaf_hash):
            return f"entry {row.seq} is not what was written"
    tiles = tile_reader(connection)
    if frontier_at(head.size, tiles) != load_frontier(head.size, head.frontier):
        return "its entries do not lead to its root"
    if read_origin(connection) != header.origin:
        return "it is another one than the backup says"
    note = newest_note(connection)
    if note is None:
        return None
    signed = parse_checkpoint(parse_note(note).text)
    return None if frontier_at(signed.size, tiles).root() == signed.root else "it is not what was signed"
