"""What could not be read of a record is unknown, which is not absent: what the catalogue knows of it stays."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from adapters import BadRecordError
from federation import bulk, tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded


def waiting(connection: Connection, registry_id: int) -> dict[str, datetime]:
    """The living records of which something is unread, by native id, and since when."""
    found: dict[str, datetime] = {}
    for target in tables.RECORDS.values():
        query = select(target.c.native_id, target.c.unread_since).where(
            target.c.registry_id == registry_id, target.c.unread.is_not(None), target.c.deleted_at.is_(None)
        )
        found.update({row.native_id: row.unread_since for row in connection.execute(query)})
    return found


def keep_known(
    connection: Connection, registry_id: int, records: Sequence[Encoded[Any]]
) -> Iterator[Encoded[Any]]:
    """The records; where one says that a field was not read, with what was known of that field."""
    known: dict[tuple[str, str], str] = {}
    for kind, target in tables.RECORDS.items():
        natives = [e.record.key.native_id for e in records if e.record.unread and e.record.key.kind == kind]
        rows = bulk.find(connection, target, ("native_id", "body"), registry_id, natives)
        known.update({(kind, native): body for native, body in rows})
    for encoded in records:
        key = encoded.record.key
        body = known.get((key.kind, key.native_id)) if encoded.record.unread else None
        yield encoded if body is None else _with_known(encoded, body)


def _with_known(encoded: Encoded[Any], body: str) -> Encoded[Any]:
    record = encoded.record
    plain, known = codec.to_plain(record), codec.to_plain(codec.from_json(type(record), body))
    for path in record.unread.fields:
        *steps, last = path.split(".", 1)
        to, of = plain, known
        for step in steps:
            to[step] = dict(to.get(step) or {})
            to, of = to[step], of.get(step) or {}
        read = to.pop(last, None)
        if last in of:
            to[last] = of[last]
        if path == "traffic":
            # Which versions an endpoint serves may be known of one part of it and unknown of another.
            to[last] = _beside(read or [], of.get(last) or [])
    try:
        return codec.encode(codec.from_plain(type(record), plain))
    except BadRecordError:  # all together is too large
        return encoded


def _beside(read: list[dict[str, Any]], known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The shares that were read, and of other versions those that were known."""
    named = [share["version"] for share in read]
    return [*read, *(share for share in known if share["version"] not in named)]
