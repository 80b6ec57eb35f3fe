"""The answer to "what breaks if …": the blast radius with names, in pages, with the state of what is known."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import add
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Dialect, select

from federation.access import EVERYTHING, View
from federation.errors import UnknownError
from federation.graph import paging
from federation.graph.answers import (
    BY_COUNT,
    BY_DEPTH,
    RESTRICTED,
    Affected,
    ImpactAnswer,
    ImpactCounts,
    TeamCounts,
)
from federation.graph.blast import Blast, Counts, Effects, blast, effect_on, severity
from federation.graph.deprecations import deprecated, said_query
from federation.graph.names import Named, Registry, ServingEndpoint, endpoints_of, named
from federation.graph.snapshot import Snapshot
from federation.graph.subject import Action, Cause, Forecast, Subject, locate
from federation.graph.unresolved import (
    mentions,
    named_by,
    naming,
    naming_query,
    unreadable,
    unreadable_line,
    unreadable_query,
)
from federation.graph.walk import visibility
from federation.graph.words import EdgeKind
from federation.prepared import COMPILED, Statement, cursor_of, prepare
from federation.references import ReferenceSyntaxError, parse

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
    count_to: int | None = None,
    large: bool = True,
) -> ImpactAnswer:
    """Who is hit when `action` is done to `subject`.

    `everything` (permission `impact.global`) counts over all registries and names nothing. `count_to` ends the count
    once it has met so many or more of what is affected. Errors:
    `ImpactQuestionError`, `UnknownError`, `CursorError`, and `LargeError` unless `large`.
    """
    forecast = Forecast(connection, snapshot, view, known)
    asked = Asked(subject, forecast.of(subject, action, to), action, to)
    return _answer(
        forecast, asked, depth, limit, cursor, everything=everything, count_to=count_to, large=large
    )


def impact_of_causes(
    connection: Connection,
    snapshot: Snapshot,
    view: View,
    ref: str,
    causes: Sequence[Cause],
    known: dict[int, Registry],
    *,
    limit: int = 50,
    everything: bool = False,
) -> ImpactAnswer:
    """Who is hit by all that a write does. `everything` and errors as for `impact`."""
    forecast = Forecast(connection, snapshot, view, known)
    asked = Asked(*forecast.of_causes(ref, causes), "plan")
    return _answer(forecast, asked, None, limit, None, everything=everything)


class Asked(NamedTuple):
    """A question worked out: what is hit, and what becomes of whoever depends on that directly."""

    subject: Subject
    effects: Effects
    action: str
    to: str | None = None


def _answer(
    forecast: Forecast,
    asked: Asked,
    depth: int | None,
    limit: int,
    cursor: str | None,
    *,
    everything: bool,
    count_to: int | None = None,
    large: bool = True,
) -> ImpactAnswer:
    connection, snapshot, view = forecast.connection, forecast.snapshot, forecast.view
    known, (subject, effects, action, to) = forecast.registries, asked
    reach = EVERYTHING if everything else view
    visible = visibility(reach.registry_ids, snapshot)
    most = 0 if everything else limit if cursor is None else None
    found = blast(snapshot, subject.nodes, effects, visible, depth, most=most, count_to=count_to, large=large)
    own = own_endpoints(connection, reach, forecast.names(subject.versions), known) if found.served else []
    some = _some(connection, view, reach, subject)
    vague = unreadable(connection, reach) if some.unreadable else []
    mentioning = [row for row in vague if mentions(row.wanted, subject)]
    unresolved = [] if everything else naming(connection, view, subject, known, mentioning, some=some.naming)
    cut = BY_DEPTH if depth is not None else BY_COUNT
    missing = gaps(known, reach, cut if found.closure.cut else None, nameless=everything)
    if len(unresolved) > len(mentioning):
        missing.append("something unknown of this name is needed by others: see `unresolved`")
    if vague:
        missing.append(unreadable_line(len(vague)))
    said = deprecated(connection, view, [str(subject.reference)]) if some.deprecated else {}
    page = AffectedPage(connection, snapshot, view, known, found, effects)
    items, next_cursor = ([], None) if everything else page.read(limit, cursor)
    return ImpactAnswer(
        ref=subject.ref,
        action=action,
        to=to,
        scope="all" if reach.registry_ids is None else "visible",
        complete=not missing,
        incomplete=missing,
        note="" if reach.registry_ids is None else RESTRICTED,
        severity=_gravest(found.counts, own),
        counts=_counts(found, known, len(mentioning)),
        endpoints=[] if everything else own,
        by_team=[] if everything else by_team(found, known),
        affected=items,
        unresolved=unresolved,
        next_cursor=next_cursor,
        deprecated=next(iter(said.values()), None),
    )


class _Some(NamedTuple):
    """Whether there is any of what is said beside the graph. Mostly there is none, and one statement tells."""

    unreadable: bool
    naming: bool
    deprecated: bool


def _some(connection: Connection, view: View, reach: View, subject: Subject) -> _Some:
    wanted = {} if subject.reference is None else named_by(subject.reference)
    [found] = _any(connection.dialect, view, reach).bare(cursor_of(connection), wanted)
    return _Some(*map(bool, found))


@lru_cache(COMPILED)
def _any(dialect: Dialect, view: View, reach: View) -> Statement:
    queries = (unreadable_query(reach), naming_query(view), said_query(view))
    asked: Iterator[Any] = (
        query.exists().label(name) for query, name in zip(queries, _Some._fields, strict=True)
    )
    return prepare(dialect, select(*asked))


def gaps(known: dict[int, Registry], view: View, cut: str | None, *, nameless: bool = False) -> list[str]:
    """Why an answer over these registries may not be everything, one line each. `cut`: what ended the walk."""
    stale = sorted(
        registry.name for key, registry in known.items() if not registry.current and view.sees(key)
    )
    found = [] if cut is None else [cut]
    if stale and nameless:
        found.append("a registry has not been read whole and lately")
    elif stale:
        named_ones = ", ".join(stale[:10]) + (f" and {len(stale) - 10} more" if len(stale) > 10 else "")
        found.append(f"not read whole and lately: {named_ones}")
    return found


def own_endpoints(
    connection: Connection, view: View, names: Mapping[int, Named], known: dict[int, Registry]
) -> list[ServingEndpoint]:
    """What serves the subject itself: it goes down with it, though nothing depends on it. Live ones with most traffic
    first, as for one version."""
    served = endpoints_of(connection, view, [name.version_id for name in names.values()], known)
    found = [endpoint for name in names.values() for endpoint in served.get(name.version_id, [])]
    return sorted(found, key=lambda one: (not one.live, -one.percent, one.name, one.registry))


def _gravest(counts: Counts, own: Sequence[ServingEndpoint]) -> str:
    if counts.live or any(endpoint.live and endpoint.percent > 0 for endpoint in own):
        return "live"
    found = {"production": counts.production, "staging": counts.staging, "other": counts.affected}
    return next((name for name, number in found.items() if number), "none")


def _counts(found: Blast, known: dict[int, Registry], unreadable: int) -> ImpactCounts:
    counts = found.counts
    return ImpactCounts(
        affected=counts.affected,
        breaking=counts.breaking,
        live=counts.live,
        production=counts.production,
        staging=counts.staging,
        teams=len({known[registry].team for registry in counts.registries if registry in known}),
        registries=len(counts.registries),
        unreadable=unreadable,
    )


def by_team(found: Blast, known: dict[int, Registry]) -> list[TeamCounts]:
    """The teams that are hit: by live, then production, then breaking, then affected versions."""
    teams: dict[str, Sequence[int]] = {}
    for registry, hits in sorted(found.hits.items()):
        if registry in known:
            team = known[registry].team
            teams[team] = list(map(add, teams[team], hits)) if team in teams else hits
    listed = [
        TeamCounts(team, affected, breaking, live, production)
        for team, (affected, breaking, live, production, _) in teams.items()
    ]
    listed.sort(key=lambda t: (-t.live, -t.production, -t.breaking, -t.affected, t.team))
    return listed[:TEAMS_SHOWN]


class AffectedPage:
    """Some of the affected, with names."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Snapshot,
        view: View,
        known: dict[int, Registry],
        found: Blast,
        effects: Effects,
    ) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._view = view
        self._known = known
        self._found = found
        self._effects = effects

    def read(self, limit: int, cursor: str | None) -> tuple[list[Affected], str | None]:
        """Those after the cursor, and the cursor after them. Errors: `CursorError`."""
        begin = paging.begin(cursor, self._place)
        total = self._found.counts.affected
        end = min(begin + limit, total)
        items = self.between(begin, end)
        return items, paging.follow([item.ref for item in items], end, total)

    def between(self, begin: int, end: int) -> list[Affected]:
        """Those from place `begin` to before `end`; ones whose registry was forgotten meanwhile are left out."""
        if begin >= end:
            return []
        closure = self._found.closure
        nodes = closure.node.data
        indices = self._found.items[begin:end].tolist()
        paths = [[nodes[step] for step in closure.path(index)] for index in indices]
        names = named(self._connection, {node for path in paths for node in path}, self._known)
        served: Mapping[int, list[ServingEndpoint]] = {}
        if self._found.served:
            versions = [names[path[-1]].version_id for path in paths if path[-1] in names]
            served = endpoints_of(self._connection, self._view, versions, self._known)
        lines = zip(indices, paths, self._found.breaks[begin:end].tolist(), strict=True)
        return [self._item(*line, names, served) for line in lines if line[1][-1] in names]

    def _item(
        self,
        index: int,
        path: list[int],
        breaks: bool,
        names: Mapping[int, Named],
        served: Mapping[int, list[ServingEndpoint]],
    ) -> Affected:
        node, plain = path[-1], self._snapshot.plain
        name, distance = names[node], int(self._found.closure.distance[index])
        # Only who is one step away can have an effect of its own.
        effect = effect_on(self._snapshot, self._effects, node) if distance <= 1 else None
        return Affected(
            name.ref,
            distance,
            breaks,
            effect[1].reason if effect else self._reason(index, path, names),
            SEVERITIES[plain["live"][node] != 0][plain["stage"][node]],
            name.stage,
            name.team,
            name.registry,
            served.get(name.version_id, []),
            [names[one].ref for one in path[1:-1] if one in names],
        )

    def _reason(self, index: int, path: list[int], names: Mapping[int, Named]) -> str:
        """Why something that has no effect of its own is affected: the last step of its path."""
        before = names.get(path[-2])
        words = _WORDS[int(self._found.closure.kind[index])]
        return f"{words} {before.ref if before else 'what is hit'}"

    def _place(self, ref: str) -> int | None:
        try:
            node = locate(self._connection, self._view, parse(ref))
        except (ReferenceSyntaxError, UnknownError):
            return None
        found = np.flatnonzero(self._found.nodes == node)
        return int(found[0]) if len(found) else None


SEVERITIES = [[severity(live, stage).name.lower() for stage in range(4)] for live in (False, True)]
"""By whether it is live, and its stage."""
_WORDS: dict[int, str] = {
    int(EdgeKind.DEPENDS_ON): "depends on",
    int(EdgeKind.DERIVED_FROM): "is derived from",
    int(EdgeKind.TRAINED_ON): "was trained on",
    int(EdgeKind.PRODUCED_BY): "was produced by",
    int(EdgeKind.SERVES): "serves",
    int(EdgeKind.SAME_ARTIFACT): "holds the same artifact as",
    int(EdgeKind.MEANS): "means",
}
