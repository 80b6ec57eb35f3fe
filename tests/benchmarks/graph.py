"""How fast the graph answers, beside SQLite and PostgreSQL recursive queries, rustworkx and igraph."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import numpy as np
import psycopg
import rustworkx
from sqlalchemy import update

from federation import bulk, changes, tables
from federation.access import EVERYTHING, LOCAL
from federation.catalogue import codec
from federation.database import micros, sqlite_module, writing
from federation.followers import Followers
from federation.graph import declared
from federation.graph import tables as graph_tables
from federation.graph.blast import Effect, blast
from federation.graph.graph import Graph, Question
from federation.graph.rows import Array, write
from federation.graph.snapshot import SnapshotReader
from federation.graph.walk import closure
from federation.graph.words import EdgeKind, NodeKind
from federation.references import parse
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, benchmark, seconds, spread
from tests.benchmarks.command_line import program
from tests.benchmarks.spine import load
from tests.federation.graph.estate import START, Estate
from tests.gateway.served import served
from tests.servers.postgres import installed, postgres_server

PER_NODE = 5
REGISTRIES = 300
SAMPLE = 2_000
QUERIES = 2_000
BUDGET = 60.0
"""Seconds that a comparison may take for its random queries."""
RECURSIVE = """WITH RECURSIVE reached(node) AS (
    SELECT {} UNION SELECT consumer FROM edge JOIN reached ON provider = node
) SELECT count(*) FROM reached"""


def skewed(size: int, seed: int = 1) -> tuple[Array, Array]:
    """Consumer and provider of five edges a node: all need node 0, the rest mostly need few; no cycles."""
    rng = np.random.default_rng(seed)
    consumer = rng.integers(1, size, size * (PER_NODE - 1))
    provider = (consumer * rng.power(0.5, len(consumer))).astype(np.int64)
    hub = np.arange(1, size)
    return np.concatenate((consumer, hub)), np.concatenate((provider, np.zeros(size - 1, np.int64)))


def store(size: int, folder: Path, first: int = 0, generation: int = 0, position: int = 1) -> None:
    """The skewed graph as files; node ids begin at `first`."""
    consumer, provider = skewed(size)
    rng = np.random.default_rng(2)
    nodes: dict[str, Array] = {
        "kind": np.full(size + first, NodeKind.VERSION),
        "stage": rng.integers(0, 4, size + first),
        "live": rng.random(size + first) < 0.01,
        "registry": 1 + (np.arange(size + first) - first) % REGISTRIES,
        "created": np.zeros(size + first),
    }
    nodes["kind"][:first] = 0
    folder.mkdir(exist_ok=True)
    kind = np.full(len(consumer), EdgeKind.DEPENDS_ON)
    write(folder, position, nodes, (consumer + first, provider + first, kind), generation)


@benchmark(sample=SAMPLE, full=1_000_000)
def graph_closure(size: int, folder: Path) -> Iterator[Figure]:
    """Everything downstream of random versions and of a hub that all need, in process."""
    store(size, folder / "graph")
    snapshot = SnapshotReader(folder / "graph").snapshot()
    starts = np.random.default_rng(3).integers(1, size, min(QUERIES, size)).tolist()
    ours = spread(timed(lambda n: closure(snapshot, np.array([n]), snapshot.down, None), starts))
    effects = {0: [Effect(True, "pinned")]}

    def hub() -> None:
        found = blast(snapshot, [0], effects, None)
        assert found.counts.affected == found.counts.breaking == size - 1
        assert len(found.nodes[:50]) == 50

    ours_hub = seconds(hub, times=9, warm_up=1).p50
    with ExitStack() as stack:
        for name, ask in rivals(size, folder, stack):
            theirs = spread(timed(ask, starts))
            began = time.perf_counter()
            ask(0)
            their_hub = time.perf_counter() - began
            yield Figure("random closure, p50", ours.p50 * 1e3, "ms", 0.2, (name, theirs.p50 * 1e3))
            yield Figure("random closure, p99", ours.p99 * 1e3, "ms", 60, (name, theirs.p99 * 1e3))
            yield Figure("hub, exact counts and page", ours_hub * 1e3, "ms", 150, (name, their_hub * 1e3))


def timed(ask: Callable[[int], object], starts: Sequence[int]) -> list[float]:
    """Seconds of each query, until BUDGET is spent."""
    taken: list[float] = []
    end = time.perf_counter() + BUDGET
    for start in starts:
        began = time.perf_counter()
        ask(start)
        taken.append(time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return taken


def rivals(size: int, folder: Path, stack: ExitStack) -> Iterator[tuple[str, Callable[[int], object]]]:
    """The same graph elsewhere, one at a time: name, and what counts everything downstream of a node."""
    consumer, provider = skewed(size)
    pairs = list(zip(provider.tolist(), consumer.tolist(), strict=True))
    yield "SQLite", _sqlite(folder / "rival.db", pairs)
    if installed():
        server = stack.enter_context(postgres_server())
        yield "PostgreSQL", _postgres(server.address(server.create()), pairs, stack)
    graph = rustworkx.PyDiGraph()
    graph.add_nodes_from([None] * size)
    graph.add_edges_from_no_data(pairs)
    yield "rustworkx", lambda node: len(rustworkx.descendants(graph, node))
    import igraph  # not above: every process of tests would import it

    other = igraph.Graph(n=size, edges=np.column_stack((provider, consumer)), directed=True)
    yield "igraph", lambda node: len(other.subcomponent(node, mode="out"))


def _sqlite(path: Path, pairs: list[tuple[int, int]]) -> Callable[[int], object]:
    connection = sqlite_module().connect(str(path))
    connection.execute("PRAGMA cache_size=-262144")
    connection.execute("CREATE TABLE edge (provider INTEGER, consumer INTEGER)")
    connection.executemany("INSERT INTO edge VALUES (?, ?)", pairs)
    connection.execute("CREATE INDEX edge_by_provider ON edge (provider, consumer)")
    connection.commit()
    return lambda node: connection.execute(RECURSIVE.format("?"), (node,)).fetchone()


def _postgres(address: str, pairs: list[tuple[int, int]], stack: ExitStack) -> Callable[[int], object]:
    connection = stack.enter_context(psycopg.connect(address, autocommit=True))
    connection.execute("CREATE TABLE edge (provider integer, consumer integer)")
    with connection.cursor() as cursor, cursor.copy("COPY edge FROM STDIN") as copy:
        for pair in pairs:
            copy.write_row(pair)
    connection.execute("CREATE INDEX ON edge (provider, consumer)")
    connection.execute("VACUUM ANALYZE edge")
    connection.execute("SET work_mem = '256MB'")
    return lambda node: connection.execute(RECURSIVE.format("%s::integer"), (node,)).fetchone()


COLD = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from federation.access import EVERYTHING, LOCAL
from federation.database import open_engine
from federation.graph.graph import Graph, Question
from federation.references import parse
def resident():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps") if line.startswith("Rss:")) / 1024
before = resident()
graph = Graph(open_engine("sqlite:///" + sys.argv[1]), Path(sys.argv[2]))
graph.impact(EVERYTHING, Question(parse(sys.argv[3])), "archive")
print("seconds", time.perf_counter() - began)
graph.impact(EVERYTHING, Question(parse("r0/hub:1")), "archive")
print("megabytes", resident() - before)
"""


@benchmark(sample=SAMPLE, full=1_000_000, servers=True)
def graph_answers(size: int, folder: Path) -> Iterator[Figure]:
    """Whole answers with names from the catalogue; how soon an edge shows; memory; a cold process."""
    estate = catalogue(size, folder)
    graph = estate.graph

    def hub() -> None:
        found = graph.impact(EVERYTHING, Question(parse("r0/hub:1")), "archive")
        assert (found.counts.affected, len(found.affected)) == (size - 1, 50)

    def some(node: int) -> None:
        graph.impact(EVERYTHING, Question(parse(ref(node))), "archive")

    yield Figure("hub, whole answer", seconds(hub, times=9, warm_up=1).p50 * 1e3, "ms", goal=150)
    starts = np.random.default_rng(4).integers(1, size, min(300, size)).tolist()
    answers = spread(timed(some, starts))
    yield Figure("random version, whole answer, p50", answers.p50 * 1e3, "ms")
    yield Figure("a new edge visible after its commit, p95", visible(estate, size) * 1e3, "ms", goal=30)
    command = [sys.executable, "-c", COLD, str(folder / "waypost.db"), str(estate.folder), ref(size // 2)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"(\w+) ([\d.]+)", told))
    yield Figure("cold process, import to answer", float(found["seconds"]), "s")
    yield Figure("memory for the graph, a hub included", float(found["megabytes"]), "MB", goal=150)
    estate.engine.dispose()
    yield from served_answers(size, folder)


def served_answers(size: int, folder: Path) -> Iterator[Figure]:
    """`waypost impact` as a whole process without a server, and requests per second of two API processes."""
    registries = "".join(
        f'[[registries]]\nname = "r{number}"\nkind = "memory"\nteam = "team {number % 40}"\nsync_every = 0\n'
        for number in range(REGISTRIES)
    )
    config = folder / "waypost.toml"
    config.write_text(registries)
    waypost = Waypost(load_settings(config))
    waypost.prepare()
    Followers(waypost.followers()).catch_up()
    waypost.close()
    command = program("-m", "gateway", "impact", ref(size // 2), WAYPOST_CONFIG=str(config))
    often = 5 if size > SAMPLE else 1
    cold = seconds(command, times=often, warm_up=often // 5).p50
    yield Figure("waypost impact without a server, whole process", cold, "s", goal=1)
    requests = min(size, 10_000)
    drawn = np.random.default_rng(5).permutation(np.arange(1, size))[: requests + requests // 10].tolist()
    starts, others = drawn[:requests], drawn[requests:]
    with served(folder, config=registries, workers=2) as gateway:

        def rate(area: str, nodes: list[int]) -> float:
            return load(gateway.url, [f"/api/v1/{area}/{ref(node)}" for node in nodes], len(nodes))

        for area in ("versions", "impact"):
            rate(area, others)
        batches = [starts[begin::5] for begin in range(5)]
        first = [(rate("versions", batch), rate("impact", batch)) for batch in batches]
        few = batches[0]
        rate("impact", few * 2)
        again = [(rate("versions", few), rate("impact", few)) for _ in batches]
    for which, both in (("each for the first time", first), ("again, nothing changed since", again)):
        beside, measured = map(harmonic_mean, zip(*both, strict=True))
        yield Figure(
            f"GET /impact/{{ref}}, random, two processes, {which}", measured, "requests/s", 0.6 * beside,
            ("GET /versions/{ref}", beside), higher_is_better=True,
        )  # fmt: skip


def ref(node: int) -> str:
    """The reference of the version that stands at a place of the skewed graph."""
    return "r0/hub:1" if node == 0 else f"r{node % REGISTRIES}/m{node}:1"


def visible(estate: Estate, size: int) -> float:
    """Seconds (p95) from the commit of a declared edge until an answer counts it, through the worker's follower."""
    taken = []
    graph = Graph(estate.engine, estate.folder)
    for place in range(30):
        consumer, provider = parse(ref(size - 1 - place)), parse(ref(size - 100 - place))
        before = graph.impact(EVERYTHING, Question(provider), "archive").counts.affected
        with writing(estate.engine) as connection:
            declared.declare(connection, LOCAL, consumer, provider)
        began = time.perf_counter()
        estate.settle()
        after = graph.impact(EVERYTHING, Question(provider), "archive").counts.affected
        taken.append(time.perf_counter() - began)
        assert after >= before
    return spread(taken).p95


def catalogue(size: int, folder: Path) -> Estate:
    """A catalogue of `size` models of one version each in 300 registries, and the skewed graph over them."""
    estate = Estate(folder, files="waypost-index/graph")
    for number in range(REGISTRIES):
        estate.join(f"r{number}", f"team {number % 40}")
    estate.settle()
    now, record = micros(START), estate.model("m")
    model_body = codec.encode(record).body
    version_body = codec.encode(estate.version(record, "1")).body
    with writing(estate.engine) as connection:
        models: list[tuple[Any, ...]] = []
        versions: list[tuple[Any, ...]] = []
        nodes: list[tuple[Any, ...]] = []
        for place in range(size):
            identity, registry = place + 1, 1 + place % REGISTRIES
            name = "hub" if place == 0 else f"m{place}"
            models.append((identity, registry, name, name, model_body, b"", now, now))
            versions.append(
                (identity, registry, identity, name, "1", "none", "", 0, version_body, b"", 1, now, now)
            )
            nodes.append((identity, int(NodeKind.VERSION), identity, "", registry, 0, 0, 0, 0, 0))
        bulk.insert(connection, tables.model, MODEL, models)
        bulk.insert(connection, tables.version, VERSION, versions)
        bulk.insert(connection, graph_tables.node, NODE, nodes)
        connection.execute(update(graph_tables.graph_head).values(nodes=size, generation=1))
        position = changes.newest(connection)
    store(size, estate.folder, first=1, generation=1, position=position)
    estate.settle()
    return estate


MODEL = ("id", "registry_id", "native_id", "name", "body", "digest", "created_at", "first_seen_at")
VERSION = (
    "id", "registry_id", "model_id", "native_id", "version", "stage", "stage_reason", "deployed", "body", "digest",
    "details_read", "created_at", "first_seen_at",
)  # fmt: skip
NODE = ("id", "kind", "scope", "name", "registry_id", "stage", "live", "created", "gone", "touched")
