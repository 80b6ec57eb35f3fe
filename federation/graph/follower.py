"""The graph as a follower of the change feed, in the worker: first the tables, then this machine's files.

The tables are derived once for all machines, under the lock of the head row. The files of a machine follow the
tables by the position at which each row last changed. Whatever is damaged, trimmed or missing is built anew.
"""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, Select, bindparam, func, select, update

from federation import tables as spine
from federation.bulk import upserting
from federation.changes import FeedTrimmedError, after, newest
from federation.database import LONG, now, reading, writing
from federation.followers import Fetch, Linked, nothing
from federation.graph import overlay as overlays
from federation.graph import rows as files
from federation.graph import tables
from federation.graph.edges import Touched, derive
from federation.graph.overlay import Edge, Overlay
from federation.graph.rows import NODE_COLUMNS, Array, DamagedError, Rows, open_rows, pack, unpack
from federation.graph.store import Store
from federation.graph.words import SELECTORS, EdgeKind
from federation.logs import Log
from federation.prepared import Prepared
from federation.whole import PASS, Stamp, Suspicion, stamp

log = Log(__name__)
FORMAT = 3
"""Of the tables: raised where the same catalogue makes other nodes or edges than before."""
WRITTEN_AS = f"{FORMAT}-{files.FORMAT}"
"""Which tables the files are made of, and in which form."""
BATCH = 1000
"""Changes per transaction."""
INCOMING, TRIES = "incoming", 5
"""The folder of what comes from another machine; how often what changes meanwhile is tried."""
CHECK_EVERY = 5.0
"""Seconds after which the files are looked at: what is mapped here outlives what is on the disk."""


class FormerFormatError(Exception):
    """The tables were derived as an older or newer Waypost derives them."""


class GraphHead(NamedTuple):
    """How far the tables are derived; all zero before the first change."""

    position: int = 0
    nodes: int = 0
    generation: int = 0
    format: int = FORMAT


class GraphFollower:
    """Keeps tables and files up to the feed. One per machine, in its worker."""

    def __init__(self, engine: Engine, folder: Path, fetch: Fetch = nothing) -> None:
        self._engine = engine
        self._folder = folder
        self._fetch = fetch
        self._rows: Rows | None = None
        self._overlay = Overlay("", 0)
        self._generation = -1
        self._suspicion = Suspicion(folder)
        self._stamps: dict[str, Stamp | None] = {}
        self._written: Stamp | None = None
        """Of the overlay's file, as this worker left it."""
        self._checked = self._read_at = time.monotonic()

    @property
    def position(self) -> int:
        """The change position that this machine's files stand at; 0 before the first `step`."""
        return self._overlay.position

    def step(self) -> bool:
        """Catch up by one batch; False when there was nothing to do. Errors: `DatabaseError`, `OSError`."""
        try:
            derived = self._derive()
        except (FeedTrimmedError, FormerFormatError):
            self.rebuild()
            derived = True
        return self._project() or derived

    def rebuild(self) -> None:
        """Derive every node and edge from the catalogue again.

        What only time could tell stays: when an edge was first seen, and which incarnation it was resolved to.
        """
        with writing(self._engine, bound=LONG) as connection:
            position = newest(connection)
            _next_generation(connection)
        for touched in self._everything():
            with writing(self._engine, bound=LONG) as connection:
                self._apply(connection, _head(connection), touched, position)
        with writing(self._engine, bound=LONG) as connection:
            _next_generation(connection)
            connection.execute(update(tables.graph_head).values(position=position, format=FORMAT))

    def _derive(self) -> bool:
        """One batch of changes into the tables. False when there is nothing new."""
        found = _BEHIND.polled(self._engine)
        if found and found[0].format != FORMAT:
            raise FormerFormatError
        if found and found[0].position == found[0].newest:
            return False
        with writing(self._engine, bound=LONG) as connection:
            head = _head(connection)
            changes = after(connection, head.position, BATCH)
            if not changes:
                return False
            self._apply(connection, head, Touched.by(changes), changes[-1].position)
            _MOVED.run(connection, to=changes[-1].position)
        return True

    def _apply(self, connection: Connection, head: Any, touched: Touched, position: int) -> None:
        """Have what was touched be as the catalogue says, stamped with a position. `head` is locked."""
        store = Store(connection, position, head.nodes, now())
        derive(store, touched)
        if store.last_node != head.nodes:
            _NUMBERED.run(connection, to=store.last_node)
        if store.files_void:
            _next_generation(connection)

    def _everything(self) -> Iterator[Touched]:
        """All there is or was: every node before any statement, so that each meets all that it could mean."""
        node = tables.node.c
        sources: list[tuple[str, Any]] = [
            ("registries", select(spine.registry.c.id)),
            ("registries", select(node.registry_id).where(node.registry_id > 0, ~node.gone).distinct()),
            ("nodes", select(spine.version.c.id)),
            ("models", select(spine.model.c.id)),
            ("endpoints", select(spine.endpoint.c.id)),
            ("statements", select(spine.version.c.id)),
            ("declared", select(tables.dependency.c.id)),
        ]
        for what, query in sources:
            with reading(self._engine, bound=LONG) as connection:
                ids = sorted(connection.execute(query).scalars())
            for start in range(0, len(ids), BATCH):
                yield Touched(**{what: set(ids[start : start + BATCH])})

    # Files

    def _project(self) -> bool:
        """Bring the files up to the tables. False when they were."""
        anew = self._is_void()
        if not anew and (self._rows is None or files.current(self._folder) != self._rows.name):
            self._open()
        if (anew or self._rows is None) and self._obtain():
            anew = False
            self._open()
        if not anew and self._is_at(next(iter(_HEAD.polled(self._engine)), GraphHead())):
            return False
        with reading(self._engine, bound=LONG) as connection:
            head = _read_head(connection) or GraphHead()
            if anew or self._rows is None or self._generation != head.generation:
                self._build(connection, head)
            elif not self._is_at(head):
                self._follow_tables(connection, head.position)
        return True

    def _is_at(self, head: Any) -> bool:
        """Whether the files have all that the tables have."""
        is_of_them = self._rows is not None and self._generation == head.generation
        return is_of_them and bool(head.position <= self._overlay.position)

    def _obtain(self) -> bool:
        """Have what another machine made of the same tables, to go on from there; False where there is nothing."""
        with reading(self._engine) as connection:
            head = _read_head(connection)
        made = self._folder / INCOMING
        shutil.rmtree(made, ignore_errors=True)  # what a killed worker left
        try:
            if head is None or not self._fetch(WRITTEN_AS, head.generation, made):
                return False
            files.adopt(self._folder, made)
            (self._folder / overlays.FILE).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                (made / overlays.FILE).rename(self._folder / overlays.FILE)
        except DamagedError as error:
            return not self._said(error)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return True

    def stands(self) -> Linked:
        """How the files are now."""
        return Linked(WRITTEN_AS, self._generation, self.position)

    def link(self, into: Path) -> Linked:
        """Have them, as of one position, in an empty folder. Errors: `DamagedError` where there are none, `OSError`."""
        for _ in range(TRIES):
            try:
                name, position, generation = files.link(self._folder, into)
            except FileNotFoundError:
                shutil.rmtree(into)
                into.mkdir()
                continue
            with suppress(FileNotFoundError):
                overlay = overlays.load(self._folder)
                if str(overlay["rows"]) == name:
                    overlays.save(into, overlays.restore(overlay))
                    position = int(overlay["position"])
            return Linked(WRITTEN_AS, generation, position)
        raise DamagedError("the graph is being written faster than it can be linked")

    def _open(self) -> None:
        """Go on with what is on disk, if it is whole."""
        self._rows, self._overlay = None, Overlay("", 0)
        try:
            self._rows = open_rows(self._folder, verify=True)
            self._generation = self._rows.generation
            self._overlay = overlays.restore(overlays.load(self._folder))
        except FileNotFoundError:
            pass
        except DamagedError as error:
            self._said(error)
            self._rows = None
        if self._rows is not None:
            if self._overlay.rows != self._rows.name:
                self._overlay = Overlay(self._rows.name, self._rows.position)
            self._note_stamps()

    def _is_void(self) -> bool:
        """Whether what is open must be built anew. It is held against what was written: by size and time now and
        then, to the byte once an hour, and when a reader could not use it."""
        suspect, at = self._suspicion.take(), time.monotonic()
        if self._rows is None:
            return False
        look = at - self._checked > CHECK_EVERY
        if look:
            self._checked = at
        if suspect is None and at - self._read_at <= PASS and not (look and self._has_changed()):
            return False
        self._read_at = at
        try:
            open_rows(self._folder, verify=True)
            overlays.load(self._folder)
        except FileNotFoundError:
            pass
        except DamagedError as error:
            return self._said(error)
        self._note_stamps()
        if suspect is not None and self._suspicion.may_build_anew():
            return self._said(DamagedError(f"they are whole, and a reader met an error: {suspect}"))
        return False

    def _said(self, error: DamagedError) -> bool:
        if files.current(self._folder):
            log.error("the graph's files cannot be used and are built anew", reason=str(error))
        return True

    def _has_changed(self) -> bool:
        assert self._rows is not None
        overlay = stamp(self._folder / overlays.FILE)
        return overlay != self._written or files.stamps(self._folder, self._rows) != self._stamps

    def _note_stamps(self) -> None:
        assert self._rows is not None
        self._stamps = files.stamps(self._folder, self._rows)
        self._written = stamp(self._folder / overlays.FILE)

    def _build(self, connection: Connection, head: Any) -> None:
        """Rows from the tables alone."""
        nodes = {column: np.zeros(head.nodes + 1, dtype) for column, dtype in NODE_COLUMNS.items()}
        keys = [_keys(())]
        for part in _numbers(connection, _ALL_NODES):
            ids, *values, means = part.T
            for column, value in zip(NODE_COLUMNS, values, strict=True):
                nodes[column][ids] = value
            is_selector = means > 0
            keys.append(pack(ids[is_selector], means[is_selector], np.array(EdgeKind.MEANS)))
        for source, target, kind in (part.T for part in _numbers(connection, _ALL_EDGES)):
            is_both = kind == EdgeKind.SAME_ARTIFACT
            keys += [pack(source, target, kind), pack(target[is_both], source[is_both], kind[is_both])]
        self._replace(head.position, head.generation, nodes, np.concatenate(keys))

    def _replace(self, position: int, generation: int, nodes: dict[str, Array], keys: Array) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._rows = files.write(self._folder, position, nodes, unpack(keys), generation)
        self._generation = generation
        self._overlay = Overlay(self._rows.name, position)
        (self._folder / overlays.FILE).unlink(missing_ok=True)  # of the rows before, if it can be read at all
        self._note_stamps()

    def _follow_tables(self, connection: Connection, position: int) -> None:
        """What changed in the tables since, into the overlay; into new rows when there is too much of it."""
        mine = self._overlay
        changed = _NODES_SINCE.rows(connection, position=mine.position)
        for row in changed:
            mine.nodes[row.id] = _columns(row)
        self._mean({row.id: row.means for row in changed if row.kind in SELECTORS})
        edges = _EDGES_SINCE.rows(connection, position=mine.position)
        for arc in _arcs(row for row in edges if row.gone):
            mine.remove(arc)
        lost = {row.source for row in edges if row.gone}
        # The same edge may be stated twice: what one source takes back, another may still say.
        still = list(_still(connection, lost)) if lost else []
        for arc in _arcs([*still, *(row for row in edges if not row.gone)]):
            mine.add(arc)
        mine.position = position
        assert self._rows is not None
        if len(mine) > overlays.LIMIT or max(mine.nodes, default=0) >= self._rows.capacity:
            self._fold(self._rows)
        else:
            overlays.save(self._folder, mine)
            self._written = stamp(self._folder / overlays.FILE)

    def _mean(self, meanings: dict[int, int | None]) -> None:
        """Selectors that mean something else now: their old edge goes, the new one comes."""
        assert self._rows is not None
        for selector in meanings:
            if selector < self._rows.capacity:
                up = self._rows.up
                start, end = int(up.ptr[selector]), int(up.ptr[selector + 1])
                for target, kind in zip(
                    up.node[start:end].tolist(), up.kind[start:end].tolist(), strict=True
                ):
                    self._overlay.remove((selector, target, kind))
        for arc in [arc for arc in self._overlay.added if arc[0] in meanings and arc[2] == EdgeKind.MEANS]:
            self._overlay.remove(arc)
        for selector, target in meanings.items():
            if target is not None:
                self._overlay.add((selector, target, int(EdgeKind.MEANS)))

    def _fold(self, rows: Rows) -> None:
        """Overlay and rows into new rows."""
        mine = self._overlay
        size = max(rows.size, max(mine.nodes, default=0) + 1)
        nodes = {column: np.zeros(size, dtype) for column, dtype in NODE_COLUMNS.items()}
        ids = np.array(list(mine.nodes), np.int64)
        values = np.array(list(mine.nodes.values()), np.int64).reshape(len(ids), len(NODE_COLUMNS))
        for place, column in enumerate(NODE_COLUMNS):
            nodes[column][: rows.size] = rows.nodes[column][: rows.size]
            nodes[column][ids] = values[:, place]
        source = np.repeat(np.arange(rows.capacity, dtype=np.int32), np.diff(rows.up.ptr))
        keys = pack(source, rows.up.node, rows.up.kind)
        keys = keys[~np.isin(keys, _keys(mine.removed))]
        self._replace(mine.position, self._generation, nodes, np.concatenate((keys, _keys(mine.added))))


def _head(connection: Connection) -> Any:
    """The head row, locked for this transaction; made at the first call."""
    if not (found := _LOCKED.rows(connection)):
        made = upserting(connection.dialect.name, tables.graph_head).values(id=1, **GraphHead()._asdict())
        connection.execute(made.on_conflict_do_nothing())  # another gateway may be the first as well
        found = _LOCKED.rows(connection)
    return found[0]


def _read_head(connection: Connection) -> Any:
    """The head row, None before the first call of `_head`."""
    found = _HEAD.rows(connection)
    return found[0] if found else None


_HEAD = Prepared(select(tables.graph_head))
_BEHIND = Prepared(
    select(tables.graph_head.c.position, tables.graph_head.c.format, spine.head.c.position.label("newest"))
)
_LOCKED = Prepared(select(tables.graph_head).with_for_update())
_MOVED = Prepared(update(tables.graph_head).values(position=bindparam("to", 0)))
_NUMBERED = Prepared(update(tables.graph_head).values(nodes=bindparam("to", 0)))


def _next_generation(connection: Connection) -> None:
    """Files built before this know nothing of what follows."""
    connection.execute(update(tables.graph_head).values(generation=_head(connection).generation + 1))


_NODES = select(
    *(tables.node.c[column] for column in ("id", "kind", "stage", "live", "registry_id", "created", "means"))
)
_EDGES = select(*(tables.edge.c[column] for column in ("source", "target", "kind", "gone")))
_NODES_SINCE = Prepared(_NODES.where(tables.node.c.touched > bindparam("position", 0)))
_EDGES_SINCE = Prepared(_EDGES.where(tables.edge.c.touched > bindparam("position", 0)))


_node, _edge = tables.node.c, tables.edge.c
_ALL_NODES = select(
    *(_node.id, _node.kind, _node.stage, _node.live, _node.registry_id, _node.created),
    func.coalesce(_node.means, 0),
)
"""Nodes as the arrays hold them, and what each means, 0 for nothing."""
_ALL_EDGES = select(_edge.source, _edge.target, _edge.kind).where(~_edge.gone, _edge.target.is_not(None))


def _numbers(connection: Connection, query: Select[Any]) -> Iterator[Array]:
    """What a query finds, all of it whole numbers, so many rows at a time."""
    width = len(query.selected_columns)
    for part in connection.execution_options(yield_per=20_000).execute(query).partitions():
        yield np.fromiter(chain.from_iterable(part), np.int64).reshape(-1, width)


def _still(connection: Connection, sources: Iterable[int]) -> Iterator[Any]:
    edge = tables.edge.c
    listed = sorted(sources)
    for start in range(0, len(listed), 500):
        yield from connection.execute(_EDGES.where(~edge.gone, edge.source.in_(listed[start : start + 500])))


def _columns(row: Any) -> tuple[int, ...]:
    return (row.kind, row.stage, int(row.live), row.registry_id, row.created)


def _arcs(rows: Iterable[Any]) -> Iterator[Edge]:
    """Edge rows as the arrays hold them: a shared artifact ties both ways."""
    for row in rows:
        if row.target is not None:
            yield row.source, row.target, row.kind
            if row.kind == EdgeKind.SAME_ARTIFACT:
                yield row.target, row.source, row.kind


def _keys(edges: Iterable[Edge]) -> Array:
    listed = np.array(list(edges), np.int64).reshape(-1, 3)
    return pack(listed[:, 0], listed[:, 1], listed[:, 2])
