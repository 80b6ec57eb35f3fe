"""The face of sharing: the whole records of one registry, all of them or those that changed, as one caller may see it.

What is handed out is what the catalogue holds: records as their backend gave them, the stage that they have here and
why, and what they need as whole references, so that nobody has to know how this gateway reads one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, func, select

from adapters import EndpointRecord, Key, Kind, ModelRecord
from federation import changes, tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.reader import VERSION, Version, as_version
from federation.changes import FeedTrimmedError
from federation.database import now, reading
from federation.errors import InvalidRequestError, UnknownError
from federation.positions import Positions
from federation.registries.states import registry_state
from federation.registry_names import find_registry
from federation.sharing.needs import StatedNeed, read_needs

__all__ = ["SharedPage", "SharedVersion", "Sharing", "SinceTooOldError", "StatedNeed"]
KINDS: tuple[Kind, ...] = ("model", "version", "endpoint")
MOST_CHARACTERS = 4 << 20
"""Of the records of one page, in the JSON that the catalogue keeps; one record is given whatever it has."""
KEPT = timedelta(days=2)
"""How long a `since` counts. Changes are kept for longer, whatever else changed meanwhile: so that it has ended tells
nothing of what a caller may not see.
"""
_HOUR, _BITS = timedelta(hours=1), 42
"""A `since` is sealed as the hour in which it was given out and, in the lowest bits, a position."""


class SinceTooOldError(InvalidRequestError):
    """What changed since then is not known any more, or it was not given out for this registry."""

    code = "since-too-old"

    def __init__(self) -> None:
        super().__init__("`since` was not given out for this registry within two days: read everything again")


class SharedVersion(NamedTuple):
    """A version and what it needs, by whole references."""

    version: Version
    needs: Sequence[StatedNeed]


@dataclass(frozen=True, slots=True)
class SharedPage:
    """A part of the records of a registry, models first, and what is known to be gone.

    `since` asks for what changed after this answer, `after` goes on in the listing, `more` says that there is more of
    what was asked for: behind `after`, or since `since`.
    """

    registry: str
    state: str
    last_success_at: datetime | None
    models: Sequence[ModelRecord]
    versions: Sequence[SharedVersion]
    endpoints: Sequence[EndpointRecord]
    gone: Sequence[Key]
    since: str
    after: Key | None = None
    more: bool = False


class _SharedRow(NamedTuple):
    """A row that is to be read, and how large it is."""

    kind: Kind
    id: int
    native: str
    size: int
    position: int = 0


class Sharing:
    """The records of a registry as another gateway reads them. Reads only; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def every(self, view: View, name: str, after: Key | None, limit: int) -> SharedPage:
        """Living records behind a key, by kind and native id, at most `limit`. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            registry = _registry(connection, view, name)
            # Before anything is read: what changes meanwhile comes again.
            since = self._seal(registry, changes.newest(connection))
            found: list[_SharedRow] = []
            for kind in KINDS[KINDS.index(after.kind) if after else 0 :]:
                behind = after.native_id if after is not None and after.kind == kind else None
                found += _living(connection, registry.id, kind, behind, limit + 1 - len(found))
            taken = _that_fit(found[:limit])
            more = len(taken) < len(found)
            last = Key(taken[-1].kind, taken[-1].native) if more else None
            return _page(connection, registry, taken, since=since, after=last, more=more)

    def changed(self, view: View, name: str, since: str, limit: int) -> SharedPage:
        """What of a registry may have changed since an answer. Errors: `UnknownError`, `SinceTooOldError`."""
        with reading(self._engine) as connection:
            registry = _registry(connection, view, name)
            position, newest = self._open(registry, since), changes.newest(connection)
            try:
                changes.after(connection, position, 1)
            except FeedTrimmedError:
                raise SinceTooOldError from None
            feed = tables.change.c
            query = (
                select(feed.kind, feed.target_id, feed.position)
                .where(feed.position > position, feed.registry_id == registry.id, feed.kind.in_(KINDS))
                .order_by(feed.position)
                .limit(limit + 1)
            )
            rows = connection.execute(query).all()
            found = _that_fit(_sized(connection, rows[:limit]))
            more = len(found) < len(rows)
            sealed = self._seal(registry, found[-1].position if more else max(newest, position))
            return _page(connection, registry, found, since=sealed, more=more)

    def one(self, view: View, name: str, key: Key) -> SharedPage:
        """One record, in a page of its own; a page without any proves that the registry has it not.

        Errors: `UnknownError`.
        """
        with reading(self._engine) as connection:
            registry = _registry(connection, view, name)
            target = tables.RECORDS[key.kind].c
            query = select(target.id).where(
                target.registry_id == registry.id,
                target.native_id == key.native_id,
                target.deleted_at.is_(None),
            )
            found = [_SharedRow(key.kind, row.id, key.native_id, 0) for row in connection.execute(query)]
            return _page(connection, registry, found, since="")

    def _seal(self, registry: Row[Any], position: int) -> str:
        hour = int(now().timestamp() // _HOUR.total_seconds())
        return self._positions(registry).seal(hour << _BITS | position)

    def _open(self, registry: Row[Any], since: str) -> int:
        opened = self._positions(registry).open(since)
        if opened is None:
            raise SinceTooOldError
        hour, position = opened >> _BITS, opened & (1 << _BITS) - 1
        if now().timestamp() - hour * _HOUR.total_seconds() > KEPT.total_seconds():
            raise SinceTooOldError
        return position

    def _positions(self, registry: Row[Any]) -> Positions:
        return Positions(self._engine, b"records of %d" % registry.id)


def _registry(connection: Connection, view: View, name: str) -> Row[Any]:
    known = find_registry(connection, view, name)
    if known is None:
        raise UnknownError()
    return connection.execute(select(tables.registry).where(tables.registry.c.id == known)).one()


def _size(kind: Kind) -> ColumnElement[int]:
    columns = tables.RECORDS[kind].c
    details = func.coalesce(func.length(columns.details), 0) if kind == "version" else 0
    return func.length(columns.body) + details


def _living(
    connection: Connection, registry_id: int, kind: Kind, behind: str | None, most: int
) -> list[_SharedRow]:
    columns = tables.RECORDS[kind].c
    query = (
        select(columns.id, columns.native_id, _size(kind).label("size"))
        .where(columns.registry_id == registry_id, columns.deleted_at.is_(None))
        .order_by(columns.native_id)
        .limit(max(most, 0))
    )
    if behind is not None:
        query = query.where(columns.native_id > behind)
    if kind == "version":  # of one whose model is gone nothing is known that counts
        query = query.join(tables.model, tables.model.c.id == columns.model_id).where(
            tables.model.c.deleted_at.is_(None)
        )
    return [_SharedRow(kind, row.id, row.native_id, row.size) for row in connection.execute(query)]


def _sized(connection: Connection, rows: Sequence[Any]) -> list[_SharedRow]:
    """Each changed row once, where it stands first in the feed, in that order."""
    wanted: dict[tuple[Kind, int], int] = {}
    sizes: dict[tuple[str, int], Row[Any]] = {}
    for kind in KINDS:
        columns = tables.RECORDS[kind].c
        ids = {row.target_id for row in rows if row.kind == kind}
        query = select(columns.id, columns.native_id, _size(kind).label("size")).where(columns.id.in_(ids))
        sizes |= {(kind, row.id): row for row in (connection.execute(query) if ids else ())}
    found = []
    for row in rows:
        known = sizes.get((row.kind, row.target_id))
        size = 0 if known is None or (row.kind, row.target_id) in wanted else known.size
        wanted[row.kind, row.target_id] = row.position
        native = "" if known is None else known.native_id
        found.append(_SharedRow(row.kind, row.target_id, native, size, row.position))
    return found


def _that_fit(found: Sequence[_SharedRow]) -> Sequence[_SharedRow]:
    room = MOST_CHARACTERS
    for number, place in enumerate(found):
        room -= place.size
        if room < 0 and number:
            return found[:number]
    return found


def _page(
    connection: Connection,
    registry: Row[Any],
    wanted: Sequence[_SharedRow],
    *,
    since: str,
    after: Key | None = None,
    more: bool = False,
) -> SharedPage:
    ids = {kind: {one.id for one in wanted if one.kind == kind} for kind in KINDS}
    gone: list[Key] = []

    def rows(kind: Kind, query: Select[Any]) -> list[Row[Any]]:
        """Those that live; what is gone is noted."""
        columns = tables.RECORDS[kind].c
        found = connection.execute(query.where(columns.id.in_(ids[kind]))).all() if ids[kind] else []
        gone.extend(Key(kind, row.native_id) for row in found if row.deleted_at is not None)
        return sorted((row for row in found if row.deleted_at is None), key=lambda row: str(row.native_id))

    models = [codec.decode_model(row.body) for row in rows("model", select(tables.model))]
    versions = [as_version(row) for row in rows("version", VERSION)]
    endpoints = [codec.decode_endpoint(row.body) for row in rows("endpoint", select(tables.endpoint))]
    needs: Mapping[int, Sequence[StatedNeed]] = read_needs(connection, registry.id, registry.name, versions)
    return SharedPage(
        registry=registry.name,
        state=registry_state(registry, now()),
        last_success_at=registry.last_success_at,
        models=models,
        versions=[SharedVersion(one, needs.get(one.id, ())) for one in versions],
        endpoints=endpoints,
        gone=gone,
        since=since,
        after=after,
        more=more,
    )
