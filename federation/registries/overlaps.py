"""One backend reached twice: directly and through another gateway, through two of them, or this gateway through itself,
be it over further ones, which gateways tell each other as chains.

Nothing is left out for it. What is the same stands twice in every list, and whoever runs the gateway decides which of
the two is to go.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from federation.journal.logkey import read_origin

MOST = 100
"""So many overlaps of a registry are told."""
MOST_CHAINS, LONGEST_CHAIN = 64, 16


class KnownBackend(NamedTuple):
    """A registry that is read, with what its backend is known by and which registries are behind it."""

    name: str
    identity: str | None
    anchors: Sequence[str]
    reaches: Sequence[Mapping[str, Any]]


class Overlap(NamedTuple):
    """`part`, a registry or one behind it (`emea/fraud`), has the same backend as `other`: None is this gateway.
    `over` are the gateways between a `part` that is a gateway and this one.
    """

    part: str
    other: str | None
    identity: str
    over: tuple[str, ...] = ()

    @property
    def is_twice(self) -> bool:
        """Whether what is there is listed twice for it: of a gateway that reads this one nothing is."""
        return self.other is not None or "/" not in self.part

    @property
    def line(self) -> str:
        """The same in words."""
        if self.other is not None:
            return f"{self.part} has the same backend as {self.other}: what it holds is listed twice"
        if self.over:
            over = " and ".join(self.over)
            return f"{self.part} leads back to this gateway, over {over}, in a circle: nothing of it is read again"
        if self.is_twice:
            return f"{self.part} is this gateway itself: everything is listed twice"
        return f"{self.part} is this gateway, in a circle: nothing of it is read again"


def gateway_identity(connection: Connection) -> str:
    """Who this gateway is, to another that reads it: the name of its log, which a restored one keeps."""
    return read_origin(connection)


def chains(one: KnownBackend, own: str) -> Sequence[Sequence[str]]:
    """The gateways behind a registry that is one, by their identities: of each the shortest chain that leads to it.
    One with this gateway in it is not handed on: so nothing is told in a circle that is no longer so.
    """
    found: dict[str, Sequence[str]] = {}
    for chain in sorted(_chains(one), key=len):
        if len(found) < MOST_CHAINS and len(chain) <= LONGEST_CHAIN and own not in chain:
            found.setdefault(chain[-1], chain)
    return list(found.values())


def _chains(one: KnownBackend) -> Iterator[list[str]]:
    for inner in one.reaches:
        for identity in [] if inner["is_read"] else inner["identities"][:1]:
            yield [identity]
            yield from ([identity, *chain] for chain in inner.get("chains", ()))


def overlaps(
    backends: Sequence[KnownBackend], own: str, of: Collection[str]
) -> Mapping[str, Sequence[Overlap]]:
    """What overlaps of some of these registries of the gateway `own`, by name."""
    places: dict[str, list[str | None]] = defaultdict(list, {own: [None]})
    parts = {one.name: _parts(one, own) for one in backends}
    for of_one in parts.values():
        for part, identities in of_one:
            for identity in identities:
                if identity != own:
                    places[identity].append(part)
    return {
        one.name: [*_told(parts[one.name], places), *_circles(one, own)] for one in backends if one.name in of
    }


def _parts(one: KnownBackend, own: str) -> Sequence[tuple[str, Sequence[str]]]:
    """A registry and those behind it, with what each is known by; of what is not read only that it is this gateway."""
    found = [(one.name, [] if one.identity is None else [one.identity, *one.anchors])]
    for inner in one.reaches:
        known = [identity for identity in inner["identities"] if inner["is_read"] or identity == own]
        found.append((f"{one.name}/{inner['name']}", known))
    return found


def _circles(one: KnownBackend, own: str) -> Sequence[Overlap]:
    """That a gateway behind a registry leads back to this one, by the shortest way."""
    found: dict[str, Overlap] = {}
    for inner in one.reaches:
        part, first = f"{one.name}/{inner['name']}", inner["identities"][:1]
        for chain in sorted(inner.get("chains", ()), key=len):
            if own in chain and own not in inner["identities"] and len(found) < MOST:
                over = (*first, *chain[: chain.index(own)])
                found.setdefault(part, Overlap(part, None, own, over))
    return list(found.values())


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
