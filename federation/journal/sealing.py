"""Retention: old entries move into an archive file that proves itself, instead of being deleted.

The archive is a whole export. Tiles, checkpoints and the entries that announce keys stay, so every proof and every
later export still holds. Withheld values never go into an archive: they stay beside the log, where they can be erased.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select

from federation import tables
from federation.database import LONG, DatabaseError, now, reading, writing
from federation.errors import UnavailableError
from federation.files import sync_folder
from federation.journal.entry import Action, Entry
from federation.journal.exporting import Scope, read_scope, spread, whole_lines
from federation.journal.log import Batch
from federation.journal.merkle import TILE_WIDTH, Frontier, frontier_at
from federation.journal.proofs import tile_reader
from federation.journal.tables import checkpoint, seal
from federation.journal.verify import verify_export
from federation.leases import FencedError, Lease, Leases
from federation.logs import Log

STAYING = (
    Action.JOURNAL_STARTED,
    Action.KEY_CREATED,
    Action.KEY_ROTATED,
    Action.WITNESS_ADDED,
    Action.JOURNAL_SEALED,
)

log = Log(__name__)
FOLLOWING = ("events",)
"""Followers that derive from the journal what must not be lost: what they have not taken in yet is not sealed."""
SEALING = "sealing"
"""The lease of whoever seals."""
ELSEWHERE = "another process is sealing as well: try again"
UNFINISHED = ".unfinished"
LEFT_SECONDS = 3600
SEAL_EVERY = 3600.0


class SealingError(UnavailableError):
    """Nothing was moved. One line with the reason."""

    code = "not-sealed"


class Sealed(NamedTuple):
    """Entries `first` to `end` - 1 stand in `file` now; `digest` is its SHA-256."""

    first: int
    end: int
    file: Path
    digest: bytes


@dataclass(slots=True)
class Sealer:
    """Moves entries that are older than `keep` into the archive, once an hour, as one of all gateways at a time."""

    engine: Engine
    folder: Path
    keep: timedelta
    _next: float = 0.0

    def step(self) -> bool:
        """A follower's step; there is never more to do at once. Errors: `SealingError`, `DatabaseError`."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SEAL_EVERY
            sealed = seal_before(self.engine, self.folder, now() - self.keep)
            if sealed is not None:
                log.info("old entries are sealed", file=str(sealed.file), entries=sealed.end - sealed.first)
        return False


def seal_before(engine: Engine, folder: Path, before: datetime, *, actor: str = "system") -> Sealed | None:
    """Move what was signed before a time into an archive; None where there is nothing to move.

    Errors: `SealingError`, `DatabaseError`.
    """
    with writing(engine) as connection:
        lease = Leases(secrets.token_hex(8)).take(
            connection, SEALING
        )  # two calls of one process are two as well
    if lease is None:
        raise SealingError(ELSEWHERE)
    try:
        return _seal(engine, folder, before, lease, actor)
    except FencedError:
        raise SealingError(ELSEWHERE) from None
    finally:
        with suppress(DatabaseError), writing(engine) as connection:
            lease.release(connection)


def _seal(engine: Engine, folder: Path, before: datetime, lease: Lease, actor: str) -> Sealed | None:
    """What `seal_before` does under its lease. Errors: `FencedError` too."""
    with reading(engine) as connection:
        end = _end(connection, before)
        if end is None:
            return None
        scope = read_scope(connection, end=end)
        start = frontier_at(scope.first, tile_reader(connection)) if scope.first else Frontier()
        sizes = spread(connection, scope)
    file = folder / f"{scope.origin}.{scope.first}-{scope.end - 1}.jsonl"
    # Whoever took over may be writing under the same name: the archive of the one that comes first must stand.
    draft = folder / f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}{UNFINISHED}"
    try:
        digest = _write(draft, engine, scope, start, sizes)
        report = verify_export(draft)
        if not report.ok or report.entries != scope.end - scope.first:
            raise SealingError("the archive does not verify, so nothing was moved", str(report.problem or ""))
        with writing(engine, bound=LONG) as connection:
            lease.hold(connection)
            _publish(draft, file)
            _move(connection, scope, file, digest, actor)
    finally:
        with suppress(OSError):
            draft.unlink()
    _tidy(folder, scope.origin)
    return Sealed(scope.first, scope.end, file, digest)


def _end(connection: Connection, before: datetime) -> int | None:
    """The size of the newest checkpoint of before that time whose last tile is full: its leaves are in tiles."""
    sealed = connection.execute(select(func.max(seal.c.size))).scalar() or 0
    followed = select(func.min(tables.follower.c.position)).where(tables.follower.c.name.in_(FOLLOWING))
    known = connection.execute(followed).scalar()
    log = connection.execute(select(tables.head.c.size)).scalar_one()
    query = (
        select(checkpoint.c.size)
        .where(checkpoint.c.size > sealed, checkpoint.c.time < before)
        .order_by(checkpoint.c.size.desc())
    )
    if known is not None:
        query = query.where(checkpoint.c.size <= known)
    for size in connection.execute(query).scalars():
        if -(-size // TILE_WIDTH) * TILE_WIDTH <= log:
            return int(size)
    return None


def _write(draft: Path, engine: Engine, scope: Scope, start: Frontier, sizes: list[int]) -> bytes:
    digest = hashlib.sha256()
    lines = whole_lines(engine, scope.origin, scope.keys, start, scope.end, sizes, values=False)
    with _said(draft):
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as out:
            for line in lines:
                digest.update(line)
                out.write(line)
            out.flush()
            os.fsync(out.fileno())
    return digest.digest()


def _publish(draft: Path, file: Path) -> None:
    """The archive is there, come what may, before an entry leaves the log."""
    with _said(file):
        draft.replace(file)
        sync_folder(file.parent)


@contextmanager
def _said(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        detail = f"{file}: {error.strerror}"
        raise SealingError("the archive cannot be written; nothing was moved", detail) from None


def _tidy(folder: Path, origin: str) -> None:
    """Remove what was left by processes that died long ago."""
    for draft in folder.glob(f".{origin}.*{UNFINISHED}"):
        with suppress(OSError):  # what was sealed stays sealed
            if time.time() - draft.stat().st_mtime > LEFT_SECONDS:
                draft.unlink()


def _move(connection: Connection, scope: Scope, file: Path, digest: bytes, actor: str) -> None:
    entries = tables.journal.c
    gone = delete(tables.journal).where(
        entries.seq >= scope.first,
        entries.seq < scope.end,
        entries.action.not_in([action.value for action in STAYING]),
    )
    connection.execute(gone)
    connection.execute(
        insert(seal).values(size=scope.end, first=scope.first, file=str(file), digest=digest, time=now())
    )
    batch = Batch()
    details = {"first": scope.first, "end": scope.end, "file": file.name, "sha256": digest.hex()}
    batch.record(Entry(action=Action.JOURNAL_SEALED, actor=actor, details=details))
    batch.append(connection)
