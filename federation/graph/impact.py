"""What breaks if: the blast with names, pages and the state of what is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, select

from federation.access import EVERYTHING, View
from federation.graph import paging, tables
from federation.graph.answers import RESTRICTED, Affected, ImpactAnswer, ImpactCounts, TeamCounts, Unresolved
from federation.graph.blast import Blast, blast, fate_of, severity
from federation.graph.blast import Fates as Lots
from federation.graph.names import Endpoint, Named, Registry, endpoints_of, named
from federation.graph.resolve import chunks
from federation.graph.snapshot import Snapshot
from federation.graph.subject import Action, Fates, Subject, UnknownSubjectError, locate
from federation.graph.walk import visibility
from federation.graph.words import EdgeKind, NodeKind, Severity, Stage, kind_word
from federation.references import ReferenceSyntaxError, encode_part, parse

UNRESOLVED_SHOWN = 100
TEAMS_SHOWN = 100


def impact(
    connection: Connection,
    snapshot: Snapshot,
    view: View,
    subject: Subject,
    action: Action,
    known: dict[int, Registry],
    *,
    to: str | None = None,
    depth: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
    everything: bool = False,
) -> ImpactAnswer:
    """Who is hit when `action` is done to `subject`.

    `everything` (permission `impact.global`) counts over all registries and names nothing. Errors:
    `ImpactQuestionError`, `UnknownSubjectError`, `CursorError`.
    """
    fates = Fates(connection, view, known)
    lots = fates.of(subject, action, to)
    reach = EVERYTHING if everything else view
    found = blast(snapshot, subject.nodes, lots, visibility(reach.registry_ids, snapshot), depth)
    serves = served_at_all(snapshot, found)
    own = own_endpoints(connection, reach, fates.names(subject.versions), known) if serves else []
    unresolved = [] if everything else naming(connection, view, subject, known)
    missing = gaps(known, reach, cut=found.closure.cut, nameless=everything)
    if unresolved:
        missing.append("something unknown of this name is needed by others: see `unresolved`")
    page = Page(connection, snapshot, view, known, found, lots)
    items, next_cursor = ([], None) if everything else page.read(limit, cursor)
    return ImpactAnswer(
        ref=subject.ref,
        action=action,
        to=to,
        scope="all" if reach.registry_ids is None else "visible",
        complete=not missing,
        incomplete=missing,
        note="" if reach.registry_ids is None else RESTRICTED,
        severity=_gravest(snapshot, found, own),
        counts=_counts(found, known),
        endpoints=[] if everything else own,
        by_team=[] if everything else by_team(snapshot, found, known),
        affected=items,
        unresolved=unresolved,
        next_cursor=next_cursor,
    )


def gaps(known: dict[int, Registry], view: View, *, cut: bool, nameless: bool = False) -> list[str]:
    """Why an answer over these registries may not be everything, one line each."""
    stale = sorted(
        registry.name for key, registry in known.items() if not registry.current and view.sees(key)
    )
    found = ["`depth` ended the walk while there was more"] if cut else []
    if stale and nameless:
        found.append("a registry has not been read whole and lately")
    elif stale:
        named_ones = ", ".join(stale[:10]) + (f" and {len(stale) - 10} more" if len(stale) > 10 else "")
        found.append(f"not read whole and lately: {named_ones}")
    return found


def served_at_all(snapshot: Snapshot, found: Blast) -> bool:
    """Whether an endpoint serves any of the found, as far as the graph tells."""
    if found.closure.cut:
        return True
    return bool((snapshot.nodes["kind"][found.closure.node] == NodeKind.ENDPOINT).any())


def own_endpoints(
    connection: Connection, view: View, names: Mapping[int, Named], known: dict[int, Registry]
) -> list[Endpoint]:
    """What serves the subject itself: it goes down with it, though nothing depends on it."""
    served = endpoints_of(connection, view, [name.version_id for name in names.values()], known)
    return [endpoint for name in names.values() for endpoint in served.get(name.version_id, [])]


def _gravest(snapshot: Snapshot, found: Blast, own: Sequence[Endpoint]) -> str:
    if any(endpoint.live and endpoint.percent > 0 for endpoint in own):
        return "live"
    if not len(found.items):
        return "none"
    return Severity(int(severity(snapshot, found.nodes).max())).name.lower()


def _counts(found: Blast, known: dict[int, Registry]) -> ImpactCounts:
    counts = found.counts
    return ImpactCounts(
        affected=counts.affected,
        breaking=counts.breaking,
        live=counts.live,
        production=counts.production,
        staging=counts.staging,
        teams=len({known[registry].team for registry in counts.registries if registry in known}),
        registries=len(counts.registries),
    )


def by_team(snapshot: Snapshot, found: Blast, known: dict[int, Registry]) -> list[TeamCounts]:
    """The teams that are hit: by live, then production, then breaking, then affected versions."""
    nodes = found.nodes
    registry = snapshot.nodes["registry"][nodes]
    marks = (
        None,
        found.breaks,
        snapshot.nodes["live"][nodes] != 0,
        snapshot.nodes["stage"][nodes] == Stage.PRODUCTION,
    )
    columns = [
        np.bincount(registry if mark is None else registry[mark], minlength=1).tolist() for mark in marks
    ]
    teams: dict[str, list[int]] = {}
    for hit in found.counts.registries:
        numbers = teams.setdefault(known[hit].team, [0] * len(columns)) if hit in known else []
        for place, column in enumerate(columns[: len(numbers)]):
            numbers[place] += column[hit] if hit < len(column) else 0
    listed = [TeamCounts(team, *numbers) for team, numbers in teams.items()]
    listed.sort(key=lambda t: (-t.live, -t.production, -t.breaking, -t.affected, t.team))
    return listed[:TEAMS_SHOWN]


class Page:
    """Some of the affected, with names."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Snapshot,
        view: View,
        known: dict[int, Registry],
        found: Blast,
        lots: Lots,
    ) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._view = view
        self._known = known
        self._found = found
        self._lots = lots

    def read(self, limit: int, cursor: str | None) -> tuple[list[Affected], str | None]:
        """Those after the cursor, and the cursor after them. Errors: `CursorError`."""
        begin = paging.begin(cursor, self._place)
        end = min(begin + limit, len(self._found.items))
        items = self.between(begin, end)
        return items, paging.follow([item.ref for item in items], end, len(self._found.items))

    def between(self, begin: int, end: int) -> list[Affected]:
        """Those from place `begin` to before `end`; ones whose registry was forgotten meanwhile are left out."""
        indices = self._found.items[begin:end].tolist()
        paths = [
            [int(self._found.closure.node[i]) for i in self._found.closure.path(index)] for index in indices
        ]
        # Only who is one step away can have a fate of its own.
        near = (self._found.closure.distance[self._found.items[begin:end]] <= 1).tolist()
        fates = [
            fate_of(self._snapshot, self._lots, path[-1]) if direct else None
            for path, direct in zip(paths, near, strict=True)
        ]
        grave = severity(self._snapshot, self._found.nodes[begin:end]).tolist()
        shown = {node for path in paths for node in path}
        names = named(self._connection, shown, self._known)
        versions = [names[path[-1]].version_id for path in paths if path[-1] in names]
        serves = served_at_all(self._snapshot, self._found)
        served = endpoints_of(self._connection, self._view, versions, self._known) if serves else {}
        items = []
        for place, (path, fate) in enumerate(zip(paths, fates, strict=True), begin):
            if (name := names.get(path[-1])) is None:
                continue
            breaks = bool(self._found.breaks[place])
            via = [names[node].ref for node in path[1:-1] if node in names]
            reason = fate[1].reason if fate else self._reason(indices[place - begin], path, names)
            index = indices[place - begin]
            item = Affected(
                ref=name.ref,
                distance=int(self._found.closure.distance[index]),
                breaks=breaks,
                reason=reason,
                severity=_SEVERITY[grave[place - begin]],
                stage=name.stage,
                team=name.team,
                registry=name.registry,
                endpoints=served.get(name.version_id, []),
                via=via,
            )
            items.append(item)
        return items

    def _reason(self, index: int, path: list[int], names: dict[int, Named]) -> str:
        """Why something that has no fate of its own is affected: the last step of its path."""
        closure = self._found.closure
        words = _WORDS[EdgeKind(int(closure.kind[index]))]
        before = names.get(path[-2])
        return f"{words} {before.ref if before else 'what is hit'}"

    def _place(self, ref: str) -> int | None:
        try:
            node = locate(self._connection, self._view, parse(ref))
        except (ReferenceSyntaxError, UnknownSubjectError):
            return None
        found = np.flatnonzero(self._found.nodes == node)
        return int(found[0]) if len(found) else None


_SEVERITY = {int(one): one.name.lower() for one in Severity}
_WORDS = {
    EdgeKind.DEPENDS_ON: "depends on",
    EdgeKind.DERIVED_FROM: "is derived from",
    EdgeKind.TRAINED_ON: "was trained on",
    EdgeKind.PRODUCED_BY: "was produced by",
    EdgeKind.SERVES: "serves",
    EdgeKind.SAME_ARTIFACT: "holds the same artifact as",
    EdgeKind.MEANS: "means",
}


def naming(
    connection: Connection, view: View, subject: Subject, known: dict[int, Registry]
) -> list[Unresolved]:
    """Statements that name the subject's model but nothing that is known of it: they may mean it."""
    if subject.reference is None:
        return []
    node = tables.node.c
    query = _NAMING if view.registry_ids is None else _NAMING.where(view.clause(node.registry_id))
    wanted = {"model": encode_part(subject.reference.model), "registry": subject.reference.registry}
    return unresolved(connection, connection.execute(query, wanted).all(), known)


_NAMING = (
    select(tables.edge)
    .join(tables.node, tables.node.c.id == tables.edge.c.source)
    .where(tables.edge.c.target.is_(None), ~tables.edge.c.gone)
    .where(
        tables.edge.c.wanted_model == bindparam("model"),
        tables.edge.c.wanted_registry == bindparam("registry"),
    )
    .order_by(tables.edge.c.id)
    .limit(UNRESOLVED_SHOWN)
)


def unresolved(connection: Connection, rows: Sequence[Any], known: dict[int, Registry]) -> list[Unresolved]:
    """Edge rows without a target, as an answer shows them."""
    found: list[Unresolved] = []
    for part in chunks(rows):
        names = named(connection, {row.source for row in part}, known)
        found += [
            Unresolved(names[row.source].ref, row.wanted, kind_word(row.kind), row.origin, row.first_seen_at)
            for row in part
            if row.source in names
        ]
    return found
