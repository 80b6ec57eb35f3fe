"""One backend reached twice: directly and through another gateway, through two of them, or this gateway through itself.

Nothing is left out for it. What is the same stands twice in every list, and whoever runs the gateway decides which of
the two is to go.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from federation.journal.logkey import read_origin

MOST = 100
"""So many overlaps of a registry are told."""


class Overlap(NamedTuple):
    """`part`, a registry or one behind it (`emea/fraud`), has the same backend as `other`: None is this gateway."""

    part: str
    other: str | None
    identity: str

    @property
    def is_twice(self) -> bool:
        """Whether what is there is listed twice for it: of a gateway that reads this one nothing is."""
        return self.other is not None or "/" not in self.part

    @property
    def line(self) -> str:
        """The same in words."""
        if self.other is not None:
            return f"{self.part} has the same backend as {self.other}: what it holds is listed twice"
        if self.is_twice:
            return f"{self.part} is this gateway itself: everything is listed twice"
        return f"{self.part} is this gateway, in a circle: nothing of it is read again"


def gateway_identity(connection: Connection) -> str:
    """Who this gateway is, to another that reads it: the name of its log, which a restored one keeps."""
    return read_origin(connection)


def overlaps(connection: Connection, rows: Sequence[Row[Any]]) -> Mapping[str, Sequence[Overlap]]:
    """What overlaps of these registries, by name. What is detached is not read any more, and counts for nothing."""
    places: dict[str, list[str | None]] = defaultdict(list)
    own = gateway_identity(connection) if any(row.reaches for row in rows) else None
    if own is not None:
        places[own].append(None)
    parts = {row.name: _parts(row, own) for row in rows if row.detached_at is None}
    for of_one in parts.values():
        for part, identities in of_one:
            for identity in identities:
                if identity != own:
                    places[identity].append(part)
    return {name: _told(of_one, places) for name, of_one in parts.items()}


def _parts(row: Row[Any], own: str | None) -> Sequence[tuple[str, Sequence[str]]]:
    """A registry and those behind it, with what each is known by; of what is not read only that it is this gateway."""
    found = [(row.name, [] if row.identity is None else [row.identity, *row.anchors])]
    for inner in row.reaches:
        known = [one for one in inner["identities"] if inner["is_read"] or one == own]
        found.append((f"{row.name}/{inner['name']}", known))
    return found


def _told(
    parts: Sequence[tuple[str, Sequence[str]]], places: Mapping[str, Sequence[str | None]]
) -> Sequence[Overlap]:
    found: dict[tuple[str, str | None], Overlap] = {}
    for part, identities in parts:
        for identity in identities:
            for other in places[identity]:
                if len(found) == MOST:
                    return list(found.values())
                if other != part:
                    found.setdefault((part, other), Overlap(part, other, identity))
    return list(found.values())
