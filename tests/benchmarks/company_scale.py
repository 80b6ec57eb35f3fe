"""A company's catalogue at the size of `company`: what it costs to have, and how soon it answers.

`BENCH_ESTATE=FOLDER make bench ONLY=company-scale` makes it once in that folder, and finds it there the next time.
"""

import random
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx

from federation import schema
from federation.access import EVERYTHING
from federation.database import open_engine
from federation.graph.blast import Effect, blast
from federation.graph.graph import Graph, Question
from federation.graph.snapshot import SnapshotReader
from federation.references import parse
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.tantivy import queries
from federation.search.tantivy.engine import Search
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, benchmark, seconds, spread
from tests.benchmarks.bare import BareEngine
from tests.benchmarks.builds import in_turn
from tests.benchmarks.company import Company, State, config, estate, is_kept
from tests.benchmarks.graph import store
from tests.benchmarks.pages import rendered
from tests.benchmarks.search_http import family
from tests.benchmarks.spine import migrated
from tests.gateway.served import served
from tests.servers.postgres import installed, postgres_server

SMALL = 100_000
HEAD = re.compile("[0-9a-f]+-[0-9a-f]+ ")
"""How `/proc/…/smaps` begins to tell of a mapping; that of a file ends with its path."""
WORD = "fraud"
WARM_UP = 8
"""Renders of a page with other references that do not count."""
PAGES = ("/", f"/?q={WORD}", "/models/{}", "/versions/{}:1", "/impact/{}:1?action=archive", "/registries")


@benchmark(sample=1_000, full=10_000_000, servers=True)
def company_scale(size: int, folder: Path) -> Iterator[Figure]:
    """Ingest, disk and derivation; search, impact and pages; memory: at `size` versions in 100 registries."""
    place, state = estate(size, folder)
    yield from _made(size, folder, place, state)
    yield from _searched(size, place)
    yield from _hub(size, folder, place)
    yield from _served(size, place)


def _made(size: int, folder: Path, place: Path, state: State) -> Iterator[Figure]:
    if "raw" not in state.steps:
        _raw(f"sqlite:///{folder / 'raw.db'}", size, state)
    yield _ingest("SQLite", state)
    if installed():
        yield _ingest("PostgreSQL", _on_postgres(size, folder, place))
    for name, part in (
        ("database", "waypost.db"),
        ("graph", "waypost-index/graph"),
        ("index", "waypost-index/search"),
    ):
        files = [place / part] if (place / part).is_file() else list((place / part).rglob("*"))
        yield Figure(f"{name} on disk", sum(one.stat().st_size for one in files if one.is_file()) / 1e9, "GB")
    _, tenth = estate(size // 10, folder)
    yield Figure(
        "first derivation of the graph, a version", state.seconds("graph") * 1e6, "µs",
        1.2 * tenth.seconds("graph") * 1e6, ("a tenth of the size", tenth.seconds("graph") * 1e6),
    )  # fmt: skip


def _on_postgres(size: int, folder: Path, place: Path) -> State:
    """How the company was taken in on PostgreSQL: once, and then only that is kept, not what was taken in."""
    state = State(place / "made-postgresql.json")
    kept = place / "postgresql" if is_kept() else None  # else it lies where its user may not go
    if "raw" in state.steps:
        return state
    with postgres_server(durable=True, kept=kept) as server:
        if "ingest" not in state.steps:
            server.drop("company")  # of one that was stopped before it took anything in
            server.create(name="company")
            _registered(server.url("company"), folder)
        if "whole" not in state.steps:
            engine = open_engine(server.url("company"))
            Company(size).take_in(engine, state)
            engine.dispose()
            state.add("whole", size, 0)
        for done in ("company", "raw"):  # both of ten million are 40 GB
            server.drop(done)
        _raw(server.url(server.create(name="raw")), size, state)
    if kept:
        shutil.rmtree(kept)
    return state


def _raw(url: str, size: int, state: State) -> None:
    """Upsert the company's rows bare into an empty database, and note how long that took."""
    with migrated(url) as engine:
        state.add("raw", size, Company(size).upsert(engine))


def _registered(url: str, folder: Path) -> None:
    """The company's registries in an empty database."""
    engine = open_engine(url)
    schema.migrate(engine)
    engine.dispose()
    file = folder / "postgresql.toml"
    file.write_text(f'[database]\nurl = "{url}"\n{config()}')
    waypost = Waypost(load_settings(file, {}))
    waypost.prepare()
    waypost.close()


def _ingest(database: str, state: State) -> Figure:
    rate, raw = 1 / state.seconds("ingest"), 1 / state.seconds("raw")
    compared = ("raw Core upserts", raw)
    return Figure(f"versions taken in, {database}", rate, "/s", 0.5 * raw, compared, higher_is_better=True)


def _searched(size: int, place: Path) -> Iterator[Figure]:
    index = place / "waypost-index" / "search"
    search = Search(index, lambda _: (), lexicon.load(), kept=0)
    search.reload()
    request = SearchRequest(q=WORD, facets=("registry", "team", "stage"))
    word, engine = queries.term("all", WORD), BareEngine.open(index)
    ours, bare = in_turn(
        200 if size > SMALL else 20, partial(search.query, EVERYTHING, request), partial(engine.search, word)
    )
    yield Figure(
        "a word with three facets, p50", ours.p50 * 1e3, "ms", 1.2 * bare.p50 * 1e3,
        ("the bare engine", bare.p50 * 1e3),
    )  # fmt: skip


def _hub(size: int, folder: Path, place: Path) -> Iterator[Figure]:
    """The first version of the first model, which a tenth of all need, beside as many in a graph of their own."""
    (hub,) = Company(size).references(1)
    question = Question(parse(f"{hub}:1"))
    graph = Graph(open_engine(f"sqlite:///{place / 'waypost.db'}"), place / "waypost-index" / "graph")
    times = 9 if size > SMALL else 3
    affected = graph.impact(EVERYTHING, question, "archive").counts.affected
    assert affected >= size // 20
    ours = seconds(lambda: graph.impact(EVERYTHING, question, "archive"), times=times).p50
    store(affected + 1, folder / "alone")
    alone, effects = SnapshotReader(folder / "alone").snapshot(), {0: [Effect(True, "pinned")]}
    beside = seconds(lambda: blast(alone, [0], effects, None, most=50).counts, times=times).p50
    yield Figure(
        f"impact of the hub, {affected:,} affected", ours * 1e3, "ms", 1.2 * beside * 1e3,
        ("as many in a graph of their own, without names", beside * 1e3),
    )  # fmt: skip


def _served(size: int, place: Path) -> Iterator[Figure]:
    chance = random.Random(5)
    refs = Company(size).references(2_000)
    with (
        served(place, config=config(), workers=2, patience=600.0) as gateway,
        httpx.Client(
            base_url=gateway.url, timeout=60.0, trust_env=False, headers={"Accept": "text/html"}
        ) as client,
    ):
        for page in PAGES:
            few = 40 if size > SMALL else 3
            taken = [
                rendered(client, page.format(quote(ref))) for ref in chance.sample(refs, WARM_UP + few)
            ]  # what a process renders first it compiles too
            name = f"{page.format('REF')}, first render, p95"
            yield Figure(name, spread(taken[WARM_UP:]).p95 * 1e3, "ms", 150)
        own, mapped = memory(gateway.process.process.pid)
        yield Figure("memory of all processes, PSS without mapped files", own / 1e9, "GB", 1.5)
        yield Figure("mapped files in memory, PSS", mapped / 1e9, "GB")


def memory(supervisor: int) -> tuple[int, int]:
    """Bytes that a process and all under it hold, what they share once: their own, and of files."""
    own = mapped = 0
    for pid in family(supervisor):
        is_file = False
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            if HEAD.match(line):
                is_file = " /" in line
            elif line.startswith("Pss:"):
                size = int(line.split()[1]) * 1024
                own, mapped = (own, mapped + size) if is_file else (own + size, mapped)
    return own, mapped
