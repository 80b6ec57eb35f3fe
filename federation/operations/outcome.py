"""What became of an operation, and writing it down: catalogue, journal, feed and row change in one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from adapters import Discovered, Key, Kind
from federation import bulk, tables
from federation.catalogue.codec import Encoded
from federation.catalogue.news import News
from federation.catalogue.origin import Origin
from federation.catalogue.rekeying import Succeeds
from federation.catalogue.writer import TABLES, CatalogueWriter
from federation.changes import Change
from federation.database import micros, now
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.operations.tables import operation
from federation.operations.wanted import from_json, told
from federation.policies import bypasses
from federation.references import Reference, encode_part
from federation.registries.opening import reading_of, rules_of

State = Literal["queued", "unknown", "ok", "partial", "failed"]
ENDED: frozenset[State] = frozenset({"ok", "partial", "failed"})
"""States in which nothing more is done."""


@dataclass(slots=True)
class Outcome:
    """How one operation stands after it was tried. `before` was read before, `after` back from the backend."""

    row: Row[Any]
    state: State = "queued"
    error: str | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    before: Encoded[Any] | None = None
    after: list[Encoded[Any]] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    """What the backend proved absent."""
    made: tuple[str, str] | None = None
    """Model and version that were registered."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The present native id of a model that was renamed, by the former one."""
    succeeds: Succeeds | None = None
    """Of a rename: which version of the model is which."""
    is_given_up: bool = False
    """It stays unknown: nobody asks any more."""

    def succeed(self) -> None:
        """It is as it was wanted."""
        self.state = "ok"

    def fail(self, error: str) -> None:
        """It was not done, and will not be."""
        self.state, self.error = "failed", error

    def part(self, error: str) -> None:
        """A part of it was made, and no more will be."""
        self.state, self.error = "partial", error

    def wait(self, due_at: datetime) -> None:
        """It was not sent, and is tried again."""
        self.state, self.due_at = "queued", due_at

    def leave_unknown(self, error: str, due_at: datetime) -> None:
        """It was sent, and nobody knows what became of it; the backend is asked later."""
        self.state, self.error, self.due_at = "unknown", error, due_at

    def give_up(self, error: str) -> None:
        """Nobody knows what became of it, and it is not asked for again."""
        self.state, self.error, self.is_given_up = "unknown", error, True

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to do."""
        return self.is_given_up or self.state in ENDED


def write_outcomes(
    connection: Connection, registry: Row[Any], outcomes: Sequence[Outcome], adapters: Discovered
) -> None:
    """Write how operations stand; the last thing a transaction does, after the registry was locked."""
    batch, at = Batch(), now()
    rules, reading = rules_of(registry, adapters), reading_of(registry, adapters)

    def take_in(
        records: Sequence[Encoded[Any]],
        gone: Sequence[Key],
        actor: str | None,
        after: datetime | None,
        rename: Outcome | None = None,
    ) -> None:
        if records or gone:
            origin = Origin(
                registry.id, registry.name, rules, by=at, after=after, actor=actor, reading=reading
            )
            writer = CatalogueWriter(connection, origin)
            writer.news = News(origin, batch)
            if rename is not None:
                writer.renamed, writer.succeeds = rename.renamed, rename.succeeds
            writer.write(records)
            _delete(writer, gone)

    # What others had changed before is told first, so that it is not told as done by who asked.
    seen = [one.before for one in outcomes if one.before is not None]
    missing = [key for one in outcomes for key in one.gone if not _is_ours(one)]
    take_in(seen, missing, None, registry.last_success_at)
    by_actor = sorted(outcomes, key=lambda one: (one.row.actor, one.row.id))
    for actor, group in groupby(by_actor, key=lambda one: str(one.row.actor)):
        mine = list(group)
        began = min((one.started_at for one in mine if one.started_at is not None), default=at)
        removed = [key for one in mine for key in one.gone if _is_ours(one)]
        renames = [one for one in mine if one.succeeds is not None]
        for one in renames:  # each by itself: what follows may speak of what it names
            take_in(one.after, (), actor, began, one)
        others = [record for one in mine if one.succeeds is None for record in one.after]
        take_in(others, removed, actor, began)
    bypasses.note(connection, registry.id, batch)
    targets = {one.row.id: _target(connection, registry, one) for one in outcomes}
    for one in outcomes:
        _tell(batch, registry, one)
        target = targets[one.row.id]
        if target is not None and one.state in ("ok", "partial"):  # it is found by who changed it
            batch.change(Change(one.row.target_kind, target, registry.id))
    position = batch.append(connection) if batch.entries or batch.changes else 0
    _store(connection, registry, outcomes, position, at, targets)


def abandon(connection: Connection, batch: Batch, reason: str) -> int:
    """Give up every operation that has not ended. `batch` is appended by the caller. Returns how many there were."""
    known = {row.id: row for row in connection.execute(select(tables.registry))}
    query = select(operation).where(operation.c.finished_at.is_(None)).order_by(operation.c.id)
    outcomes = [Outcome(row) for row in connection.execute(query)]
    for one in outcomes:
        one.give_up(reason)
        _tell(batch, known[one.row.registry_id], one)
        _store(connection, known[one.row.registry_id], [one], 0, now())
    return len(outcomes)


def _is_ours(outcome: Outcome) -> bool:
    """Whether what is gone went because of this operation."""
    return outcome.state == "ok" and outcome.started_at is not None


def _delete(writer: CatalogueWriter, gone: Sequence[Key]) -> None:
    kinds: tuple[Kind, ...] = ("version", "model")
    for kind in kinds:
        natives = [key.native_id for key in gone if key.kind == kind]
        if natives:
            target = TABLES[kind].c
            query = select(target.id).where(
                target.registry_id == writer.origin.registry_id, target.native_id.in_(natives)
            )
            writer.delete(kind, writer.connection.execute(query).scalars())


def _tell(batch: Batch, registry: Row[Any], one: Outcome) -> None:
    row = one.row
    if one.state == "queued" or (one.state == row.state == "unknown" and not one.ended):
        return
    plain, _ = told(from_json(row.wanted))
    action = {
        "ok": Action.OPERATION_SUCCEEDED,
        "partial": Action.OPERATION_PARTIAL,
        "failed": Action.OPERATION_FAILED,
        "unknown": Action.OPERATION_UNKNOWN,
    }[one.state]
    if one.ended and row.state != "queued":
        action = Action.OPERATION_SETTLED
    batch.record(
        Entry(
            action=action,
            actor=row.actor,
            ref=_made(registry, one) or row.ref,
            registry=registry.name,
            targets={} if row.target_id is None else {row.target_kind: row.target_id},
            details={"operation": row.id, "kind": row.kind, "state": one.state, **plain},
            # A backend's words may name people.
            commitments=batch.withhold({"error": one.error}),
        ),
        registry.id,
    )


def _target(connection: Connection, registry: Row[Any], one: Outcome) -> int | None:
    """What it was about: of what made a model, that model."""
    row, known = one.row, tables.model.c
    if row.target_id is not None or row.target_kind != "model" or one.state not in ("ok", "partial"):
        return None if row.target_id is None else int(row.target_id)
    query = select(known.id).where(
        known.registry_id == registry.id, known.name == encode_part(row.native_id), known.deleted_at.is_(None)
    )
    found: int | None = connection.execute(query).scalar()
    return found


def _made(registry: Row[Any], one: Outcome) -> str | None:
    return None if one.made is None else str(Reference(registry.name, *one.made))


def _store(
    connection: Connection,
    registry: Row[Any],
    outcomes: Sequence[Outcome],
    position: int,
    at: datetime,
    targets: Mapping[int, int | None] = MappingProxyType({}),
) -> None:
    bulk.update(
        connection,
        operation,
        ("state", "error", "finished_at", "position", "made", "started_at", "target_id"),
        [
            (
                one.state,
                one.error,
                micros(at),
                position,
                _made(registry, one),
                _began(one),
                targets.get(one.row.id, one.row.target_id),
                one.row.id,
            )
            for one in outcomes
            if one.ended
        ],
    )
    bulk.update(
        connection,
        operation,
        ("state", "error", "due_at", "tries"),
        [
            (one.state, one.error, micros(one.due_at or at), one.row.tries + 1, one.row.id)
            for one in outcomes
            if not one.ended
        ],
    )


def _began(one: Outcome) -> int | None:
    began = one.started_at or one.row.started_at
    return None if began is None else micros(began)
