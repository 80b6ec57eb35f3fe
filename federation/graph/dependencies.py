"""What something is made from or needs: everything upstream, with who says so."""

from collections.abc import Collection

import numpy as np
from sqlalchemy import Connection, select

from federation.access import View
from federation.graph import paging, tables
from federation.graph.answers import (
    BY_DEPTH,
    RESTRICTED,
    DependenciesAnswer,
    DependencyCounts,
    Needed,
    Source,
)
from federation.graph.deprecations import deprecated
from federation.graph.impact import gaps
from federation.graph.names import Registry, named
from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot
from federation.graph.subject import Subject
from federation.graph.unresolved import waiting
from federation.graph.walk import Closure, closure, visibility
from federation.graph.words import CONNECTORS, NodeKind, kind_word
from federation.prepared import Prepared, among

_node, _edge = tables.node.c, tables.edge.c
_THINGS = Prepared(select(_node.id, _node.kind, _node.name).where(among(_node.id, "ids")))
_STATED = Prepared(
    select(tables.edge)
    .where(among(_edge.source, "nodes"), ~_edge.gone, _edge.target.is_not(None))
    .order_by(_edge.id)
)


def dependencies(
    connection: Connection,
    snapshot: Snapshot,
    view: View,
    subject: Subject,
    known: dict[int, Registry],
    *,
    depth: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> DependenciesAnswer:
    """Everything upstream of `subject`, nearest first. Errors: `CursorError`."""
    found = closure(
        snapshot, np.array(subject.nodes), snapshot.up, visibility(view.registry_ids, snapshot), depth
    )
    kinds = snapshot.nodes["kind"][found.node]
    items = upstream(connection, snapshot, found)
    open_ends = waiting(connection, view, found.node[kinds == NodeKind.VERSION].tolist(), known)
    begin = 0 if cursor is None else paging.read(cursor)[1]
    end = min(begin + limit, len(items))
    page = listed(connection, view, found, items[begin:end], known)
    missing = gaps(known, view, BY_DEPTH if found.cut else None)
    if open_ends:
        missing.append("something is needed that nobody has: see `unresolved`")
    return DependenciesAnswer(
        ref=subject.ref,
        scope="all" if view.registry_ids is None else "visible",
        complete=not missing,
        incomplete=missing,
        note="" if view.registry_ids is None else RESTRICTED,
        counts=_counts(kinds[items], len(open_ends)),
        dependencies=page,
        unresolved=open_ends,
        next_cursor=paging.follow([item.ref for item in page], end, len(items)),
    )


def _counts(kinds: Array, open_ends: int) -> DependencyCounts:
    number = np.bincount(kinds, minlength=16)
    return DependencyCounts(
        versions=int(number[NodeKind.VERSION]),
        datasets=int(number[NodeKind.DATASET]),
        commits=int(number[NodeKind.COMMIT]),
        runs=int(number[NodeKind.RUN]),
        unresolved=open_ends,
    )


def upstream(connection: Connection, snapshot: Snapshot, found: Closure) -> Array:
    """Indices in the closure of everything that is an answer: nearest first, versions before what else there is.

    What belongs to no registry goes by name: its id would tell whether a hidden registry spoke of it before.
    """
    kinds = snapshot.nodes["kind"][found.node]
    items = np.flatnonzero((found.parent >= 0) & ~np.isin(kinds, CONNECTORS))
    names = names_of_things(
        connection, found.node[items[snapshot.nodes["registry"][found.node[items]] == 0]].tolist()
    )
    alphabetical = {node: place for place, node in enumerate(sorted(names, key=lambda node: names[node]), 1)}
    rank = np.array([alphabetical.get(node, 0) for node in found.node[items].tolist()], np.int32)
    return items[np.lexsort((rank, found.distance[items]))]


def names_of_things(connection: Connection, nodes: Collection[int]) -> dict[int, tuple[int, str]]:
    """Kind and name of datasets, commits and digests."""
    return {id_: (kind, name) for id_, kind, name in _THINGS.bare(connection, ids=list(nodes))}


def listed(
    connection: Connection, view: View, found: Closure, items: Array, known: dict[int, Registry]
) -> list[Needed]:
    """These indices of the closure with names, paths and who says so."""
    paths = [[int(found.node[step]) for step in found.path(index)] for index in items.tolist()]
    names = named(connection, {node for path in paths for node in path}, known)
    stops = [[node for node in path if node in names] for path in paths]
    said = _sources(connection, {path[0] for path in paths} | {node for path in paths for node in path})
    going = deprecated(connection, view, [name.ref for name in names.values() if name.kind == "version"])
    page = []
    for index, path, shown in zip(items.tolist(), paths, stops, strict=True):
        if (name := names.get(path[-1])) is None:
            continue
        via = [names[node].ref for node in shown[1:-1]]
        last = [names[node].kind in ("model", "alias", "stage", "digest") for node in shown[:-1]]
        # The statement is made by the version before, of the selector where one stands between.
        step = (shown[-3], shown[-2]) if last and last[-1] and len(shown) > 2 else (shown[-2], shown[-1])
        page.append(
            Needed(
                ref=name.ref,
                kind=name.kind,
                distance=int(found.distance[index]),
                stage=name.stage,
                team=name.team,
                registry=name.registry,
                deleted=name.deleted,
                via=via,
                sources=[source for source, _ in said.get(step, ())],
                title=next((title for _, title in said.get(step, ()) if title), ""),
                deprecated=going.get(name.ref),
            )
        )
    return page


def _sources(
    connection: Connection, nodes: Collection[int]
) -> dict[tuple[int, int], list[tuple[Source, str | None]]]:
    """Who says each edge, and what they call its target where they have a title for it."""
    found: dict[tuple[int, int], list[tuple[Source, str | None]]] = {}
    for row in _STATED.rows(connection, nodes=list(nodes)):
        source = Source(
            kind_word(row.kind), row.relation, row.origin, row.said_by, row.first_seen_at, row.last_seen_at
        )
        found.setdefault((row.source, row.target), []).append((source, row.title))
    return found
