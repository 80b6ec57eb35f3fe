"""Reading the journal: by number, actor, action, reference, registry and time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from federation import tables
from federation.journal import entry as format_1


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilter:
    """Which entries are asked for; None asks for any. `ref` finds a model's versions and aliases as well."""

    actor: str | None = None
    action: str | None = None
    ref: str | None = None
    registry: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as the log has it. `values` are the withheld values that still stand beside it."""

    recorded: format_1.Recorded
    leaf_hash: bytes
    entry: bytes
    values: Mapping[str, str]

    @property
    def summary(self) -> str:
        """The entry in a few words."""
        return summarise(self.recorded.entry)


def read_journal(
    connection: Connection,
    wanted: JournalFilter,
    *,
    after: int = -1,
    limit: int = 100,
    newest_first: bool = False,
) -> list[Line]:
    """At most `limit` entries with a number above `after`, in order, or the newest ones first."""
    entries = tables.journal.c
    order = entries.seq.desc() if newest_first else entries.seq
    query = (
        select(entries.entry, entries.leaf_hash)
        .where(entries.seq > after, *_conditions(wanted))
        .order_by(order)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    recorded = [format_1.decode(row.entry) for row in rows]
    values = _values(connection, recorded)
    return [
        Line(
            found,
            row.leaf_hash,
            row.entry,
            {n: values[c] for n, c in found.entry.commitments.items() if c in values},
        )
        for found, row in zip(recorded, rows, strict=True)
    ]


def summarise(entry: format_1.Entry) -> str:
    """An entry in a few words, for people."""
    what = entry.ref or entry.registry or ""
    before, after = _plain(entry.before), _plain(entry.after)
    change = f" {before} → {after}" if before and after else f" {after or before}" if after or before else ""
    fields = entry.details.get("fields")
    told = f" ({', '.join(map(str, fields))})" if isinstance(fields, list) else ""
    counts = [f"{value} {name}" for name, value in entry.details.items() if isinstance(value, int)]
    told = told or (f" ({', '.join(counts)})" if counts and not change else "")
    return f"{entry.action} {what}{change}{told}".strip()


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            str(inner) for name, inner in value.items() if inner not in (None, "") and name != "reason"
        )
    return "" if value is None else str(value)


def _conditions(wanted: JournalFilter) -> list[ColumnElement[bool]]:
    entries = tables.journal.c
    found: list[ColumnElement[bool]] = []
    if wanted.actor is not None:
        found.append(entries.actor == wanted.actor)
    if wanted.action is not None:
        found.append(entries.action == wanted.action)
    if wanted.ref is not None:
        below = or_(*(entries.ref.startswith(wanted.ref + mark, autoescape=True) for mark in ":@"))
        found.append(or_(entries.ref == wanted.ref, below))
    if wanted.registry is not None:
        known = tables.registry.c
        found.append(entries.registry_id.in_(select(known.id).where(known.name == wanted.registry)))
    if wanted.since is not None:
        found.append(entries.time >= wanted.since)
    if wanted.until is not None:
        found.append(entries.time < wanted.until)
    return found


def _values(connection: Connection, recorded: list[format_1.Recorded]) -> dict[bytes, str]:
    asked = {digest for one in recorded for digest in one.entry.commitments.values()}
    if not asked:
        return {}
    stored = tables.value.c
    query = select(stored.commitment, stored.value).where(stored.commitment.in_(sorted(asked)))
    return {row.commitment: row.value for row in connection.execute(query)}
