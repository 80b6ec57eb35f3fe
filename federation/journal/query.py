"""Reading the journal: by number, actor, action, reference, registry, team and time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select

from federation import tables
from federation.journal import entry as format_1
from federation.prepared import COMPILED, Prepared, among, beginning, begins_as

ENTRIES = tables.journal.c
MOST_BYTES = 8 << 20
"""Of entries that are read at once. That of an import names all that it took in: a thousand of them were a gigabyte."""
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilter:
    """Which entries are asked for; None asks for any. `ref` finds a model's versions and aliases as well."""

    actor: str | None = None
    """Their id, or several ids with commas between."""
    action: str | None = None
    ref: str | None = None
    registry: str | None = None
    team: str | None = None
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
        return self.told({})

    def told(self, names: Mapping[str, str]) -> str:
        """The same with what people and tokens are called, by their ids, and with what is withheld and still stands."""
        return summarise(self.recorded.entry, self.values, names)


def read_journal(
    connection: Connection,
    wanted: JournalFilter,
    *,
    after: int = -1,
    before: int | None = None,
    limit: int = 100,
    newest_first: bool = False,
) -> list[Line]:
    """At most `limit` entries with a number above `after` and under `before`, in order, or the newest first, as far as
    those before each fill less than `MOST_BYTES`.
    """
    rows = read_rows(connection, wanted, after=after, before=before, limit=limit, newest_first=newest_first)
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


def read_rows(
    connection: Connection,
    wanted: JournalFilter,
    *,
    after: int = -1,
    before: int | None = None,
    limit: int = 100,
    newest_first: bool = False,
) -> Sequence[Any]:
    """The same as they are stored: rows of `seq`, `entry` and `leaf_hash`."""
    given = {name: value for name, value in asdict(wanted).items() if value is not None} | {"after": after}
    if before is not None:
        given["before"] = before
    chosen = _chosen(frozenset(given), newest_first)
    if wanted.actor is not None:
        given["actor"] = wanted.actor.split(",")
    if wanted.ref is not None:
        given |= beginning("versions", f"{wanted.ref}:") | beginning("aliases", f"{wanted.ref}@")
    return chosen.rows(connection, limit=limit, most_bytes=MOST_BYTES, **given)


def within_bytes(
    query: Select[Any], conditions: Sequence[ColumnElement[bool]], *, newest_first: bool = False
) -> Select[Any]:
    """The first entries that meet the conditions: `limit` of them, as far as those before each fill less than
    `most_bytes`, which are both given by name.
    """
    found = (
        select(ENTRIES.seq, func.length(ENTRIES.entry).label("bytes"))
        .where(*conditions)
        .order_by(_order(ENTRIES.seq, newest_first))
        .limit(bindparam("limit", 0))
        .subquery()
    )
    filled = func.sum(found.c.bytes).over(order_by=_order(found.c.seq, newest_first))
    sized = select(found.c.seq, (filled - found.c.bytes).label("before")).subquery()
    chosen = query.join(sized, sized.c.seq == ENTRIES.seq).where(sized.c.before < bindparam("most_bytes", 0))
    return chosen.order_by(_order(ENTRIES.seq, newest_first))


def is_cut(lines: Sequence[Line], limit: int) -> bool:
    """Whether more may be found behind what was read with this limit."""
    return len(lines) == limit or sum(len(line.entry) for line in lines) >= MOST_BYTES


def _order(column: ColumnElement[int], newest_first: bool) -> ColumnElement[int]:
    return column.desc() if newest_first else column


def summarise(
    entry: format_1.Entry, values: Mapping[str, str] = _NOTHING, names: Mapping[str, str] = _NOTHING
) -> str:
    """An entry in a few words, for people; of access, with the withheld `values` and the `names` of principals."""
    what = entry.ref or entry.registry or ""
    before, after = _plain(entry.before), _plain(entry.after)
    change = f": {before or 'nothing'} → {after or 'nothing'}" if before or after else ""
    told = "" if change else _told(entry.action, entry.details) or _of_access(entry, values, names)
    words = [str(entry.action), f"{what}{change}" if what else change.removeprefix(": ")]
    return " ".join(word for word in [*words, f"({told})" if told else ""] if word)


def _told(action: format_1.Action, details: Mapping[str, Any]) -> str:
    """What the details of an entry come down to; for most there is nothing to add."""
    fields, records, counts = (details.get(name) for name in ("fields", "records", "counts"))
    if isinstance(fields, list):
        return ", ".join(map(str, fields))
    if isinstance(records, list):
        return f"{len(records)} records"
    if action in _COUNTING:
        found = counts if isinstance(counts, Mapping) else details
        return ", ".join(
            f"{value} {name}" for name, value in found.items() if isinstance(value, int) and value
        )
    return ", ".join(
        _plain(details[name]) for name in _NAMES.get(action, ()) if details.get(name) is not None
    )


def _of_access(entry: format_1.Entry, values: Mapping[str, str], names: Mapping[str, str]) -> str:
    """What was given, made, ended or refused, and whose it is; or what is sent or kept, and what it is called."""
    if str(entry.action).partition(".")[0] not in _ACCESS:
        return _kept(entry, values)
    details = entry.details
    about = str(details.get("principal") or "")
    words = [
        word.format(details[name])
        for name, word in _SAYING.items()
        if isinstance(details.get(name), str | int)
    ]
    if entry.action is format_1.Action.SESSION_STARTED and "token" in details:
        # A token is called as its principal.
        words = [f"with token {names.get(entry.actor, details['token'])}"]
    scopes = details.get("scopes")
    limits = [f"limited to {', '.join(map(str, scopes))}"] if isinstance(scopes, list) else []
    whose = values.get("who") or values.get("name") or names.get(about) or about
    source = values.get("address")
    told = [f"of {whose}"] if whose else [f"from {source}"] if source else []
    return ", ".join([*words, *limits, *told])


def _kept(entry: format_1.Entry, values: Mapping[str, str]) -> str:
    """What a webhook or a saved search is called, its id where no name stands any more, and where a webhook goes: the
    rest of the address may be a secret.
    """
    kind = str(entry.action).partition(".")[0]
    if kind not in ("webhook", "search"):
        return ""
    words = [values.get("name") or f"{kind} {entry.details.get(kind)}"]
    if (host := _HOST.match(values.get("url", ""))) is not None:
        words.append(f"at {host[0]}")
    if isinstance(count := entry.details.get("count"), int):
        words.append(f"{count} events")
    return ", ".join(words)


_HOST = re.compile(r"https?://[^/?#@\\]+(?![^/?#])")
_ACCESS = frozenset({"principal", "grant", "token", "session", "access", "sign_in", "groups"})
_SAYING = {
    "token": "{}",
    "role": "{}",
    "on": "{}",
    "permission": "{}",
    "wanted": "{}",
    "reason": "{}",
    "groups": "groups: {}",
    "by": "by the {}",
    "expires": "until {}",
    "count": "{} ×",
}
_COUNTING = frozenset(
    {format_1.Action.SYNC_FINISHED, format_1.Action.DELETES_HELD, format_1.Action.DELETES_CONFIRMED}
)
_NAMES: Mapping[str, tuple[str, ...]] = {
    format_1.Action.JOURNAL_STARTED: ("origin",),
    format_1.Action.JOURNAL_SEALED: ("file",),
    format_1.Action.JOURNAL_EXPORTED: ("format", "wanted"),
    format_1.Action.KEY_CREATED: ("key",),
    format_1.Action.KEY_ROTATED: ("key",),
    format_1.Action.WITNESS_ADDED: ("witness",),
    format_1.Action.WITNESS_REMOVED: ("witness",),
    format_1.Action.WITNESS_AHEAD: ("witness",),
    format_1.Action.RECORD_QUARANTINED: ("key",),
    format_1.Action.RECORD_RELEASED: ("key",),
    format_1.Action.POLICY_APPLIED: ("policy",),
    format_1.Action.POLICY_CHANGED: ("policy",),
    format_1.Action.POLICY_REMOVED: ("policy",),
    format_1.Action.RETENTION_APPLIED: ("does", "rule"),
    **{action: ("to",) for action in format_1.Action if action.startswith("promotion.")},
}
"""Which details say what an entry is about, where its reference does not or not all of it."""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            str(inner) for name, inner in value.items() if inner not in (None, "") and name != "reason"
        )
    return "" if value is None else str(value)


@lru_cache(COMPILED)
def _chosen(given: frozenset[str], newest_first: bool) -> Prepared:
    """The entries that are chosen by what is given."""
    conditions = [_CONDITIONS[name] for name in sorted(given)]
    query = select(ENTRIES.seq, ENTRIES.entry, ENTRIES.leaf_hash)
    return Prepared(within_bytes(query, conditions, newest_first=newest_first))


_registries = tables.registry.c
_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "after": ENTRIES.seq > bindparam("after", 0),
    "before": ENTRIES.seq < bindparam("before", 0),
    "actor": among(ENTRIES.actor, "actor"),
    "action": ENTRIES.action == bindparam("action", ""),
    "ref": or_(
        ENTRIES.ref == bindparam("ref", ""),
        begins_as(ENTRIES.ref, "versions"),
        begins_as(ENTRIES.ref, "aliases"),
    ),
    "registry": ENTRIES.registry_id.in_(
        select(_registries.id).where(_registries.name == bindparam("registry", ""))
    ),
    "team": ENTRIES.registry_id.in_(select(_registries.id).where(_registries.team == bindparam("team", ""))),
    "since": ENTRIES.time >= bindparam("since", None),
    "until": ENTRIES.time < bindparam("until", None),
}


def _values(connection: Connection, recorded: list[format_1.Recorded]) -> dict[bytes, str]:
    asked = {digest for one in recorded for digest in one.entry.commitments.values()}
    if not asked:
        return {}
    stored = tables.value.c
    query = select(stored.commitment, stored.value).where(stored.commitment.in_(sorted(asked)))
    return {row.commitment: row.value for row in connection.execute(query)}
