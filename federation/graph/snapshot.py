"""Rows and overlay as one graph that does not change while an answer is made.

`SnapshotReader` is what a process holds; each answer takes one `Snapshot` from it. Two `stat` calls tell whether the
worker has written something new.
"""

import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from federation.graph import overlay as overlays
from federation.graph.rows import NODE_COLUMNS, Array, DamagedError, Rows, Side, current, open_rows, unpack

EMPTY = np.zeros(0, np.int32)


@dataclass(frozen=True)
class Extra:
    """Overlay edges of one direction, sorted by row, and which edges of the rows are gone (None: none)."""

    row: Array
    node: Array
    kind: Array
    gone: Array | None


@dataclass(frozen=True)
class Direction:
    """One way to walk: the rows' side and what the overlay adds to it and takes from it."""

    side: Side
    extra: Extra

    @cached_property
    def _plain(self) -> tuple[memoryview, ...]:
        side, extra = self.side, self.extra
        arrays = (side.ptr, side.node, side.kind, extra.row, extra.node, extra.kind)
        return tuple(array.data for array in arrays)

    def degree(self, node: int) -> int:
        """How many neighbours a node has, at least: those of the overlay are not counted."""
        ptr = self._plain[0]
        return int(ptr[node + 1] - ptr[node])

    def degrees(self, nodes: Array) -> int:
        """The same of several nodes, added up."""
        return int((self.side.ptr[nodes + 1] - self.side.ptr[nodes]).sum(dtype=np.int64))

    def leading(self, nodes: Array) -> Array:
        """Those of `nodes` that have a neighbour, and maybe some that had one."""
        leads: Array = self.side.ptr[nodes + 1] > self.side.ptr[nodes]
        if len(self.extra.row):
            leads = leads | np.isin(nodes, self.extra.row)
        found: Array = nodes[leads]
        return found

    def beside(self, node: int) -> list[tuple[int, int]]:
        """Neighbours of one node as (neighbour, edge kind), in the same order: quicker where there are few of them."""
        ptr, others, kinds, row, added, sorts = self._plain
        start, end = ptr[node], ptr[node + 1]
        if start == end and not row:
            return []
        found = list(zip(others[start:end], kinds[start:end], strict=True))
        if self.extra.gone is not None and (gone := self.extra.gone[start:end]).any():
            found = [one for one, lost in zip(found, gone.tolist(), strict=True) if not lost]
        if row:
            low = bisect_left(row, node)
            high = bisect_right(row, node, low)
            if low < high:
                found = sorted([*found, *zip(added[low:high], sorts[low:high], strict=True)])
        return found

    def neighbours(self, nodes: Array) -> tuple[Array, Array, Array]:
        """Neighbours of `nodes`: (neighbour, edge kind, index into `nodes`), ordered by that index, then neighbour."""
        if len(nodes) == 1:
            start, end = self.side.ptr[nodes[0]], self.side.ptr[nodes[0] + 1]
            found, kind = self.side.node[start:end], self.side.kind[start:end]
            origin = np.zeros(len(found), np.int32)
            gone = None if self.extra.gone is None else self.extra.gone[start:end]
        else:
            start = self.side.ptr[nodes].astype(np.int64)
            origin, at = _spread(start, self.side.ptr[nodes + 1] - start)
            found, kind = self.side.node[at], self.side.kind[at]
            gone = None if self.extra.gone is None else self.extra.gone[at]
        if gone is not None and gone.any():
            found, kind, origin = found[~gone], kind[~gone], origin[~gone]
        return self._with_added(nodes, found, kind, origin) if len(self.extra.row) else (found, kind, origin)

    def beyond(self, nodes: Array) -> Array:
        """The neighbours of `nodes` in no order, some of them more than once: a third of the time of `neighbours`."""
        start = self.side.ptr[nodes].astype(np.int64)
        at = _places(start, self.side.ptr[nodes + 1] - start)
        found = self.side.node.take(at)
        if self.extra.gone is not None:
            found = found[~self.extra.gone.take(at)]
        return (
            np.concatenate((found, self.extra.node[self._added(nodes)[1]])) if len(self.extra.row) else found
        )

    def _with_added(
        self, nodes: Array, found: Array, kind: Array, origin: Array
    ) -> tuple[Array, Array, Array]:
        place, at = self._added(nodes)
        if not len(at):
            return found, kind, origin
        node, sort = self.extra.node[at], self.extra.kind[at]
        order = np.lexsort((sort, node, place))
        place, node, sort = place[order], node[order], sort[order]
        low, high = np.searchsorted(origin, place), np.searchsorted(origin, place, "right")
        where = _search(low, high, found, kind, node, sort)
        return np.insert(found, where, node), np.insert(kind, where, sort), np.insert(origin, where, place)

    def _added(self, nodes: Array) -> tuple[Array, Array]:
        """Which of the overlay's edges lead on from which of the nodes, as indices: (of the node, of the edge)."""
        return self._added_few(nodes) if len(nodes) <= 4096 else self._added_many(nodes)

    def _added_few(self, nodes: Array) -> tuple[Array, Array]:
        start = np.searchsorted(self.extra.row, nodes)
        count = np.searchsorted(self.extra.row, nodes, "right") - start
        return _spread(start, count)

    def _added_many(self, nodes: Array) -> tuple[Array, Array]:
        index = np.full(len(self.side.ptr), -1, np.int32)
        index[nodes] = np.arange(len(nodes), dtype=np.int32)
        place = index[self.extra.row]
        at = np.flatnonzero(place >= 0)
        return place[at], at


def _spread(start: Array, count: Array) -> tuple[Array, Array]:
    """Ranges `start`, `count` as (index of the range, position), one row per position."""
    return np.repeat(np.arange(len(start), dtype=np.int32), count), _places(start, count)


def _places(start: Array, count: Array) -> Array:
    """All positions in the ranges `start`, `count`."""
    found = np.repeat(start - (np.cumsum(count) - count), count)
    found += np.arange(len(found))
    return found


@dataclass(frozen=True)
class Snapshot:
    """The graph at one position of the change feed. Arrays are read-only by agreement."""

    position: int
    size: int
    registries: int
    """The greatest registry id that a node has."""
    down: Direction
    up: Direction
    nodes: Mapping[str, Array]

    @cached_property
    def plain(self) -> Mapping[str, memoryview]:
        """`nodes` for reading single values, which takes a third of the time that an array takes."""
        return {name: column.data for name, column in self.nodes.items()}

    def edges(self) -> tuple[Array, Array, Array]:
        """All edges (source, target, kind), for folding into new rows and for passes over everything."""
        side, extra = self.up.side, self.up.extra
        source = np.repeat(np.arange(len(side.ptr) - 1, dtype=np.int32), np.diff(side.ptr))
        keep = slice(None) if extra.gone is None else ~extra.gone
        return (
            np.concatenate((source[keep], extra.row)),
            np.concatenate((side.node[keep], extra.node)),
            np.concatenate((side.kind[keep], extra.kind)),
        )


def combine(rows: Rows, edits: Mapping[str, Array] | None) -> Snapshot:
    """The rows with the overlay's edits (None: as written)."""
    if edits is None:
        none = Extra(EMPTY, EMPTY, EMPTY, None)
        return Snapshot(
            rows.position,
            rows.size,
            rows.registries,
            Direction(rows.down, none),
            Direction(rows.up, none),
            rows.nodes,
        )
    ids = edits["ids"]
    for place, column in enumerate(NODE_COLUMNS):
        rows.nodes[column][ids] = edits["columns"][:, place]
    added, removed = unpack(edits["added"]), unpack(edits["removed"])
    return Snapshot(
        position=int(edits["position"]),
        size=max(rows.size, int(ids.max(initial=0)) + 1),
        registries=max(rows.registries, int(edits["columns"][:, 3].max(initial=0))),
        up=Direction(
            rows.up, _extra(rows.up, added[0], added[1], added[2], removed[0], removed[1], removed[2])
        ),
        down=Direction(
            rows.down, _extra(rows.down, added[1], added[0], added[2], removed[1], removed[0], removed[2])
        ),
        nodes=rows.nodes,
    )


def _extra(
    side: Side, row: Array, node: Array, kind: Array, row_gone: Array, node_gone: Array, kind_gone: Array
) -> Extra:
    new = ~_find(side, row, node, kind)[1]
    row, node, kind = row[new], node[new], kind[new]
    order = np.lexsort((kind, node, row))
    at, held = _find(side, row_gone, node_gone, kind_gone)
    gone = None
    if held.any():
        gone = np.zeros(len(side.node), bool)
        gone[at[held]] = True
    return Extra(row[order], node[order], kind[order], gone)


def _find(side: Side, row: Array, node: Array, kind: Array) -> tuple[Array, Array]:
    """Where each edge stands in the rows, and whether it does."""
    low, high = side.ptr[row].astype(np.int64), side.ptr[row + 1].astype(np.int64)
    if not len(row) or not len(side.node):
        return low, np.zeros(len(row), bool)
    at = _search(low, high, side.node, side.kind, node, kind)
    safe = np.minimum(at, len(side.node) - 1)
    return at, (at < high) & (side.node[safe] == node) & (side.kind[safe] == kind)


def _search(low: Array, high: Array, nodes: Array, kinds: Array, node: Array, kind: Array) -> Array:
    """For each (node, kind) its place in the sorted range low..high of `nodes` and `kinds`: all searched at once."""
    low, high = low.copy(), high.copy()
    while (searching := low < high).any():
        middle = np.minimum((low + high) // 2, len(nodes) - 1)
        less = (nodes[middle] < node) | ((nodes[middle] == node) & (kinds[middle] < kind))
        low = np.where(searching & less, middle + 1, low)
        high = np.where(searching & ~less, middle, high)
    return low


Stamp = tuple[int, int, int]


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116  before each answer: a path of text is half as dear
    except (FileNotFoundError, NotADirectoryError):
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


class SnapshotReader:
    """The graph files of one folder, as any process reads them. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = (str(folder / "current"), str(folder / overlays.FILE))
        self._lock = threading.Lock()
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._snapshot: Snapshot | None = None
        self._rows: Rows | None = None

    def snapshot(self) -> Snapshot:
        """The newest graph on disk. Raises DamagedError when there is none that can be read."""
        stamps = (_stamp(self._files[0]), _stamp(self._files[1]))
        known = self._snapshot
        if known is not None and (stamps == self._stamps or not current(self._folder)):
            return known  # files that disappear are read on for as long as they are open
        with self._lock:
            if self._snapshot is None or stamps != self._stamps:
                self._snapshot, self._stamps = self._load(), stamps
            return self._snapshot

    def _load(self) -> Snapshot:
        for _ in range(20):
            name = current(self._folder)
            rows = self._rows
            if rows is None or rows.name != name:  # else they are verified and mapped, and never change
                try:
                    rows = self._rows = open_rows(self._folder, verify=True)
                except DamagedError:
                    if current(self._folder) != name:
                        continue
                    raise
            edits = self._edits()
            if edits is not None and str(edits["rows"]) == rows.name:
                return combine(rows, edits)
            if current(self._folder) == rows.name:
                return combine(rows, None)
        raise DamagedError("the graph rows are being replaced faster than they can be read")

    def _edits(self) -> Mapping[str, Array] | None:
        try:
            return overlays.load(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
