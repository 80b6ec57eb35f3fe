"""Writing nodes and edges, one transaction's worth; rows that change are stamped with the change position."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, update

from federation import bulk
from federation.database import micros
from federation.graph import tables
from federation.graph.claims import COPY, Claim, Thing, Unreadable
from federation.graph.resolve import Resolver, StatedReference, chunks, registry_names
from federation.prepared import Prepared, among

NodeKey = tuple[int, int, str]
"""Kind, scope, name."""


class NodeState(NamedTuple):
    """What the graph knows of a node beside which one it is."""

    registry_id: int = 0
    stage: int = 0
    live: bool = False
    created: int = 0
    gone: bool = False


_STATE = (*NodeState._fields, "touched")


@dataclass(frozen=True, slots=True)
class Stated:
    """An edge to be: `target` is given where it is known without looking."""

    source: int
    claim: Claim
    meant_at: datetime
    target: int | None = None
    home: int = 0
    """The registry that it is said in."""
    files: str | None = None
    """Of a copy, where its files are."""
    said_by: str = ""
    declared_id: int | None = None


_EDGE = (
    "source", "target", "kind", "relation", "origin", "wanted", "wanted_registry", "wanted_model", "title", "said_by",
    "declared_id", "meant_at", "first_seen_at", "last_seen_at", "gone", "touched",
)  # fmt: skip


_HOLDS = select(
    *(
        tables.edge.c[name]
        for name in ("id", "source", "target", "kind", "relation", "origin", "wanted", "wanted_registry")
    )
).where(among(tables.edge.c.source, "ids"), ~tables.edge.c.gone)
_HELD = {
    False: Prepared(_HOLDS.where(tables.edge.c.declared_id.is_(None))),
    True: Prepared(_HOLDS.where(tables.edge.c.declared_id.is_not(None))),
}
_ADDRESSED = Prepared(
    select(tables.address.c.address, tables.address.c.node).where(among(tables.address.c.node, "ids"))
)


class Store:
    """The graph's tables, open for one batch. `last_node` is the greatest node id given out."""

    def __init__(self, connection: Connection, position: int, last_node: int, time: datetime) -> None:
        self.connection = connection
        self.time = time
        self.last_node = last_node
        self.files_void = False
        """Edges lost their targets, which the files cannot follow: they are to be built anew."""
        self._position = position

    @cached_property
    def registries(self) -> dict[str, int]:
        """Every name that leads to a registry."""
        return registry_names(self.connection)

    def resolver(self) -> Resolver:
        """Resolves references, in this transaction."""
        return Resolver(self.connection, self.registries)

    # Nodes

    def nodes(self, wanted: Mapping[NodeKey, NodeState]) -> tuple[dict[NodeKey, int], set[int]]:
        """Have these nodes as stated. Their ids, and which of them are new."""
        known = self._known(wanted)
        changed: list[tuple[Any, ...]] = []
        fresh: list[tuple[Any, ...]] = []
        ids: dict[NodeKey, int] = {}
        for key, state in wanted.items():
            if (found := known.get(key)) is None:
                self.last_node += 1
                ids[key] = self.last_node
                fresh.append((self.last_node, int(key[0]), *key[1:], *state, self._position))
            else:
                ids[key] = found[0]
                if found[1] != state:
                    changed.append((*state, self._position, found[0]))
        bulk.insert(self.connection, tables.node, ("id", "kind", "scope", "name", *_STATE), fresh)
        bulk.update(self.connection, tables.node, _STATE, changed)
        return ids, {row[0] for row in fresh}

    def _known(self, wanted: Collection[NodeKey]) -> dict[NodeKey, tuple[int, NodeState]]:
        keys, columns = ("kind", "scope", "name"), ("kind", "scope", "name", "id", *NodeState._fields)
        rows = bulk.match(
            self.connection, tables.node, columns, keys, [(int(key[0]), *key[1:]) for key in wanted]
        )
        return {tuple(row[:3]): (row[3], NodeState(*row[4:])) for row in rows}

    def means(self, meanings: Mapping[int, int | None], before: Mapping[int, int | None]) -> None:
        """Point selectors at what they mean now; those that mean it already are left alone."""
        moved = [(n, self._position, s) for s, n in meanings.items() if before.get(s) != n]
        bulk.update(self.connection, tables.node, ("means", "touched"), moved)

    def bury(self, nodes: Collection[int]) -> None:
        """These left the catalogue altogether, and what they said with them."""
        for part in chunks(nodes):
            values = {"gone": True, "live": False, "means": None, "touched": self._position}
            self.connection.execute(update(tables.node).where(tables.node.c.id.in_(part)).values(values))
            self.drop(row.id for rows in self.held(part).values() for row in rows)
            self.connection.execute(delete(tables.address).where(tables.address.c.node.in_(part)))

    # Edges

    def held(self, sources: Collection[int], *, declared: bool = False) -> dict[int, list[Any]]:
        """The edges that stand now, by source; those that were declared, or all others."""
        found: dict[int, list[Any]] = {source: [] for source in sources}
        if found:
            for row in _HELD[declared].rows(self.connection, ids=list(found)):
                found[row.source].append(row)
        return found

    def drop(self, edges: Iterable[int]) -> None:
        """These are no longer stated."""
        for part in chunks(list(edges)):
            values = {"gone": True, "last_seen_at": self.time, "touched": self._position}
            self.connection.execute(update(tables.edge).where(tables.edge.c.id.in_(part)).values(values))

    def insert(self, edges: Sequence[Stated]) -> None:
        """Add edges, resolved as far as their targets are known."""
        if not edges:
            return
        things = {
            (int(thing.kind), thing.scope, thing.name): NodeState(registry_id=thing.scope)
            for thing in (edge.claim.target for edge in edges if edge.target is None)
            if isinstance(thing, Thing)
        }
        ids, _ = self.nodes(dict(sorted(things.items())))
        named = [statement for edge in edges if (statement := _statement(edge)) is not None]
        resolved = iter(self.resolver().meant(named) if named else ())
        rows = []
        for edge in edges:
            targets: Sequence[int | None]
            match edge.claim.target:
                case Thing() as thing:
                    targets = [edge.target or ids[int(thing.kind), thing.scope, thing.name]]
                case Unreadable():
                    targets = [None]
                case _:
                    targets = next(resolved) or [None]
            rows += [self._row(edge, target) for target in targets]
        bulk.insert(self.connection, tables.edge, _EDGE, rows)

    def _row(self, edge: Stated, target: int | None) -> tuple[Any, ...]:
        claim, seen = edge.claim, micros(self.time)
        title = claim.target.title or None if isinstance(claim.target, Thing) else None
        stated = (edge.source, target, int(claim.kind), claim.relation, claim.origin, *claim.wanted, title)
        times = (micros(edge.meant_at), seen, seen)
        return (*stated, edge.said_by, edge.declared_id, *times, False, self._position)

    def also(self, edges: Iterable[tuple[Any, int]]) -> None:
        """What these rows of edges state leads to these nodes as well."""
        seen = micros(self.time)
        rows = []
        for row, node in edges:
            kept = dict(row._mapping) | {"target": node, "first_seen_at": seen, "last_seen_at": seen}
            kept |= {"meant_at": micros(row.meant_at), "touched": self._position}
            rows.append(tuple(kept[name] for name in _EDGE))
        bulk.insert(self.connection, tables.edge, _EDGE, rows)

    def addressed(self, wanted: Mapping[int, Collection[str]]) -> set[str]:
        """Have these versions, by node, answer to these addresses and to no others. Which are new of one."""
        address = tables.address.c
        known = set(_ADDRESSED.bare(self.connection, ids=list(wanted))) if wanted else set()
        stated = {(text, node) for node, texts in wanted.items() for text in texts}
        for text, node in sorted(known - stated):
            self.connection.execute(
                delete(tables.address).where(address.address == text, address.node == node)
            )
        bulk.insert(self.connection, tables.address, ("address", "node"), sorted(stated - known))
        return {text for text, _ in stated - known}

    def unaim(self, nodes: Collection[int]) -> None:
        """Nothing is known of these any more: what points at them waits again, should they come back."""
        edge = tables.edge.c
        for part in chunks(nodes):
            values = {"target": None, "touched": self._position}
            named = (edge.target.in_(part), edge.wanted_model != "", ~edge.gone)
            self.connection.execute(update(tables.edge).where(*named).values(values))
        self.files_void = self.files_void or bool(nodes)

    def aim(self, edges: Mapping[int, int], *, turned: bool = False) -> None:
        """Edges have found their target; with `turned`, another one than they had."""
        self.files_void = self.files_void or (turned and bool(edges))
        found = [(node, self._position, edge) for edge, node in edges.items()]
        bulk.update(self.connection, tables.edge, ("target", "touched"), found)


def _statement(edge: Stated) -> StatedReference | None:
    """What is to be resolved; None for a thing and for what nobody can read."""
    target = edge.claim.target
    if isinstance(target, Thing | Unreadable):
        return None
    return StatedReference(target, edge.meant_at, edge.home, edge.claim.relation == COPY, edge.files)
