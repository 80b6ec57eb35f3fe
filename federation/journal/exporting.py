"""Exports of the journal from the database, as streams of any size in constant memory.

The log only grows, so each page is read in a transaction of its own and none is held open while a slow reader
takes its time.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, select

from federation import tables
from federation.cloudevents import cloud_event
from federation.database import LONG, reading, writing
from federation.errors import UnavailableError
from federation.journal.checkpoints import newest_size
from federation.journal.commitments import Committed
from federation.journal.entry import Action, Entry
from federation.journal.export import ExportedCheckpoint, ExportedEntry, bundle_lines, export_lines
from federation.journal.log import Batch
from federation.journal.logkey import LogKey, read_log_keys, read_origin, read_witness_keys
from federation.journal.merkle import Frontier, consistency_proof, frontier_at, inclusion_proof
from federation.journal.proofs import tile_reader
from federation.journal.query import JournalFilter, Line, read_journal, read_rows
from federation.journal.tables import checkpoint, seal, witness
from federation.journal.verify import VerifierKey
from federation.spreadsheet import csv_row

PAGE = 1000
APART = 512
"""A whole export has a checkpoint about every so many entries, besides those that are needed."""
DIGITS = 20
"""Of a number of 64 bits."""


class NothingSignedError(UnavailableError):
    """There is no checkpoint yet, so an export would prove nothing."""

    code = "nothing-signed"
    retry_after = 1


class ExportCutError(UnavailableError):
    """Entries left the log for an archive while they were exported, so the export has a hole."""

    code = "not-exported"
    retry_after = 1


class Scope(NamedTuple):
    """What an export covers: entries `first` to `end` - 1, and the keys that vouch for them."""

    origin: str
    first: int
    end: int
    keys: list[VerifierKey]
    rotations: list[LogKey]


def whole_export(engine: Engine) -> Iterator[bytes]:
    """Every entry that still stands in the log, up to the newest checkpoint, as lines for the verifier.

    Errors: `NothingSignedError`.
    """
    with reading(engine, bound=LONG) as connection:
        scope = read_scope(connection)
        before = frontier_at(scope.first, tile_reader(connection)) if scope.first else Frontier()
        sizes = spread(connection, scope)
    yield from whole_lines(engine, scope.origin, scope.keys, before, scope.end, sizes)


def whole_lines(
    engine: Engine,
    origin: str,
    keys: Sequence[VerifierKey],
    before: Frontier,
    end: int,
    sizes: Iterable[int],
    *,
    values: bool = True,
) -> Iterator[bytes]:
    """The lines of a whole export with the checkpoints of these sizes."""
    rows = _pages(engine, JournalFilter(), before.size - 1, end)
    entries = (exported if values else replace(exported, values={}) for exported in rows)
    return export_lines(origin, keys, before, end, entries, _checkpoints(engine, sizes))


def bundle(engine: Engine, wanted: JournalFilter) -> Iterator[bytes]:
    """Some entries, each with its proof, and the checkpoints that carry trust from key to key.

    Errors: `NothingSignedError`.
    """
    with reading(engine, bound=LONG) as connection:
        scope = read_scope(connection, in_part=True)
        covering = {_covering(connection, rotation.seq) for rotation in scope.rotations}
    sizes = sorted({size for size in covering if size is not None} | {scope.end})
    rotations = [rotation.seq for rotation in scope.rotations]
    yield from bundle_lines(scope.origin, scope.keys, _parts(engine, wanted, sizes, rotations), scope.end)


def csv_export(engine: Engine, wanted: JournalFilter) -> Iterator[bytes]:
    """A table for spreadsheets; no cell is ever read as a formula."""
    yield csv_row(COLUMNS).encode()
    for line in _lines(engine, wanted):
        entry, values = line.recorded.entry, dict(line.values)
        cells = (
            line.recorded.seq, line.recorded.time, entry.actor, entry.action, entry.ref, entry.registry,
            line.summary, entry.before, entry.after, entry.not_before, entry.not_after, entry.request,
            values.pop("reason", None), values or None, dict(entry.details) or None, line.leaf_hash.hex(),
        )  # fmt: skip
        yield csv_row(cells).encode()


COLUMNS = (
    "seq", "time", "actor", "action", "ref", "registry", "summary", "before", "after", "not_before", "not_after",
    "request", "reason", "values", "details", "leaf_hash",
)  # fmt: skip


def cloud_events(engine: Engine, wanted: JournalFilter) -> Iterator[bytes]:
    """One CloudEvents 1.0 JSON object a line; `data` is the entry as it was hashed.

    `sequence` has a fixed width, because consumers order it as text.
    """
    with reading(engine, bound=LONG) as connection:
        origin = read_origin(connection)
    for line in _lines(engine, wanted):
        entry, number = line.recorded.entry, line.recorded.seq
        event = cloud_event(
            str(number), origin, entry.action, line.recorded.time, entry.ref, json.loads(line.entry),
            sequence=f"{number:0{DIGITS}d}",
        )  # fmt: skip
        yield json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _undisturbed(
    export: Callable[[Engine, JournalFilter], Iterator[bytes]], engine: Engine, wanted: JournalFilter
) -> Iterator[bytes]:
    """An export that fails at its end where entries were sealed meanwhile. Errors: `ExportCutError`."""
    with reading(engine, bound=LONG) as connection:
        before = _sealed(connection)
    yield from export(engine, wanted)
    with reading(engine, bound=LONG) as connection:
        if _sealed(connection) != before:
            raise ExportCutError("entries were moved into an archive during the export: export again")


def _sealed(connection: Connection) -> int:
    """How many of the first entries stand in archives."""
    return int(connection.execute(select(func.max(seal.c.size))).scalar() or 0)


_EXPORTS: dict[str, Callable[[Engine, JournalFilter], Iterator[bytes]]] = {
    "jsonl": lambda engine, wanted: (
        whole_export(engine) if wanted == JournalFilter() else bundle(engine, wanted)
    ),
    "csv": csv_export,
    "cloudevents": cloud_events,
}
FORMATS = {form: partial(_undisturbed, export) for form, export in _EXPORTS.items()}
"""Every format of an export. JSON Lines of everything is a whole export; of a part, entries with proofs."""


def record_export(
    engine: Engine, form: str, wanted: JournalFilter, *, actor: str, request: str | None = None
) -> None:
    """Record that somebody exports: who reads the log is in the log."""
    asked = {name: str(value) for name, value in asdict(wanted).items() if value is not None}
    details = {"format": form, **({"wanted": asked} if asked else {})}
    with writing(engine) as connection:
        batch = Batch()
        batch.record(Entry(action=Action.JOURNAL_EXPORTED, actor=actor, request=request, details=details))
        batch.append(connection)


def read_scope(connection: Connection, *, in_part: bool = False, end: int | None = None) -> Scope:
    """What an export up to `end` (None: the newest checkpoint) covers. Errors: `NothingSignedError`."""
    end = end or newest_size(connection)
    if not end:
        raise NothingSignedError(
            "nothing is signed yet: try again in a second; the gateway's log says why not"
        )
    first = 0 if in_part else _sealed(connection)
    announced = [found for found in read_log_keys(connection) if found.seq < end]
    rotations = [found for found in announced[1:] if found.seq >= first]
    keys = [found.key for found in announced if found not in rotations][-1:] + [r.key for r in rotations]
    return Scope(read_origin(connection), first, end, [*keys, *read_witness_keys(connection)], rotations)


def _covering(connection: Connection, seq: int) -> int | None:
    """The size of the first checkpoint that counts an entry."""
    query = select(func.min(checkpoint.c.size)).where(checkpoint.c.size > seq)
    found: int | None = connection.execute(query).scalar()
    return found


def spread(connection: Connection, scope: Scope) -> list[int]:
    """The checkpoints of a whole export: those needed for trust, and one about every 512 entries."""
    needed = {scope.end, *(_covering(connection, rotation.seq) for rotation in scope.rotations)}
    needed |= set(connection.execute(select(witness.c.size).where(witness.c.key != "")).scalars())
    query = (
        select(checkpoint.c.size)
        .where(checkpoint.c.size > scope.first, checkpoint.c.size <= scope.end)
        .order_by(checkpoint.c.size)
    )
    chosen, last = [], scope.first
    for size in connection.execute(query).scalars():
        if size in needed or size - last >= APART:
            chosen.append(size)
            last = size
    return chosen


def _checkpoints(engine: Engine, sizes: Iterable[int]) -> Iterator[ExportedCheckpoint]:
    for size in sizes:
        with reading(engine, bound=LONG) as connection:
            note = connection.execute(
                select(checkpoint.c.note).where(checkpoint.c.size == size)
            ).scalar_one_or_none()
        if note is not None:
            yield ExportedCheckpoint(size, note)


def _parts(
    engine: Engine, wanted: JournalFilter, sizes: Sequence[int], rotations: Sequence[int]
) -> Iterator[ExportedCheckpoint | ExportedEntry]:
    last = 0
    for point in _checkpoints(engine, sizes):
        with reading(engine, bound=LONG) as connection:
            proof = consistency_proof(last, point.size, tile_reader(connection))
        yield ExportedCheckpoint(point.size, point.note, proof)
        needed = [seq for seq in rotations if last <= seq < point.size]
        for entry in _merged(engine, wanted, last, point.size, needed):
            with reading(engine, bound=LONG) as connection:
                yield replace(entry, proof=inclusion_proof(entry.seq, point.size, tile_reader(connection)))
        last = point.size


def _merged(
    engine: Engine, wanted: JournalFilter, first: int, end: int, needed: list[int]
) -> Iterator[ExportedEntry]:
    """The wanted entries and those that announce keys, in order, none twice."""
    announced = iter(_pages(engine, JournalFilter(action=Action.KEY_ROTATED.value), first - 1, end))
    ahead = next(announced, None) if needed else None
    for entry in _pages(engine, wanted, first - 1, end):
        while ahead is not None and ahead.seq < entry.seq:
            yield ahead
            ahead = next(announced, None)
        if ahead is not None and ahead.seq == entry.seq:
            ahead = next(announced, None)
        yield entry
    while ahead is not None:
        yield ahead
        ahead = next(announced, None)


def _pages(engine: Engine, wanted: JournalFilter, after: int, end: int) -> Iterator[ExportedEntry]:
    while after < end - 1:
        with reading(engine, bound=LONG) as connection:
            rows = read_rows(connection, wanted, after=after, before=end, limit=PAGE)
            beside = _beside(connection, [row.seq for row in rows], rows)
        for row in rows:
            yield ExportedEntry(row.seq, row.entry, row.leaf_hash, beside.get(row.seq, {}))
        if not rows:
            return
        after = rows[-1].seq


def _beside(
    connection: Connection, seqs: Sequence[int], rows: Sequence[Any]
) -> dict[int, dict[str, Committed]]:
    """The withheld values that still stand, by entry and name."""
    asked: dict[bytes, tuple[int, str]] = {}
    for seq, row in zip(seqs, rows, strict=True):
        if b'"commitments":{' in row.entry:
            for name, digest in json.loads(row.entry).get("commitments", {}).items():
                asked[base64.b64decode(digest)] = (seq, name)
    found: dict[int, dict[str, Committed]] = {}
    if asked:
        query = select(tables.value).where(tables.value.c.commitment.in_(sorted(asked)))
        for row in connection.execute(query):
            seq, name = asked[row.commitment]
            found.setdefault(seq, {})[name] = Committed(row.value, row.salt, row.commitment)
    return found


def _lines(engine: Engine, wanted: JournalFilter) -> Iterator[Line]:
    with reading(engine, bound=LONG) as connection:
        end = int(connection.execute(select(tables.head.c.size)).scalar_one())
    after = -1
    while True:
        with reading(engine, bound=LONG) as connection:
            page = read_journal(connection, wanted, after=after, before=end, limit=PAGE)
        if not page:
            return
        yield from page
        after = page[-1].recorded.seq
