"""Making a backup of the database, and putting one back: the face of the room.

What a backup holds is the database of one moment, so journal, catalogue and people fit together. The keys that sign
checkpoints are files beside the database and never in it; search index and graph files are made anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from federation import schema, tables
from federation.backups.afterwards import settle
from federation.backups.archive import (
    FORMAT,
    BackupError,
    BackupHeader,
    EndFrame,
    Frame,
    TableFrame,
    read_frames,
    writing_to,
)
from federation.backups.proof import require_whole
from federation.backups.rows import TableLoader, dump, names
from federation.database import LONG, now, reading, writing
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.journal.logkey import read_origin

__all__ = ["Backup", "BackupError", "Restored", "check", "make", "restore"]


class Backup(NamedTuple):
    """A backup that was made or checked: what it is of, how many rows it has, and how large it is."""

    header: BackupHeader
    rows: int
    bytes: int


class Restored(NamedTuple):
    """What was put back, and what was under way when the backup was made and is not done again."""

    header: BackupHeader
    rows: int
    operations: int
    promotions: int


def make(engine: Engine, path: Path) -> Backup:
    """Write a backup, whatever schema the database has, and read it again. Others go on reading and writing.

    Errors: `BackupError`, `DatabaseError`.
    """
    with reading(engine, bound=LONG) as connection:
        known = schema.current(connection)
        if known is None:
            raise BackupError("the database is empty: there is nothing to back up")
        size = connection.execute(tables.head.select()).one().size
        origin = read_origin(connection)
        header = BackupHeader(format=FORMAT, schema=known, origin=origin, entries=size, made_at=now())
        with writing_to(path, header) as file:
            for table in names(connection):
                dump(connection, table, file)
    return check(path)


def check(path: Path) -> Backup:
    """Read a whole file: nothing of it is missing or changed. Errors: `BackupError`."""
    header, frames = _open(path)
    rows = 0
    for frame in frames:
        rows = frame.rows if isinstance(frame, EndFrame) else 0
    return Backup(header, rows, path.stat().st_size)


def restore(engine: Engine, path: Path) -> Restored:
    """Put a backup into an empty database, all of it or nothing, and bring that to the newest schema.

    The journal must prove itself: every entry has its hash, and all of them the root that the backup says. What was
    under way when the backup was made ends, since it may have been done since. Errors: `BackupError`, `DatabaseError`.
    """
    header, frames = _open(path)
    if header.schema > schema.LATEST:
        raise BackupError(
            f"{path} has schema {header.schema}, newer than {schema.LATEST}: install a newer Waypost"
        )
    with writing(engine, bound=LONG) as connection:
        if schema.current(connection) is not None:
            raise BackupError(
                "the database is not empty: a backup is put into a new one, so that nothing is lost; name another "
                "file or database in database.url"
            )
        schema.upgrade(connection, header.schema)
        loader = TableLoader(connection)
        loader.clear()
        rows = 0
        for frame in frames:
            if isinstance(frame, EndFrame):
                rows = frame.rows
            elif isinstance(frame, TableFrame):
                try:
                    loader.begin(frame)
                except LookupError:
                    raise BackupError(
                        f"{path} has a table that schema {header.schema} does not know"
                    ) from None
            else:
                loader.take(frame.rows)
        loader.end()
        require_whole(connection, path, header)
        batch = Batch()
        details = {"backup": header.made_at.isoformat(), "entries": header.entries}
        batch.record(Entry(action=Action.DATABASE_RESTORED, details=details))
        if header.schema != schema.LATEST:
            schema.upgrade(connection, "head")
            before, after = {"schema": header.schema}, {"schema": schema.LATEST}
            batch.record(Entry(action=Action.SCHEMA_MIGRATED, before=before, after=after))
        operations, promotions = settle(connection, batch, header.made_at)
        batch.append(connection)
        return Restored(header, rows, operations, promotions)


def _open(path: Path) -> tuple[BackupHeader, Iterator[Frame]]:
    frames = read_frames(path)
    header = next(frames)
    assert isinstance(header, BackupHeader), "it comes first"
    return header, frames  # type: ignore[return-value]
