"""What a run has met, stored with it page by page.

Absence is proved by everything that a scan met, and a run may be carried out by several workers, one after the
other. So each page leaves what it met beside the run, in the transaction that saves where to go on; what the
last page met is needed by nobody else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from adapters import Key, Kind, Listing
from federation import tables


def _bits() -> dict[Kind, bytearray]:
    return {"model": bytearray(), "version": bytearray(), "endpoint": bytearray()}


@dataclass(slots=True)
class Seen:
    """Which surrogate ids a scan has met, one bit each: a million fit into 125 KB."""

    bits: dict[Kind, bytearray] = field(default_factory=_bits)

    def add(self, kind: Kind, ids: Iterable[int]) -> None:
        """Mark ids as met."""
        bits = self.bits[kind]
        for i in ids:
            byte = i >> 3
            if byte >= len(bits):
                bits.extend(bytes(byte + 1 - len(bits) + 4096))
            bits[byte] |= 1 << (i & 7)

    def __contains__(self, item: tuple[Kind, int]) -> bool:
        kind, i = item
        bits = self.bits[kind]
        return i >> 3 < len(bits) and bool(bits[i >> 3] & (1 << (i & 7)))


@dataclass(slots=True)
class Met:
    """What a run has met and listed whole so far, and what of it is not stored yet."""

    seen: Seen = field(default_factory=Seen)
    listed: list[Listing] = field(default_factory=list)
    _ids: dict[str, list[int]] = field(default_factory=dict)
    _listed: list[list[str | None]] = field(default_factory=list)

    def add(self, ids: Mapping[Kind, Sequence[int]]) -> None:
        """Records that are there."""
        for kind, some in ids.items():
            if some:
                self.seen.add(kind, some)
                self._ids.setdefault(kind, []).extend(some)

    def end(self, listed: Iterable[Listing]) -> None:
        """Parts of the backend that have been listed whole."""
        for each in listed:
            self.listed.append(each)
            self._listed.append([each.kind, None if each.of is None else each.of.native_id])

    def save(self, connection: Connection, sync_id: int) -> None:
        """Store what is not stored yet: one row, be it empty, for each page."""
        row = {"sync_id": sync_id, "met": self._ids, "listed": self._listed}
        connection.execute(insert(tables.sync_page).values(row))
        self._ids, self._listed = {}, []

    @classmethod
    def load(cls, connection: Connection, sync_id: int) -> "Met | None":
        """What the pages of a run have left; None where they left nothing, so that nobody knows."""
        pages = tables.sync_page.c
        query = select(pages.met, pages.listed).where(pages.sync_id == sync_id).order_by(pages.id)
        rows = connection.execute(query).all()
        if not rows:
            return None
        met = cls()
        for row in rows:
            for kind, ids in row.met.items():
                met.seen.add(kind, ids)
            met.listed += [
                Listing(kind, None if model is None else Key("model", model)) for kind, model in row.listed
            ]
        return met


def forget(connection: Connection, sync_id: int) -> None:
    """A run has ended, or began again: what its pages left is of no use."""
    connection.execute(delete(tables.sync_page).where(tables.sync_page.c.sync_id == sync_id))
