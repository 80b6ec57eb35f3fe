"""The blast radius as a picture: DOT text, and SVG through Graphviz.

At most LIMIT boxes; what does not fit is one box per team that says how many it stands for. Left to right,
coloured by team, shape by kind, production with a double line, live with a heavy one, what breaks in red.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from federation.errors import SetupError
from federation.graph.blast import Blast
from federation.graph.names import Named, Registry, named
from federation.graph.rows import Array
from federation.graph.snapshot import Snapshot
from federation.graph.words import EdgeKind, NodeKind, kind_word
from federation.references import parse, url

LIMIT = 200
LONGEST = 46
"""Characters of a name in a box on a page: of a longer one its beginning and its end."""
SECONDS = 20
COLOURS = (
    "#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc", "#d9d2e9", "#fce5cd", "#d0e0e3", "#ead1dc", "#e2efda", "#dbe5f1",
)  # fmt: skip
SHAPES = {
    "version": "box",
    "model": "ellipse",
    "alias": "ellipse",
    "stage": "ellipse",
    "digest": "diamond",
    "dataset": "cylinder",
    "commit": "note",
    "run": "component",
    "endpoint": "cds",
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


class DrawingError(SetupError):
    """No picture could be made. One line with cause and remedy."""

    code = "no-picture"


@dataclass(frozen=True, slots=True)
class Box:
    """One box; `label` is what it says where that is not its name."""

    name: Named
    start: bool = False
    breaks: bool = False
    live: bool = False
    label: str = ""
    address: str = ""
    """Where it leads to, where that is not its own page."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is drawn: boxes by key, arrows from provider to consumer with their kind."""

    boxes: dict[str, Box]
    arrows: list[tuple[str, str, str]]


def sketch(connection: Connection, snapshot: Snapshot, found: Blast, known: dict[int, Registry]) -> Sketch:
    """The gravest of a blast with the paths that lead to them, as many as fit, and the rest folded by team."""
    teams = sorted({known[r].team for r in found.counts.registries if r in known})
    indices, left = _chosen(found, LIMIT - min(len(teams), LIMIT // 2))
    indices |= _endpoints(snapshot, found, indices, LIMIT - len(indices) - min(len(teams), LIMIT // 2))
    nodes = {index: int(found.closure.node[index]) for index in sorted(indices)}
    names = named(connection, nodes.values(), known)
    breaking = set(found.items[: LIMIT * 2][found.breaks[: LIMIT * 2]].tolist())
    drawn = sorted(
        (int(found.closure.distance[index]), names[node].ref, index)
        for index, node in nodes.items()
        if node in names
    )
    keys = {nodes[index]: f"n{place}" for place, (_, _, index) in enumerate(drawn)}
    boxes = {
        keys[nodes[index]]: Box(
            names[nodes[index]],
            start=bool(found.closure.parent[index] < 0),
            breaks=index in breaking,
            live=bool(snapshot.nodes["live"][nodes[index]]),
        )
        for _, _, index in drawn
    }
    between = arrows(snapshot, keys)
    starts = [key for key, box in boxes.items() if box.start][:1]
    for place, (team, count) in enumerate(_folded(snapshot, left, known)[: max(LIMIT - len(boxes), 0)]):
        key = f"t{place}"
        boxes[key] = Box(Named(team, "team", team=team), label=f"{team}: {count:,} more")
        between += [(start, key, "folded") for start in starts]
    return Sketch(boxes, between)


def _chosen(found: Blast, room: int) -> tuple[set[int], Array]:
    """Indices in the closure that are drawn, paths included; and the nodes that are not."""
    chosen = set(np.flatnonzero(found.closure.parent < 0)[: max(room // 2, 1)].tolist())
    drawn = 0
    for index in found.items[: LIMIT * 2].tolist():
        path = set(found.closure.path(index))
        if len(chosen | path) > room:
            break
        chosen |= path
        drawn += 1
    rest = found.items[drawn:]
    return chosen, found.closure.node[rest[~np.isin(rest, list(chosen))]]


def _endpoints(snapshot: Snapshot, found: Blast, chosen: set[int], room: int) -> set[int]:
    kinds = snapshot.nodes["kind"][found.closure.node]
    served = np.flatnonzero((kinds == NodeKind.ENDPOINT) & np.isin(found.closure.parent, list(chosen)))
    return set(served[: max(room, 0)].tolist())


def arrows(snapshot: Snapshot, keys: Mapping[int, str]) -> list[tuple[str, str, str]]:
    """All edges between nodes that have a key, as arrows between their keys."""
    listed = np.array(sorted(keys), np.int32)
    if not len(listed):
        return []
    consumer, kind, origin = snapshot.down.neighbours(listed)
    inside = np.isin(consumer, listed)
    return sorted(
        (keys[provider], keys[taker], kind_word(sort))
        for provider, taker, sort in zip(
            listed[origin[inside]].tolist(), consumer[inside].tolist(), kind[inside].tolist(), strict=True
        )
        if sort != EdgeKind.SAME_ARTIFACT or keys[provider] < keys[taker]
    )


def _folded(snapshot: Snapshot, left: Array, known: dict[int, Registry]) -> list[tuple[str, int]]:
    count: dict[str, int] = {}
    for registry, number in enumerate(np.bincount(snapshot.nodes["registry"][left], minlength=1).tolist()):
        if number and registry in known:
            count[known[registry].team] = count.get(known[registry].team, 0) + number
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))


def colours(drawn: Sketch) -> dict[str, str]:
    """The colour of each team whose boxes are drawn; white for what is of none."""
    teams = sorted({box.name.team for box in drawn.boxes.values()} - {""})
    return {"": "#ffffff", **{team: COLOURS[place % len(COLOURS)] for place, team in enumerate(teams)}}


def dot(drawn: Sketch, link: str | None = None) -> str:
    """The sketch as DOT. `link` is put before each reference to make its address, such as `/impact/`."""
    of_teams = colours(drawn)
    lines = [
        "digraph impact {",
        "  rankdir=LR; bgcolor=transparent; nodesep=0.15; ranksep=0.5; concentrate=false;",
        '  node [style=filled, color="#666666", fontname="Helvetica", fontsize=11, margin="0.12,0.06"];',
        '  edge [color="#888888", arrowsize=0.7, fontname="Helvetica", fontsize=9];',
        *(f"  {key} [{_style(box, of_teams, link)}];" for key, box in drawn.boxes.items()),
        *(f"  {a} -> {b} [{_arrow(kind)}];" for a, b, kind in drawn.arrows),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _cut(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"


def _style(box: Box, of_teams: dict[str, str], link: str | None) -> str:
    name = box.name
    styles: dict[str, str] = {
        "label": box.label or (name.ref if link is None else _cut(name.ref)),
        "shape": SHAPES.get(name.kind, "folder"),
        "fillcolor": of_teams[name.team],
        "tooltip": " · ".join(part for part in (name.ref, name.team, name.stage) if part),
    }
    if name.stage == "production":
        styles["peripheries"] = "2"
    if box.breaks:
        styles["color"] = "#c00000"
    if box.live or box.start:
        styles["penwidth"] = "2.5"
    if box.start:
        styles["class"] = "start"
    if box.address:
        styles["URL"] = box.address
    elif link is not None and name.kind == "version":
        styles["URL"] = link + url(parse(name.ref))
    return ", ".join(f"{key}={_quoted(value)}" for key, value in styles.items())


def _arrow(kind: str) -> str:
    styles = {"derived_from": "dashed", "same_artifact": "dotted", "folded": "dashed", "means": "bold"}
    return f'style={styles.get(kind, "solid")}, tooltip="{kind}"'


def _quoted(text: str) -> str:
    safe = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def svg(text: str) -> str:
    """DOT as an SVG element, without prolog. Errors: `DrawingError`."""
    command = _graphviz()
    if not command:
        raise DrawingError("a drawing needs Graphviz: pip install 'waypost[drawing]', or install dot")
    try:
        run = subprocess.run(
            [*command, "-Tsvg"], input=text.encode(), capture_output=True, timeout=SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise DrawingError(f"Graphviz took more than {SECONDS} s: ask for less depth") from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise DrawingError(f"Graphviz failed: {str(error)[:200]}") from None
    drawn = run.stdout.decode(errors="replace")
    return drawn[drawn.index("<svg") :]


def _graphviz() -> list[str]:
    beside = Path(sys.executable).parent / "graphviz-pure"
    found = shutil.which("dot") or (str(beside) if beside.exists() else shutil.which("graphviz-pure"))
    return [found] if found else []
