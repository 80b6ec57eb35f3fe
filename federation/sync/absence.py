"""Absence: from what a listing lacked to a tombstone.

A listing that lacks something makes it a candidate only: listings skip records, credentials lose permissions,
backends are restored empty. A tombstone needs the backend's own word that the record is gone (`get` says
`NotFoundError`). Many candidates at once are held until a person confirms them.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, select, true, update

from adapters import BadRecordError, Key, Kind, Listing, NotFoundError, Record, RejectedError
from federation import bulk, tables
from federation.catalogue.writer import TABLES
from federation.database import micros, now
from federation.sync.met import Seen

ALWAYS_BELIEVED = 10
"""So few absences are never held: each is proved one by one anyway."""
AT_ONCE = 1_000
"""Models whose versions one statement looks for, and ids in one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something known that a whole listing lacked."""

    kind: Kind
    id: int
    key: Key


def candidates(
    connection: Connection, registry_id: int, listings: Sequence[Listing], seen: Seen
) -> list[Candidate]:
    """What is known in the listed parts and was not met, models first. Versions of a missing model are left
    out: they go with it.
    """
    found: list[Candidate] = []
    missing_models: set[int] = set()
    for kind in ("model", "version", "endpoint"):
        target = TABLES[kind].c
        scopes = [listing.of for listing in listings if listing.kind == kind]
        if not scopes:
            continue
        living = target.registry_id == registry_id, target.deleted_at.is_(None)
        for condition in _of_these(connection, registry_id, kind, scopes):
            # Mostly nothing is missing: then nobody asks what it is called.
            ids = connection.execute(select(target.id).where(*living, condition)).scalars()
            missing = [id_ for id_ in ids if (kind, id_) not in seen]
            for row in _rows_of(connection, kind, missing):
                if kind != "version" or row.model_id not in missing_models:
                    found.append(Candidate(kind, row.id, Key(kind, row.native_id)))
                    if kind == "model":
                        missing_models.add(row.id)
    return found


def _rows_of(connection: Connection, kind: Kind, ids: Sequence[int]) -> Iterator[Row[Any]]:
    target = TABLES[kind].c
    query = select(target.id, target.native_id, *([target.model_id] if kind == "version" else []))
    for begin in range(0, len(ids), AT_ONCE):
        yield from connection.execute(query.where(target.id.in_(ids[begin : begin + AT_ONCE])))


def _of_these(
    connection: Connection, registry_id: int, kind: Kind, scopes: Sequence[Key | None]
) -> Iterator[ColumnElement[bool]]:
    """The conditions that something is in a listed part, one for each few models: a statement takes only so many
    values, and a scan may have listed the versions of more models than that.
    """
    if None in scopes:
        yield true()
        return
    natives = sorted({scope.native_id for scope in scopes if scope is not None})
    models = sorted(row[0] for row in bulk.find(connection, tables.model, ("id",), registry_id, natives))
    for begin in range(0, len(models), AT_ONCE):
        yield TABLES[kind].c.model_id.in_(models[begin : begin + AT_ONCE])


def set_apart(
    missing: Sequence[Candidate], confirmed: Container[tuple[str, int]], known: Mapping[str, int]
) -> tuple[list[Candidate], list[Candidate]]:
    """What of the missing is held until a person confirms it, and what the backend is asked for."""
    asked, unconfirmed = list[Candidate](), list[Candidate]()
    for one in missing:
        (asked if (one.kind, one.id) in confirmed else unconfirmed).append(one)
    return (unconfirmed, asked) if must_hold(unconfirmed, known) else ([], list(missing))


def must_hold(missing: Sequence[Candidate], known: Mapping[str, int]) -> bool:
    """Whether so much is missing at once that a person should look first: over a quarter of a kind, or all of it."""
    for kind in ("model", "version", "endpoint"):
        count, total = sum(candidate.kind == kind for candidate in missing), known.get(kind, 0)
        if count > max(ALWAYS_BELIEVED, total // 4) or (count == total and count > 1):
            return True
    return False


def counted(missing: Sequence[Candidate]) -> str:
    """How much this is, in words: `3 models with all versions, 1 endpoint`."""
    numbers = Counter(candidate.kind for candidate in missing)
    words: dict[Kind, str] = {"model": " with all versions", "version": "", "endpoint": ""}
    return ", ".join(
        f"{numbers[kind]} {kind}{'' if numbers[kind] == 1 else 's'}{more}"
        for kind, more in words.items()
        if numbers[kind]
    )


def prove(
    missing: Iterable[Candidate], get: Callable[[Key], Record]
) -> tuple[list[Candidate], list[Record], set[str]]:
    """Ask the backend for each: those it says are gone, the records of those it still has, and why others cannot be
    asked for, which proves nothing. Errors: `TransientError`.
    """
    gone: list[Candidate] = []
    there: list[Record] = []
    unproved: set[str] = set()
    for candidate in missing:
        try:
            there.append(get(candidate.key))
        except NotFoundError:
            gone.append(candidate)
        except (RejectedError, BadRecordError) as error:
            unproved.add(str(error))
    return gone, there, unproved


def store_held(connection: Connection, registry_id: int, missing: Sequence[Candidate]) -> int:
    """Make these the registry's candidates, keeping since when and whether confirmed. Returns how many are new."""
    held = tables.candidate.c
    known = {
        (row.kind, row.target_id)
        for row in connection.execute(select(tables.candidate).where(held.registry_id == registry_id))
    }
    wanted = {(candidate.kind, candidate.id) for candidate in missing}
    for kind, target_id in known - wanted:
        connection.execute(
            delete(tables.candidate).where(
                held.registry_id == registry_id, held.kind == kind, held.target_id == target_id
            )
        )
    new = sorted(wanted - known)
    rows = [(registry_id, kind, target_id, micros(now()), False) for kind, target_id in new]
    bulk.insert(
        connection, tables.candidate, ("registry_id", "kind", "target_id", "since", "confirmed"), rows
    )
    return len(new)


def waiting(connection: Connection, registry_id: int) -> dict[tuple[str, int], Row[Any]]:
    """The candidates that are held: since when, and whether a person has confirmed them."""
    query = select(tables.candidate).where(tables.candidate.c.registry_id == registry_id)
    return {(row.kind, row.target_id): row for row in connection.execute(query)}


def looked_before(
    connection: Connection, registry_id: int, since: datetime
) -> tuple[datetime | None, datetime | None]:
    """When the last look, and the last full one, began that still saw what has been missing since then; None when
    none is known.
    """
    runs = tables.sync.c
    query = select(func.max(runs.started_at), func.max(case((runs.full, runs.started_at)))).where(
        runs.registry_id == registry_id, runs.state.in_(("ok", "partial")), runs.finished_at < since
    )
    row = connection.execute(query).one()
    return row[0], row[1]


def confirm(connection: Connection, registry_id: int) -> int:
    """A person believes the held deletes; the next run proves each and writes the tombstones. Returns how many."""
    held = tables.candidate.c
    return connection.execute(
        update(tables.candidate)
        .where(held.registry_id == registry_id, held.confirmed.is_(False))
        .values(confirmed=True)
    ).rowcount


def known_counts(connection: Connection, registry_id: int) -> dict[str, int]:
    """How many models, versions and endpoints live in a registry."""
    counts: dict[str, int] = {}
    for kind, target in TABLES.items():
        query = select(func.count()).where(target.c.registry_id == registry_id, target.c.deleted_at.is_(None))
        counts[kind] = int(connection.execute(query).scalar_one())
    return counts
