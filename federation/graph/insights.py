"""Top lists over the whole graph, inside a view. Each is one function and one line in `INSIGHTS`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, select

from federation import tables as spine
from federation.access import View
from federation.catalogue.codec import decode_model, decode_version
from federation.errors import UnknownError
from federation.graph import paging, tables
from federation.graph.links import chain, cycles, levels, links
from federation.graph.names import Named, Registry, named, registries
from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot
from federation.graph.unresolved import reasons_of, unknown_to
from federation.graph.walk import closure, visibility
from federation.graph.words import EdgeKind, NodeKind, Stage, kind_word
from federation.journal.entry import Action, Entry, decode

REFS_SHOWN = 20
DEEPEST = 10_000
"""How far a list can be paged."""
CANDIDATES = 50
"""How many of the most depended on are followed all the way to find single points of failure."""


class UnknownInsightError(UnknownError):
    """There is no list of this name. The message names those there are."""


@dataclass(frozen=True, slots=True)
class InsightItem:
    """One line of a list. What `value` counts and what `refs` are is said by the list's `explains`."""

    ref: str
    kind: str
    stage: str
    team: str
    registry: str
    value: int
    detail: str
    refs: list[str]


@dataclass(frozen=True, slots=True)
class InsightAnswer:
    """A list. `total` counts all that belong in it, whatever the limit."""

    name: str
    explains: str
    scope: str
    total: int
    items: list[InsightItem]
    next_cursor: str | None


@dataclass(frozen=True)
class Sight:
    """What the lists of insights are made from: the part of the graph that a caller may see."""

    connection: Connection
    snapshot: Snapshot
    view: View
    limit: int
    known: Mapping[int, Registry]

    @property
    def visible(self) -> Array | None:
        """The lookup by registry id."""
        return visibility(self.view.registry_ids, self.snapshot)

    def teams(self) -> Array:
        """A small number for the team of each node, by node id; 0 for none."""
        numbers = {"": 0}
        lookup = np.zeros(max(self.snapshot.registries, max(self.known, default=0)) + 1, np.int32)
        for registry, what in self.known.items():
            lookup[registry] = numbers.setdefault(what.team, len(numbers))
        return lookup[self.snapshot.nodes["registry"]]

    def items(self, lines: Iterable[tuple[int, int, str, Sequence[int]]]) -> list[InsightItem]:
        """Lines of (node, value, detail, other nodes) with their names."""
        listed = [(node, value, detail, list(others)[:REFS_SHOWN]) for node, value, detail, others in lines]
        names = named(self.connection, {n for line in listed for n in (line[0], *line[3])}, dict(self.known))
        return [
            _item(names[node], value, detail, [names[n].ref for n in others if n in names])
            for node, value, detail, others in listed
            if node in names
        ]


def _item(name: Named, value: int, detail: str, refs: list[str]) -> InsightItem:
    return InsightItem(name.ref, name.kind, name.stage, name.team, name.registry, value, detail, refs)


Found = tuple[int, list[InsightItem]]


def _top(counts: Array, limit: int) -> Array:
    """Ids with the greatest counts above 0, greatest first, ties by id."""
    ids = np.flatnonzero(counts)
    return ids[np.argsort(-counts[ids], kind="stable")][:limit]


def most_depended_on(sight: Sight) -> Found:
    """Versions by how many versions need them directly (`value`); a selector counts for what it means."""
    counts = links(sight.snapshot, sight.visible).dependents()
    lines = ((n, int(counts[n]), "", ()) for n in _top(counts, sight.limit).tolist())
    return int((counts > 0).sum()), sight.items(lines)


def deepest_chains(sight: Sight) -> Found:
    """Versions at the end of the longest chains: `value` hops upstream, through `refs`."""
    found = links(sight.snapshot, sight.visible)
    level = levels(found)
    last = (level > 0) & (found.dependents() == 0)
    ends = _top(np.where(last, level, 0), sight.limit).tolist()
    return int(last.sum()), sight.items((n, int(level[n]), "", chain(found, level, n)) for n in ends)


def orphans(sight: Sight) -> Found:
    """Production versions that nobody owns, or of which nobody knows what they were made from (`detail`)."""
    version, model, node = spine.version.c, spine.model.c, tables.node.c
    query = (
        select(node.id, version.body, model.body.label("model_body"))
        .join(spine.version, and_(node.kind == NodeKind.VERSION, version.id == node.scope))
        .join(spine.model, model.id == version.model_id)
        .where(version.stage == "production", version.deleted_at.is_(None))
        .where(sight.view.clause(version.registry_id))
        .order_by(version.id)
    )
    lines: list[tuple[int, int, str, Sequence[int]]] = []
    for row in sight.connection.execute(query):
        record, parent = decode_version(row.body), decode_model(row.model_body)
        said = record.lineage
        missing = [] if record.owner or record.creator or parent.owner else ["no owner"]
        made_from = (said.run_id, said.commit, said.datasets, said.parents, said.pipeline)
        missing += [] if any(made_from) else ["no lineage"]
        if missing:
            lines.append((row.id, len(missing), ", ".join(missing), ()))
    lines.sort(key=lambda line: -line[1])
    return len(lines), sight.items(lines[: sight.limit])


def single_points_of_failure(sight: Sight) -> Found:
    """Versions whose loss reaches the most production or live versions (`value`), in so many teams (`detail`).

    The most depended on are followed all the way down.
    """
    snapshot, visible = sight.snapshot, sight.visible
    teams = sight.teams()
    counts = links(snapshot, visible).dependents()
    lines: list[tuple[int, int, str, Sequence[int]]] = []
    for node in _top(counts, CANDIDATES).tolist():
        reached = closure(snapshot, np.array([node]), snapshot.down, visible)
        hit = reached.node[(reached.parent >= 0) & (snapshot.nodes["kind"][reached.node] == NodeKind.VERSION)]
        grave = hit[(snapshot.nodes["live"][hit] != 0) | (snapshot.nodes["stage"][hit] == Stage.PRODUCTION)]
        if len(grave):
            across = len(np.unique(teams[grave]))
            lines.append((node, len(grave), f"{across} team{'s' if across > 1 else ''}", ()))
    lines.sort(key=lambda line: -line[1])
    return len(lines), sight.items(lines[: sight.limit])


def cross_team(sight: Sight) -> Found:
    """Dependencies on another team's version: `ref` needs `refs`; those of live and production versions first."""
    found, teams, nodes = links(sight.snapshot, sight.visible), sight.teams(), sight.snapshot.nodes
    across = found.only(teams[found.consumer] != teams[found.provider])
    weight = np.where(
        nodes["live"][across.consumer] != 0, 2, nodes["stage"][across.consumer] == Stage.PRODUCTION
    )
    order = np.argsort(-weight.astype(np.int8), kind="stable")[: sight.limit]
    pairs = zip(across.consumer[order].tolist(), across.provider[order].tolist(), strict=True)
    return len(across.consumer), sight.items((consumer, 1, "", [provider]) for consumer, provider in pairs)


def unresolved(sight: Sight) -> Found:
    """References to what nobody knows, and statements that nobody can read: `ref` says it needs `detail`."""
    edge, source = tables.edge.c, tables.node.alias()
    query = (
        select(tables.edge)
        .join(source, source.c.id == edge.source)
        .outerjoin(tables.node, tables.node.c.id == edge.target)
        .where(~edge.gone, edge.wanted_model != "", unknown_to(sight.view))
        .where(sight.view.clause(source.c.registry_id))
        .order_by(edge.source, edge.wanted, edge.kind)
    )
    rows = sight.connection.execute(query).all()
    shown = rows[: sight.limit]
    reasons = reasons_of(sight.connection, sight.view, shown)
    lines = ((row.source, 1, _wanted(row, reasons.get(row.id, "")), ()) for row in shown)
    return len(rows), sight.items(lines)


def _wanted(row: Any, reason: str) -> str:
    return f"{kind_word(row.kind).replace('_', ' ')} {row.wanted}" + (f" ({reason})" if reason else "")


def duplicates(sight: Sight) -> Found:
    """Artifacts that several teams keep: the digest, how many versions hold it (`value`), and which (`refs`)."""
    teams = sight.teams()
    held = {d: v for d, v in _held(sight).items() if len({int(teams[n]) for n in v}) > 1}
    lines = sorted(((d, len(v), "", v) for d, v in held.items()), key=lambda line: (-line[1], line[3]))
    return len(lines), sight.items(lines[: sight.limit])


def _held(sight: Sight) -> dict[int, list[int]]:
    """Versions by the digest they share, where more than one does."""
    snapshot, visible = sight.snapshot, sight.visible
    source, target, kind = snapshot.edges()
    wanted = (kind == EdgeKind.SAME_ARTIFACT) & (snapshot.nodes["kind"][source] == NodeKind.VERSION)
    if visible is not None:
        wanted &= visible[snapshot.nodes["registry"][source]]
    shared = wanted & (np.bincount(target[wanted], minlength=len(snapshot.nodes["kind"])) > 1)[target]
    found: dict[int, list[int]] = defaultdict(list)
    for version, digest in sorted(zip(source[shared].tolist(), target[shared].tolist(), strict=True)):
        found[digest].append(version)
    return found


def findings(sight: Sight) -> Found:
    """Contradictions (`detail`): cycles, one digest in two registries, dependencies on what is gone or re-created."""
    depends = links(sight.snapshot, sight.visible, (EdgeKind.DEPENDS_ON,))
    lines: list[tuple[int, int, str, Sequence[int]]] = [
        (knot[0], len(knot), "cycle", knot[1:]) for knot in cycles(depends)
    ]
    registry = sight.snapshot.nodes["registry"]
    for digest, held in sorted(_held(sight).items(), key=lambda item: item[1]):
        if len({int(registry[n]) for n in held}) > 1:
            lines.append((digest, len(held), "claimed by several registries", held))
    lines += _on_the_gone(sight)
    return len(lines), sight.items(lines[: sight.limit])


def _on_the_gone(sight: Sight) -> list[tuple[int, int, str, Sequence[int]]]:
    """Edges to a version that was deleted; where another lives under its name, the finding says so."""
    edge, target, source = tables.edge.c, tables.node.c, tables.node.alias()
    old, new, mine, theirs = (t.alias() for t in (spine.version, spine.version, spine.model, spine.model))
    again = (
        select(new.c.id)
        .join(theirs, theirs.c.id == new.c.model_id)
        .where(theirs.c.registry_id == old.c.registry_id, theirs.c.name == mine.c.name)
        .where(new.c.version == old.c.version, new.c.deleted_at.is_(None))
        .exists()
    )
    query: Any = (
        select(edge.source, edge.target, again.label("again"))
        .join(tables.node, target.id == edge.target)
        .join(source, source.c.id == edge.source)
        .join(old, old.c.id == target.scope)
        .join(mine, mine.c.id == old.c.model_id)
        .where(~edge.gone, target.gone, target.kind == NodeKind.VERSION, edge.wanted_model != "")
        .where(sight.view.clause(source.c.registry_id), sight.view.clause(target.registry_id))
        .order_by(edge.source, edge.target, edge.id)
    )
    return [
        (row.source, 1, "target-recreated" if row.again else "depends on a deleted version", [row.target])
        for row in sight.connection.execute(query)
    ]


def bypasses(sight: Sight) -> Found:
    """Versions that came to a guarded stage, or left it, on the backend itself, newest first: which policy would have
    refused it (`detail`), of what is not sealed in an archive.
    """
    entries, node = spine.journal.c, tables.node.c
    of = sight.connection.execute(
        select(entries.entry)
        .where(entries.action == Action.POLICY_BYPASSED, sight.view.clause(entries.registry_id))
        .order_by(entries.seq.desc())
    )
    told = [decode(row.entry) for row in of]
    ids = {one.entry.targets["version"] for one in told[: sight.limit]}
    known = select(node.id, node.scope).where(
        node.kind == NodeKind.VERSION, node.scope.in_(ids), node.name == ""
    )
    nodes = {row.scope: row.id for row in sight.connection.execute(known)}
    lines = [(nodes.get(one.entry.targets["version"]), _bypassed(one.entry)) for one in told[: sight.limit]]
    return len(told), sight.items((found, 1, detail, ()) for found, detail in lines if found is not None)


def _bypassed(entry: Entry) -> str:
    before, after = (said["stage"] or "nothing" for said in (entry.before, entry.after))
    return f"{before} became {after}, which policy {entry.details['policy']} guards"


INSIGHTS: Mapping[str, Callable[[Sight], Found]] = {
    "most-depended-on": most_depended_on,
    "deepest-chains": deepest_chains,
    "orphans": orphans,
    "single-points-of-failure": single_points_of_failure,
    "cross-team": cross_team,
    "unresolved": unresolved,
    "duplicates": duplicates,
    "findings": findings,
    "bypasses": bypasses,
}


def insights(
    connection: Connection,
    snapshot: Snapshot,
    view: View,
    name: str,
    limit: int = 50,
    cursor: str | None = None,
) -> InsightAnswer:
    """One list. Errors: `UnknownInsightError`, `CursorError`."""
    begin = check(name, cursor)
    total, items = INSIGHTS[name](Sight(connection, snapshot, view, begin + limit, registries(connection)))
    scope = "all" if view.registry_ids is None else "visible"
    shown = items[begin:]
    onward = paging.follow([item.ref for item in shown], begin + limit, min(total, DEEPEST))
    return InsightAnswer(name, explained(name), scope, total, shown, onward)


def check(name: str, cursor: str | None) -> int:
    """Where a page of a list begins. Errors: `UnknownInsightError`, `CursorError`."""
    if name not in INSIGHTS:
        raise UnknownInsightError(f"there is no list {name[:80]!r}: there are {', '.join(INSIGHTS)}")
    begin = 0 if cursor is None else paging.read(cursor)[1]
    if begin > DEEPEST:
        raise paging.CursorError(f"lists are read to their first {DEEPEST} lines")
    return begin


def explained(name: str) -> str:
    """What a list says of itself."""
    return " ".join((INSIGHTS[name].__doc__ or "").split())
