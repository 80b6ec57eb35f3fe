"""Writing nodes and edges, one transaction's worth; rows that change are stamped with the change position."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from federation.graph import tables
from federation.graph.claims import Claim, Thing
from federation.graph.resolve import Resolver, chunks
from federation.references import encode_part

NodeKey = tuple[int, int, str]
"""Kind, scope, name."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node carries besides its key."""

    registry_id: int = 0
    stage: int = 0
    live: bool = False
    created: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Stated:
    """An edge to be: `target` is given where it is known without looking."""

    source: int
    claim: Claim
    meant_at: datetime
    target: int | None = None
    said_by: str = ""
    declared_id: int | None = None


class Store:
    """The graph's tables, open for one batch. `last_node` is the greatest node id given out."""

    def __init__(self, connection: Connection, position: int, last_node: int, time: datetime) -> None:
        self.connection = connection
        self.time = time
        self.last_node = last_node
        self.files_void = False
        """Edges lost their targets, which the files cannot follow: they are to be built anew."""
        self._position = position

    # Nodes

    def nodes(self, wanted: Mapping[NodeKey, NodeState]) -> tuple[dict[NodeKey, int], set[int]]:
        """Have these nodes as stated. Their ids, and which of them are new."""
        known = self._known(wanted)
        changed: list[dict[str, Any]] = []
        fresh: list[dict[str, Any]] = []
        ids: dict[NodeKey, int] = {}
        for key, state in wanted.items():
            values = {**asdict(state), "touched": self._position}
            if (found := known.get(key)) is None:
                self.last_node += 1
                ids[key] = self.last_node
                kind, scope, name = key
                identity = {"id": self.last_node, "kind": int(kind), "scope": scope, "name": name}
                fresh.append(identity | values | {"means": None})
            else:
                ids[key] = found[0]
                if found[1] != state:
                    changed.append({"key": found[0], **values})
        if fresh:
            self.connection.execute(insert(tables.node), fresh)
        self.change(tables.node, changed)
        return ids, {row["id"] for row in fresh}

    def _known(self, wanted: Collection[NodeKey]) -> dict[NodeKey, tuple[int, NodeState]]:
        node = tables.node.c
        groups: dict[tuple[int, bool], list[NodeKey]] = defaultdict(list)
        for key in wanted:
            groups[key[0], key[1] != 0].append(key)
        state = (node.registry_id, node.stage, node.live, node.created, node.gone)
        found: dict[NodeKey, tuple[int, NodeState]] = {}
        for (kind, scoped), keys in groups.items():
            for part in chunks(keys):
                query = select(node.kind, node.scope, node.name, node.id, *state).where(
                    node.kind == int(kind)
                )
                if scoped:
                    query = query.where(node.scope.in_({key[1] for key in part}))
                else:
                    query = query.where(node.scope == 0, node.name.in_({key[2] for key in part}))
                for row in self.connection.execute(query):
                    found[row.kind, row.scope, row.name] = (row.id, NodeState(*row[4:]))
        return found

    def means(self, meanings: Mapping[int, int | None], before: Mapping[int, int | None]) -> None:
        """Point selectors at what they mean now; those that mean it already are left alone."""
        moved = [
            {"key": selector, "means": node, "touched": self._position}
            for selector, node in meanings.items()
            if before.get(selector) != node
        ]
        self.change(tables.node, moved)

    def bury(self, nodes: Collection[int]) -> None:
        """These left the catalogue altogether, and what they said with them."""
        for part in chunks(nodes):
            values = {"gone": True, "live": False, "means": None, "touched": self._position}
            self.connection.execute(update(tables.node).where(tables.node.c.id.in_(part)).values(values))
            self.drop(row.id for rows in self.held(part).values() for row in rows)

    def change(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Update rows by id; each gives its id as `key` and the same columns as the others."""
        if rows:
            columns: dict[str, Any] = {
                column: bindparam(f"new_{column}") for column in rows[0] if column != "key"
            }
            statement = update(table).where(table.c.id == bindparam("key")).values(columns)
            values = [{k if k == "key" else f"new_{k}": v for k, v in row.items()} for row in rows]
            self.connection.execute(statement, values)

    # Edges

    def held(self, sources: Collection[int], *, declared: bool = False) -> dict[int, list[Any]]:
        """The edges that stand now, by source; those that were declared, or all others."""
        edge = tables.edge.c
        found: dict[int, list[Any]] = {source: [] for source in sources}
        mine = edge.declared_id.is_not(None) if declared else edge.declared_id.is_(None)
        for part in chunks(sources):
            query = select(
                edge.id, edge.source, edge.target, edge.kind, edge.relation, edge.origin, edge.wanted
            )
            for row in self.connection.execute(query.where(edge.source.in_(part), ~edge.gone, mine)):
                found[row.source].append(row)
        return found

    def drop(self, edges: Iterable[int]) -> None:
        """These are no longer stated."""
        for part in chunks(list(edges)):
            values = {"gone": True, "last_seen_at": self.time, "touched": self._position}
            self.connection.execute(update(tables.edge).where(tables.edge.c.id.in_(part)).values(values))

    def insert(self, edges: Sequence[Stated]) -> None:
        """Add edges, resolved as far as their targets are known."""
        things = {
            (int(thing.kind), thing.scope, thing.name): NodeState(registry_id=thing.scope)
            for thing in (edge.claim.target for edge in edges if edge.target is None)
            if isinstance(thing, Thing)
        }
        ids, _ = self.nodes(dict(sorted(things.items())))
        named = [
            (edge.claim.target, edge.meant_at) for edge in edges if not isinstance(edge.claim.target, Thing)
        ]
        resolved = iter(Resolver(self.connection).resolve(named) if named else ())
        rows = []
        for edge in edges:
            thing = edge.claim.target
            if not isinstance(thing, Thing):
                target = next(resolved)
            else:
                target = edge.target or ids[int(thing.kind), thing.scope, thing.name]
            rows.append(self._row(edge, target))
        if rows:
            self.connection.execute(insert(tables.edge), rows)

    def _row(self, edge: Stated, target: int | None) -> dict[str, Any]:
        named = None if isinstance(edge.claim.target, Thing) else edge.claim.target
        return {
            "source": edge.source,
            "target": target,
            "kind": int(edge.claim.kind),
            "relation": edge.claim.relation,
            "origin": edge.claim.origin,
            "wanted": edge.claim.wanted,
            "wanted_registry": named.registry if named else "",
            "wanted_model": encode_part(named.model) if named else "",
            "said_by": edge.said_by,
            "declared_id": edge.declared_id,
            "meant_at": edge.meant_at,
            "first_seen_at": self.time,
            "last_seen_at": self.time,
            "gone": False,
            "touched": self._position,
        }

    def unaim(self, nodes: Collection[int]) -> None:
        """Nothing is known of these any more: what points at them waits again, should they come back."""
        edge = tables.edge.c
        for part in chunks(nodes):
            values = {"target": None, "touched": self._position}
            named = (edge.target.in_(part), edge.wanted_model != "", ~edge.gone)
            self.connection.execute(update(tables.edge).where(*named).values(values))
        self.files_void = self.files_void or bool(nodes)

    def aim(self, edges: Mapping[int, int]) -> None:
        """Edges that were unresolved have found their target."""
        rows = [{"key": edge, "target": node, "touched": self._position} for edge, node in edges.items()]
        self.change(tables.edge, rows)
