"""Erasing a person: the values that name them are removed wherever they stand, and blanked when a backend says
them again. The journal's entries only commit to such values, so every proof still holds.

Who was erased is known by a keyed hash only. A text names a person where the person's words stand in it as
words of their own, whatever their case: `ada` is in `by Ada, 2026`, not in `adapter`.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, insert, or_, select, update

from adapters import EndpointRecord, Kind, ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.changes import Change
from federation.database import LONG, now, writing
from federation.errors import InvalidRequestError
from federation.graph.tables import dependency
from federation.identity import tables as identity
from federation.identity.principals import ERASED
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.journal.tables import erased
from federation.operations.tables import operation
from federation.prepared import Prepared
from federation.promotions.tables import promotion, voice
from federation.searches import searches
from federation.statements.comments import kept_words
from federation.statements.tables import COMMENT, statement

BLANK = "[erased]"
_EVERYBODY = Prepared(select(erased))
SHORTEST = 3
WORD = re.compile(r"[^\W_]+(?:[.@+_'-]+[^\W_]+)*")
"""A word as names and addresses are written: `ada`, `ada.lovelace@example.com`."""
_KEPT = frozenset({"key", "model", "name", "version", "aliases", "traffic"})
"""Fields that say which record it is; what is there is a reference, not a value."""


class ErasureError(InvalidRequestError):
    """Nobody can be erased under this name. One line with the reason."""

    code = "invalid-subject"


class Erased(NamedTuple):
    """How many values beside the log, records of the catalogue, and other rows were blanked."""

    values: int
    records: int
    others: int


@dataclass(frozen=True, slots=True)
class Blanker:
    """Takes erased people out of texts. `digests` by how many words the name has."""

    salt: bytes
    digests: Mapping[int, frozenset[bytes]]

    @classmethod
    def read(cls, connection: Connection) -> "Blanker | None":
        """Everybody who was erased; None for nobody."""
        rows = _EVERYBODY.rows(connection)
        if not rows:
            return None
        digests: dict[int, set[bytes]] = {}
        for row in rows:
            digests.setdefault(row.words, set()).add(row.digest)
        return cls(rows[0].salt, {words: frozenset(found) for words, found in digests.items()})

    def text(self, text: str) -> str:
        """The text without them."""
        words = list(WORD.finditer(text))
        spans = [
            (words[at].start(), words[at + count - 1].end())
            for count, known in self.digests.items()
            for at in range(len(words) - count + 1)
            if _digest(self.salt, [word.group() for word in words[at : at + count]]) in known
        ]
        for start, end in sorted(spans, reverse=True):
            text = text[:start] + BLANK + text[end:]
        return text

    def value(self, value: Any) -> Any:
        """A value with every text in it, keys of mappings as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def record(self, encoded: Encoded[Any]) -> Encoded[Any]:
        """A record without them; the same object where it names none."""
        plain = codec.to_plain(encoded.record)
        blank = {name: value if name in _KEPT else self.value(value) for name, value in plain.items()}
        return encoded if blank == plain else codec.encode(codec.from_plain(type(encoded.record), blank))


def blanked(connection: Connection, records: Sequence[Encoded[Any]]) -> Sequence[Encoded[Any]]:
    """What a backend says, without those who were erased."""
    blanker = Blanker.read(connection)
    return records if blanker is None else [blanker.record(one) for one in records]


def erase(
    engine: Engine,
    subject: str,
    *,
    actor: str,
    reason: str | None = None,
    request: str | None = None,
    dry_run: bool = False,
) -> Erased:
    """Erase a person, in one transaction with its entry; as a dry run it is rolled back, and only counted.

    Errors: `ErasureError`, `DatabaseError`.
    """
    words = WORD.findall(subject)
    if len("".join(words)) < SHORTEST:
        raise ErasureError(f"a subject has at least {SHORTEST} letters or digits")
    with writing(engine, bound=LONG) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        batch = Batch()
        blanker = _remember(connection, words)
        values = _values(connection, blanker, subject, words)
        records = sum(_records(connection, batch, blanker, kind, words) for kind in _TABLES)
        others = _principals(connection, batch, blanker, subject, actor)
        others += _notes(connection, blanker) + _operations(connection, blanker, words)
        others += searches.forget_naming(connection, lambda text: blanker.text(text) != text)
        others += _promotions(connection, blanker, words) + _statements(connection, blanker)
        everybody = Blanker.read(connection)
        assert everybody is not None
        counts = {"values": values, "records": records, "others": others}
        entry = Entry(
            action=Action.SUBJECT_ERASED,
            actor=actor,
            request=request,
            details=counts,
            commitments=batch.withhold({"reason": reason and everybody.text(reason)}, subject=actor),
        )
        if dry_run:
            connection.rollback()
        else:
            batch.record(entry)
            batch.append(connection)
    if not dry_run:
        _forget_pages(engine)
    return Erased(values, records, others)


_TABLES: Mapping[Kind, tuple[Table, type]] = {
    "model": (tables.model, ModelRecord),
    "version": (tables.version, VersionRecord),
    "endpoint": (tables.endpoint, EndpointRecord),
}


def _digest(salt: bytes, words: Iterable[str]) -> bytes:
    return hmac.new(salt, " ".join(words).casefold().encode(), hashlib.sha256).digest()


def _remember(connection: Connection, words: Sequence[str]) -> Blanker:
    salt = connection.execute(select(erased.c.salt).limit(1)).scalar() or secrets.token_bytes(32)
    digest = _digest(salt, words)
    connection.execute(delete(erased).where(erased.c.digest == digest))
    connection.execute(insert(erased).values(digest=digest, salt=salt, words=len(words), time=now()))
    return Blanker(salt, {len(words): frozenset({digest})})


def _values(connection: Connection, blanker: Blanker, subject: str, words: Sequence[str]) -> int:
    """Delete what stands beside the log and is about them or names them."""
    beside = tables.value.c
    ids = connection.execute(
        select(identity.principal.c.id).where(
            or_(identity.principal.c.id == subject, identity.principal.c.who == f"subject:{subject}")
        )
    ).scalars()
    subjects = [subject, *ids]
    query = select(beside.commitment, beside.value, beside.subject).where(
        or_(beside.subject.in_(subjects), _may_name(beside.value, words))
    )
    gone = [
        row.commitment
        for row in connection.execute(query)
        if row.subject in subjects or blanker.text(row.value) != row.value
    ]
    for at in range(0, len(gone), 500):
        connection.execute(delete(tables.value).where(beside.commitment.in_(gone[at : at + 500])))
    return len(gone)


def _records(connection: Connection, batch: Batch, blanker: Blanker, kind: Kind, words: Sequence[str]) -> int:
    table, record_type = _TABLES[kind]
    query = select(table.c.id, table.c.registry_id, table.c.body).where(_may_name(table.c.body, words))
    changed = 0
    for row in connection.execute(query).all():
        before = codec.encode(codec.from_json(record_type, row.body))
        after = blanker.record(before)
        if after is not before:
            connection.execute(
                update(table).where(table.c.id == row.id).values(body=after.body, digest=after.digest)
            )
            batch.change(Change(kind, row.id, row.registry_id))
            changed += 1
    return changed


def _principals(connection: Connection, batch: Batch, blanker: Blanker, subject: str, actor: str) -> int:
    known = identity.principal.c
    changed = 0
    for row in connection.execute(select(known.id, known.who, known.name)).all():
        about = subject == row.id or row.who == f"subject:{subject}" or blanker.text(row.name) != row.name
        if about:
            gone = {"who": f"{ERASED}{row.id}", "name": BLANK, "disabled_at": now()}
            connection.execute(update(identity.principal).where(known.id == row.id).values(gone))
            for mine in (identity.session, identity.person):
                connection.execute(delete(mine).where(mine.c.principal_id == row.id))
            connection.execute(delete(identity.grant).where(identity.grant.c.who == row.who))
            searches.forget(connection, row.id)
            details = {"principal": row.id}
            batch.record(Entry(action=Action.PRINCIPAL_DISABLED, actor=actor, details=details))
            changed += 1
    return changed


def _notes(connection: Connection, blanker: Blanker) -> int:
    changed = 0
    for row in connection.execute(select(dependency.c.id, dependency.c.note)).all():
        note = blanker.text(row.note)
        if note != row.note:
            connection.execute(update(dependency).where(dependency.c.id == row.id).values(note=note))
            changed += 1
    return changed


def _operations(connection: Connection, blanker: Blanker, words: Sequence[str]) -> int:
    """Blank what finished operations wanted and found; one under way still needs its words."""
    asked, changed = operation.c, 0
    columns = (asked.wanted, asked.before, asked.error)
    query = select(asked.id, *columns).where(
        asked.finished_at.is_not(None), or_(*(_may_name(column, words) for column in columns))
    )
    for row in connection.execute(query).all():
        values = {
            "wanted": _json(blanker, row.wanted),
            "before": _json(blanker, row.before),
            "error": row.error and blanker.text(row.error),
        }
        if values != {name: getattr(row, name) for name in values}:
            connection.execute(update(operation).where(asked.id == row.id).values(values))
            changed += 1
    return changed


def _promotions(connection: Connection, blanker: Blanker, words: Sequence[str]) -> int:
    """Blank what people said of promotions, and what their approvals were given on."""
    changed = 0
    for table, columns in ((promotion, ("reason", "message")), (voice, ("words", "evidence"))):
        found = [table.c[name] for name in columns]
        query = select(table.c.id, *found).where(or_(*(_may_name(column, words) for column in found)))
        for row in connection.execute(query).all():
            values = {name: blanker.text(getattr(row, name)) for name in columns}
            if values != {name: getattr(row, name) for name in columns}:
                connection.execute(update(table).where(table.c.id == row.id).values(values))
                changed += 1
    return changed


def _statements(connection: Connection, blanker: Blanker) -> int:
    """Blank comments that name them, and forget such statements: what is kept whole cannot be blanked in part."""
    stated, changed = statement.c, 0
    for row in connection.execute(select(stated.id, stated.kind, stated.body)).all():
        text = bytes(row.body).decode("utf-8", "replace")
        blank = blanker.text(text)
        if blank == text:
            continue
        changed += 1
        if row.kind == COMMENT:
            connection.execute(update(statement).where(stated.id == row.id).values(kept_words(blank)))
        else:
            connection.execute(delete(statement).where(stated.id == row.id))
    return changed


def _json(blanker: Blanker, text: str | None) -> str | None:
    if text is None:
        return None
    plain = json.loads(text)
    blank = blanker.value(plain)
    return text if blank == plain else json.dumps(blank, ensure_ascii=False)


def _may_name(column: Any, words: Sequence[str]) -> Any:
    """A condition that holds for every text with these words, and for some others."""
    plain = [word for word in words if word.isascii() and "'" not in word]
    return column.icontains(max(plain, key=len), autoescape=True) if plain else column.is_not(None)


def _forget_pages(engine: Engine) -> None:
    """Let SQLite's write-ahead log not keep the pages of before."""
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()  # outside of a transaction, where a checkpoint is allowed
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
