"""Taking in a page of a scan: what can be believed at once, then what the backend says when it is asked."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from adapters import BadRecordError, Deleted, Key, Page, Record, VersionRecord
from federation.catalogue import codec, unread
from federation.catalogue.codec import Encoded
from federation.catalogue.writer import TABLES, CatalogueWriter
from federation.database import reading
from federation.statements.attached import keep_attached
from federation.sync import quarantine, renames
from federation.sync.context import CurrentRun
from federation.sync.doubts import Doubts, ask


def take(this: CurrentRun, page: Page, known: int) -> None:
    """Write a page that was fetched when `known` was the newest change position, or later."""
    encoded, bad, gone = sort_out(page, this.context.stopping)
    with reading(this.context.engine) as connection:
        aside = quarantine.waiting(connection, this.registry.id)
        in_part = unread.waiting(connection, this.registry.id) if this.may_be_unread else {}
    waiting = {**in_part, **aside}
    back = [
        one
        for one in (encoded if waiting else ())
        if not (waiting.keys() if one.record.unread is None else aside.keys()).isdisjoint(
            _natives(one.record)
        )
    ]
    this.renamed = renames.found(this, encoded)
    if back:
        chosen = {one.record.key for one in back}
        _believe(this, _PagePart([one for one in encoded if one.record.key not in chosen], bad, known))
        encoded, bad = back, []
    _believe(this, _PagePart(encoded, bad, known, gone, min(waiting.values()) if back else None, page))


class _PagePart(NamedTuple):
    """Records that are written together. With `page` they are the last of it: the run goes on behind it."""

    encoded: list[Encoded[Any]]
    bad: list[BadRecordError]
    known: int
    gone: Sequence[Key] = ()
    missed_since: datetime | None = None
    page: Page | None = None


def _believe(this: CurrentRun, part: _PagePart) -> None:
    """Write what can be believed at once, then what the backend says when it is asked about the rest."""
    doubts = Doubts()
    with this.chunk(missed_since=part.missed_since) as writer:
        _write(this, writer, part, doubts)
        for kind, target in TABLES.items():
            natives = [key.native_id for key in part.gone if key.kind == kind]
            if natives:
                query = select(target.c.id).where(
                    target.c.registry_id == this.registry.id, target.c.native_id.in_(natives)
                )
                writer.delete(kind, writer.connection.execute(query).scalars())
        if part.page is not None and not doubts:
            _end(this, writer, part.page)
    if doubts:
        answers = ask(this, doubts)
        answered = Page(tuple(answers.records), bad=tuple(answers.bad))
        encoded, bad, _ = sort_out(answered, this.context.stopping)
        with this.chunk(missed_since=part.missed_since) as writer:
            _write(this, writer, part._replace(encoded=[*encoded, *answers.orphans], bad=bad))
            if part.page is not None:
                _end(this, writer, part.page)


def _end(this: CurrentRun, writer: CatalogueWriter, page: Page) -> None:
    """The records of a page are written: what is attached to versions is kept, and the run goes on behind the page."""
    keep_attached(writer.connection, writer.batch, this.registry.id, page.attached)
    this.go_on(page)


def _natives(record: Record) -> list[str]:
    """The record and, of a version, its model: while that is in quarantine the version is, too."""
    model = [record.model.native_id] if isinstance(record, VersionRecord) else []
    return [record.key.native_id, *model]


def _write(this: CurrentRun, writer: CatalogueWriter, part: _PagePart, doubts: Doubts | None = None) -> None:
    """Write records; what a listing cannot be believed in goes into `doubts`. Without those it was asked for."""
    bad = part.bad
    writer.renamed = this.renamed
    taken = this.current(writer, part.encoded, part.known)
    writer.write(taken, listed=doubts is not None)
    # What was read apart from this run may have changed since then, before it was listed.
    this.left_out |= len(taken) < len(part.encoded)
    if doubts is None:
        bad = [*bad, *(_orphaned(one.record) for one in writer.orphans)]
    else:
        doubts.lacking |= writer.doubtful
        doubts.orphans += writer.orphans
    left = {one.record.key for one in writer.orphans}
    good = [one.record.key.native_id for one in part.encoded if one.record.key not in left]
    set_aside(this, writer, bad, good)
    # Endpoints are listed whole by every scan, from whatever watermark.
    this.has_unread |= any(one.record.unread for one in part.encoded)
    this.left_out |= any(one.record.unread for one in part.encoded if one.record.key.kind != "endpoint")


def _orphaned(record: VersionRecord) -> BadRecordError:
    message = f"version {record.version!a} belongs to a model that was not listed"
    return BadRecordError(message, native=record.key.native_id)


def sort_out(
    page: Page, stopping: Callable[[], bool]
) -> tuple[list[Encoded[Any]], list[BadRecordError], list[Key]]:
    """The records of a page, checked and encoded, those that are bad, and the keys of what is gone."""
    encoded: list[Encoded[Any]] = []
    bad = list(page.bad)
    gone: list[Key] = []
    for record in page.records:
        if isinstance(record, Deleted):
            if codec.is_native_id(record.key.native_id):
                gone.append(record.key)
            continue
        try:
            encoded.append(codec.encode(record, stopping))
        except BadRecordError as error:
            # Where it was raised would hold the whole page, and this list itself: until the collector comes round.
            error.__context__ = None
            bad.append(error.with_traceback(None))
    return encoded, bad, gone


def set_aside(this: CurrentRun, writer: CatalogueWriter, bad: list[BadRecordError], good: list[str]) -> None:
    """Put bad records into quarantine; those that could be read (`good`, native ids) leave it."""
    this.errors += [str(error) for error in bad]
    this.left_out |= bool(bad)
    this.counts["quarantined"] += quarantine.keep(writer, bad, good)
