"""What listings do not carry of a version (its schema, framework, software) is read one by one, newest version first,
after the run that found the versions.

It is a queue: what could not be read keeps its reason, is unknown until then, and is asked for again after a pause that
doubles, when its record changes, or when a full run is asked for. One that fails keeps no other waiting. A version at
which the worker died is asked for alone the next time, and set aside when it dies there again. Who reads gives way to
the next run, which asks the same backend.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine, Row, case, or_, select, update

from adapters import Adapter, AdapterError, BadRecordError, Details, TransientError, VersionRecord
from federation import bulk, tables
from federation.catalogue import codec
from federation.changes import Change
from federation.database import micros, now, reading, writing
from federation.journal.log import Batch
from federation.logs import Log
from federation.registries.calls import StoppedError
from federation.registries.connections import OpenAdapter
from federation.sync.context import SyncContext
from federation.sync.outcome import tell_unknown

log = Log(__name__)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(days=1)
UNREADABLE_PAUSE = timedelta(days=7)
"""How long a file that cannot be read, or at which the worker died, is left alone while its version stays as it is."""
CLAIMED = timedelta(minutes=2)
"""How long what a worker has begun is left to it."""
AT_ONCE = 8
"""So many are handed to the thread that calls the adapter in one go: handing over costs as much as a small file."""
MOST_IN_A_ROW = 10
"""So many failures of one after another are the backend's: the rest waits for the next run."""
DEATHS = 2
DIED = "the worker died twice while its files were read: they are left alone; `sync --full` asks again"
_versions = tables.version.c


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of one version: its details as JSON; why they or a part of them are unknown, how long that stands."""

    id: int
    tries: int = 0
    details: str | None = None
    unknown: str | None = None
    pause: timedelta = timedelta(0)


def ask_again(engine: Engine, registry_id: int) -> None:
    """Let those that failed be asked for at the next occasion, whatever their pause."""
    begun = case((_versions.details_begun > 1, 1), else_=_versions.details_begun)
    with writing(engine) as connection:
        connection.execute(
            update(tables.version)
            .where(_versions.registry_id == registry_id, _versions.details_due.is_not(None))
            .values(details_due=None, details_begun=begun)
        )


def read_details(
    context: SyncContext, registry_id: int, limit: int, *, is_enough: Callable[[], bool] = lambda: False
) -> int:
    """Read, newest first, the details that listings do not carry. Returns how many versions were looked at.

    `is_enough` is asked after each few versions: whether to leave the rest to the next time.
    """
    with reading(context.engine) as connection:
        registry = connection.execute(
            select(tables.registry).where(tables.registry.c.id == registry_id)
        ).one()
    with context.connections.to(registry) as connection:
        if not type(connection.adapter).reads_details():
            return 0
        return _read_due(context, connection, registry_id, limit, is_enough)


def _read_due(
    context: SyncContext,
    connection: OpenAdapter,
    registry_id: int,
    limit: int,
    is_enough: Callable[[], bool],
) -> int:
    rows = _due(context.engine, registry_id, limit)
    dead = [row for row in rows if row.details_begun >= DEATHS]
    alone = [row for row in rows if row.details_begun and row not in dead]
    together = [row for row in rows if not row.details_begun]
    looked = [_Read(row.id, row.details_tries, unknown=DIED, pause=UNREADABLE_PAUSE) for row in dead]
    _write(context, registry_id, looked)
    for batch in (*([row] for row in alone), together):
        _begin(context.engine, batch)
        found = _read(connection, batch, is_enough, context.stopping)
        left = [row.id for row in batch[len(found) :]]
        _write(context, registry_id, found, left=left)
        looked += found
        if left or is_enough() or context.stopping():
            break
    if rows:
        tell_unknown(context, registry_id)
    return len(looked)


def _due(engine: Engine, registry_id: int, limit: int) -> list[Row[Any]]:
    """The versions whose turn it is: those never asked for first."""
    is_due = or_(_versions.details_due.is_(None), _versions.details_due <= now())
    query = select(
        _versions.id,
        _versions.native_id,
        _versions.body,
        _versions.details,
        _versions.details_tries,
        _versions.details_begun,
        _versions.details_due,
    ).where(
        _versions.registry_id == registry_id,
        _versions.deleted_at.is_(None),
        _versions.details_read.is_(False),
        is_due,
    )
    query = query.order_by(_versions.details_tries, _versions.id.desc()).limit(limit)
    with reading(engine) as connection:
        return list(connection.execute(query))


def _begin(engine: Engine, rows: Sequence[Row[Any]]) -> None:
    """Keep what is being read: if the worker dies of it, the next one knows."""
    if rows:
        claimed = micros(now() + CLAIMED)
        with writing(engine) as connection:
            bulk.update(
                connection,
                tables.version,
                ("details_begun", "details_due"),
                [(row.details_begun + 1, claimed, row.id) for row in rows],
            )


def _read(
    connection: OpenAdapter,
    rows: Sequence[Row[Any]],
    is_enough: Callable[[], bool],
    stopping: Callable[[], bool],
) -> list[_Read]:
    """What the adapter says of each in turn, until it is enough or the backend as a whole does not answer."""
    found: list[_Read] = []
    in_a_row = 0
    while len(found) < len(rows) and in_a_row < MOST_IN_A_ROW and not (found and is_enough()):
        some = rows[len(found) : len(found) + AT_ONCE]
        try:
            answers = _ask(connection, some, stopping)
        except StoppedError:
            return found
        for row, answer in zip(some, answers, strict=False):
            in_a_row = in_a_row + 1 if isinstance(answer, TransientError) else 0
            if isinstance(answer, TransientError) and answer.retry_after is not None:
                return found
            found.append(_kept(connection.registry, row, answer))
    return found


def _ask(
    connection: OpenAdapter, rows: Sequence[Row[Any]], stopping: Callable[[], bool]
) -> list[Details | AdapterError]:
    """The details of each, one call after the other; fewer where one of them failed for now."""
    records = [codec.decode_version(row.body) for row in rows]
    return connection.call_each([("details", partial(_details, record)) for record in records], stopping)


def _details(version: VersionRecord, adapter: Adapter) -> Details:
    return adapter.details(version)


def _kept(name: str, row: Row[Any], answer: Details | AdapterError) -> _Read:
    """What an answer says of a version."""
    pause = min(FIRST_PAUSE * 2 ** min(row.details_tries, 20), LONGEST_PAUSE)
    if isinstance(answer, AdapterError):
        pause = UNREADABLE_PAUSE if isinstance(answer, BadRecordError) else pause
        log.warning("details unknown", registry=name, version=row.native_id, error=str(answer))
        return _Read(row.id, row.details_tries + 1, unknown=str(answer), pause=pause)
    said, unread = codec.encode_details(answer)
    if unread is not None:
        return _Read(row.id, row.details_tries + 1, row.details or said, unread, pause)
    return _Read(row.id, details=said)


def _write(
    context: SyncContext, registry_id: int, found: Sequence[_Read], *, left: Sequence[int] = ()
) -> None:
    """Keep what came of them; those that were begun and `left` wait for the next run."""
    at = now()
    state = ("details_read", "details_unknown", "details_tries", "details_due", "details_begun")
    read = [(one.details, True, None, 0, None, 0, one.id) for one in found if one.unknown is None]
    unknown = [
        (False, one.unknown, one.tries, micros(at + one.pause), 0, one.id)
        for one in found
        if one.unknown is not None
    ]
    with writing(context.engine) as connection:
        bulk.update(connection, tables.version, ("details", *state), read)
        bulk.update(connection, tables.version, state, unknown)
        some = [(one.details, one.id) for one in found if one.unknown is not None and one.details is not None]
        bulk.update(connection, tables.version, ("details",), some)
        if left:
            unreached = update(tables.version).where(_versions.id.in_(left))
            connection.execute(unreached.values(details_begun=0, details_due=None))
        batch = Batch()
        for one in found:
            if one.details is not None or one.unknown is not None:
                batch.change(Change("version", one.id, registry_id))
        if batch.changes:
            batch.append(connection)
    context.wrote()
