"""Tells a better reading of the same answer from a change of the backend (`Adapter.reading`)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table

from adapters import Record
from federation import bulk
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.catalogue.news import Existing


def judged(existing: Existing, before: Record | None, after: Record, reading: int) -> Existing:
    """What is known of a record that comes otherwise now, with what that says; `before` is what it was."""
    if existing.deleted or before is None:
        return existing
    is_later = existing.reading < reading
    same = before == after or (is_later and codec.says_the_same(before, after))
    return existing._replace(is_reread=same, is_mixed=is_later and not same)


def note(
    connection: Connection,
    table: Table,
    known: Mapping[str, Existing],
    records: Mapping[str, Encoded[Any]],
    reading: int,
) -> None:
    """Records that an adapter of a later reading gives as they are known are read as well as can be."""
    later = [
        (reading, existing.id)
        for native, existing in known.items()
        if existing.reading < reading
        and existing.digest == records[native].digest
        and not records[native].record.unread
    ]
    bulk.update(connection, table, ("reading",), later)
