"""What is around a version, node by node: what it needs on its left, what needs it on its right.

Only what was opened is walked any further, so that a neighbour of a million others costs no more than one of three.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from federation.access import View
from federation.graph.drawing import LIMIT, Box, Sketch, arrows, colours, dot
from federation.graph.names import Named, Registry, named
from federation.graph.rows import Array
from federation.graph.snapshot import Direction, Snapshot
from federation.graph.subject import Subject
from federation.graph.walk import Closure, closure, visibility
from federation.graph.words import CONNECTORS, Stage

NEAR = 12
"""Neighbours of the version itself that are drawn at first; what is live or in production comes before."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A drawing as DOT with the colour of each team; `opened` are the names of nodes in it that were opened, `closed`
    how many may be opened still.
    """

    ref: str
    dot: str
    teams: Mapping[str, str]
    opened: list[str]
    closed: int


@dataclass
class _DrawnSide:
    """One direction of the walk: nodes as they are met, and how many neighbours of a node are not drawn."""

    direction: Direction
    met: dict[int, None]
    more: dict[int, int]


def around(
    connection: Connection,
    snapshot: Snapshot,
    view: View,
    subject: Subject,
    known: dict[int, Registry],
    *,
    opened: Collection[str],
    whole: bool,
    page: str,
    opens: Callable[[str], str],
) -> Surroundings:
    """Draw it. `opened` are names of nodes whose neighbours are wanted too, or those of all (`whole`), at most 200
    boxes in all; `page` is put before each reference to make its address, `opens` makes the address that opens a name.
    """
    visible = visibility(view.registry_ids, snapshot)
    names = named(connection, subject.nodes, known)
    sides = [
        _DrawnSide(direction, dict.fromkeys(subject.nodes), {}) for direction in (snapshot.up, snapshot.down)
    ]
    for side in sides:
        front = list(subject.nodes)
        while front:
            names |= named(connection, front, known)
            is_open = {node: whole or (node in names and names[node].ref in opened) for node in front}
            front = _stepped(snapshot, side, visible, subject.nodes, is_open)
    nodes = sides[0].met | sides[1].met
    names |= named(connection, nodes, known)
    keys = {node: f"n{at}" for at, node in enumerate(sorted(node for node in nodes if node in names))}
    live = snapshot.nodes["live"]
    boxes = {
        key: Box(names[node], start=node in subject.nodes, live=bool(live[node]))
        for node, key in keys.items()
    }
    drawn = Sketch(boxes, arrows(snapshot, keys))
    for way, side in enumerate(sides):
        _add_more(drawn, side, keys, names, opens, bool(way))
    reached = {names[node].ref for node in keys} & set(opened)
    teams = {team: colour for team, colour in colours(drawn).items() if team}
    closed = sum(node in keys for side in sides for node in side.more)
    return Surroundings(subject.ref, dot(drawn, page), teams, sorted(reached), closed)


def _stepped(
    snapshot: Snapshot,
    side: _DrawnSide,
    visible: Array | None,
    starts: Collection[int],
    is_open: Mapping[int, bool],
) -> list[int]:
    """One step further from each node, as far as it is open; the nodes that come next."""
    found: dict[int, None] = {}
    for node, opened in is_open.items():
        room = LIMIT // 2 - len(side.met) if opened else NEAR if node in starts else 0
        step = closure(snapshot, np.array([node]), side.direction, visible, 1)
        fresh, left = _chosen(snapshot, step, side.met, max(room, 0))
        found |= dict.fromkeys(fresh)
        side.met |= found
        if left:
            side.more[node] = left
    return [node for node in found if snapshot.nodes["kind"][node] not in CONNECTORS]


def _chosen(snapshot: Snapshot, step: Closure, met: Collection[int], room: int) -> tuple[list[int], int]:
    """The nodes of a step that are drawn, with the connectors that lead to them; and how many others are not."""
    nodes, kinds = step.node.tolist(), snapshot.nodes["kind"]
    stops = [at for at, node in enumerate(nodes) if at and node not in met and kinds[node] not in CONNECTORS]
    live, stage = snapshot.nodes["live"], snapshot.nodes["stage"]
    stops.sort(key=lambda at: (-int(live[nodes[at]]), stage[nodes[at]] != Stage.PRODUCTION))
    shown = dict.fromkeys(nodes[one] for at in stops[:room] for one in step.path(at))
    return [node for node in shown if node not in met], max(0, len(stops) - room)


def _add_more(
    drawn: Sketch,
    side: _DrawnSide,
    keys: Mapping[int, str],
    names: Mapping[int, Named],
    opens: Callable[[str], str],
    downstream: bool,
) -> None:
    for node, count in side.more.items():
        if node not in keys:
            continue
        key = f"{'d' if downstream else 'u'}{keys[node]}"
        told = f"{count:,} that {'need' if downstream else 'are needed by'} it"
        ref = names[node].ref
        drawn.boxes[key] = Box(
            Named(f"show {told}: {ref}", "more", team=""), label=f"+ {count:,}", address=opens(ref)
        )
        drawn.arrows.append((keys[node], key, "folded") if downstream else (key, keys[node], "folded"))
