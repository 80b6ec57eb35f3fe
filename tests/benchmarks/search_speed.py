"""How fast search is inside one process, at a million versions, beside what a database offers."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from federation.access import EVERYTHING, View
from federation.database import sqlite_module
from federation.search import lexicon
from federation.search.answer import Freshness, SearchRequest
from federation.search.document import Document
from federation.search.freshness import RegistryFreshness
from federation.search.tantivy import queries
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.benchmarks import Figure, Spread, benchmark, seconds, spread
from tests.benchmarks.bare import BareEngine
from tests.benchmarks.estate import COMMON, REGISTRIES, Federation, registry_name
from tests.servers import postgres as postgres_process

FACETS = ("registry", "team", "stage")
WORD = SearchRequest(q=COMMON, facets=FACETS)
SMALL = 10_000
"""Below this a benchmark only shows that it works."""
QUICK = {
    "prefix": SearchRequest(q=COMMON[:4]),
    "typo": SearchRequest(q="fruad"),
    "metric range and filters": SearchRequest(q="metric.auc:>0.5 stage:production framework:xgboost"),
}
TYPED = ("fra", "stage:pro", "tag.ta", "owner:user-1", f"{COMMON} team:", "registry:registry-1")
Row = tuple[int, str, str, str, str, str]


@benchmark(sample=2_000, full=1_000_000)
def search_speed(size: int, folder: Path) -> Iterator[Figure]:
    """The index of a made-up federation of `size` versions: built, asked, written to. No answer is remembered from
    one call to the next, but for the one figure that says so."""
    federation = Federation(size)
    times = 300 if size > SMALL else 5
    yield from _built(federation, folder / "index")
    registries = _registries()
    search = Search(folder / "index", lambda _: registries, lexicon.load(), kept=0)
    search.reload()
    engine, word = BareEngine.open(folder / "index"), queries.term("all", COMMON)
    ours, bare = _in_turn(partial(search.query, EVERYTHING, WORD), partial(engine.search, word), times=times)
    others = {"the bare engine": bare, **_others(federation, folder)}
    for name, other in others.items():
        yield _in_ms(
            "a word that a tenth has, with three facets", ours.p50, "p50", 2, (name, other.p50 * 1e3)
        )
        yield _in_ms(
            "a word that a tenth has, with three facets", ours.p99, "p99", 8, (name, other.p99 * 1e3)
        )
    remembering = Search(folder / "index", lambda _: registries, lexicon.load())
    remembering.reload()
    again = _asked(remembering, EVERYTHING, WORD, times)
    yield Figure("the same search again, nothing changed since, p50", again.p50 * 1e3, "ms")
    yield from _viewed(search, times)
    for name, request in QUICK.items():
        yield _in_ms(name, _asked(search, EVERYTHING, request, times).p50, "p50", 3)
    for name, text in (("of a tenth", COMMON), ("of everything", "")):
        sort = SearchRequest(q=text, sort="metric.auc")
        taken = _asked(search, EVERYTHING, sort, max(times // 10, 3))
        yield _in_ms(f"sorted by a metric, {name}", taken.p50, "p50", 30)
    yield from _suggested(search, times)
    yield from _visible(search, federation, folder / "index", times)


def _asked(search: Search, view: View, request: SearchRequest, times: int) -> Spread:
    return seconds(partial(search.query, view, request), times=times)


def _in_turn(*calls: Callable[[], object], times: int) -> list[Spread]:
    """How long each call takes, asked one after the other: a machine that is shared is not as fast in every minute."""
    for call in calls:
        seconds(call, times=1)
    taken = [[seconds(call, times=1, warm_up=0).p50 for call in calls] for _ in range(times)]
    return [spread(list(column)) for column in zip(*taken, strict=True)]


def _in_ms(
    name: str, taken: float, measure: str, goal: float, beside: tuple[str, float] | None = None
) -> Figure:
    label = f"{name}, {measure}" + (f", beside {beside[0]}" if beside else "")
    return Figure(label, taken * 1e3, "ms", goal=goal, comparison=beside)


def _registries() -> list[RegistryFreshness]:
    return [
        RegistryFreshness(id_, Freshness(registry_name(id_), "ok", None)) for id_ in range(1, REGISTRIES + 1)
    ]


def _built(federation: Federation, folder: Path) -> Iterator[Figure]:
    """Versions a second without the making up of them."""
    made = 0.0

    class Timed(Federation):
        def everything(self) -> tuple[int, Iterator[Document]]:
            return self.position, self._timed()

        def _timed(self) -> Iterator[Document]:
            nonlocal made
            for model_id in range(1, self.models_count + 1):
                began = time.perf_counter()
                found = self.model(model_id)
                made += time.perf_counter() - began
                yield from found

    began = time.perf_counter()
    follower = IndexFollower(folder, Timed(federation.versions))
    follower.rebuild()
    follower.close()
    taken = time.perf_counter() - began - made
    yield Figure("index build", federation.versions / taken, "versions/s", goal=40_000, higher_is_better=True)
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    yield Figure("index on disk", held / 1e6, "MB")


def _viewed(search: Search, times: int) -> Iterator[Figure]:
    """The same search inside views of some registries, in ratio to the one without, both asked in turn."""
    chance = random.Random(3)
    for count in (300, 200, 50, 5):
        view = View.of(chance.sample(range(1, REGISTRIES + 1), count))
        whole, taken = _in_turn(
            partial(search.query, EVERYTHING, WORD), partial(search.query, view, WORD), times=times
        )
        label = f"the same in a view of {count} of {REGISTRIES} registries"
        if count == 200:
            yield _in_ms(label, taken.p50, "p50", 8)
        else:
            yield Figure(f"{label}, p50 over none", (taken.p50 / whole.p50 - 1) * 100, "%", goal=15)


def _suggested(search: Search, times: int) -> Iterator[Figure]:
    view = View.of(random.Random(4).sample(range(1, REGISTRIES + 1), 200))
    for inside, who in ((EVERYTHING, "everything"), (view, "200 registries")):
        worst = max(
            seconds(partial(search.suggest, inside, text), times=times // 3 + 1).p95 for text in TYPED
        )
        yield _in_ms(f"the slowest suggestion of {len(TYPED)}, {who} visible", worst, "p95", 15)


def _visible(search: Search, federation: Federation, folder: Path, times: int) -> Iterator[Figure]:
    """From a change's commit in the catalogue until a reader finds it, without the way between processes."""
    follower = IndexFollower(folder, federation)
    chance = random.Random(5)

    def change() -> None:
        federation.change(chance.randrange(1, federation.models_count + 1))
        follower.step()
        assert search.reload() == federation.position

    yield _in_ms("a change is visible after its commit", seconds(change, times=times // 3 + 1).p95, "p95", 30)
    follower.close()


def _others(federation: Federation, folder: Path) -> dict[str, Spread]:
    """How long the same takes in a database: hits, total and three facets."""
    with ExitStack() as stack:
        found = {"SQLite FTS5": seconds(_fts5(federation, folder), times=5, warm_up=1)}
        if postgres_process.installed():
            server = stack.enter_context(postgres_process.postgres_server())
            connection = stack.enter_context(
                psycopg.connect(server.address(server.create()), autocommit=True)
            )
            found["PostgreSQL full text"] = seconds(_postgres(federation, connection), times=5, warm_up=1)
    return found


def _rows(federation: Federation) -> Iterator[Row]:
    for one in federation.documents():
        assert one.version_id is not None
        yield one.version_id, one.model, one.description, one.registry, one.team, one.stage


def _fts5(federation: Federation, folder: Path) -> Callable[[], Any]:
    connection = sqlite_module().connect(str(folder / "fts5.db"))
    connection.execute("CREATE TABLE version (id INTEGER PRIMARY KEY, model, body, registry, team, stage)")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5(model, body, content=version, content_rowid=id)"
    )
    connection.executemany("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?)", _rows(federation))
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    having = "FROM words JOIN version ON version.id = words.rowid WHERE words MATCH ?"

    def find() -> None:
        connection.execute(f"SELECT id {having} ORDER BY bm25(words, 10, 1) LIMIT 20", (COMMON,)).fetchall()
        connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (COMMON,)).fetchall()
        for facet in FACETS:
            connection.execute(f"SELECT {facet}, count(*) {having} GROUP BY 1", (COMMON,)).fetchall()

    return find


def _postgres(federation: Federation, connection: psycopg.Connection) -> Callable[[], Any]:
    connection.execute(
        "CREATE UNLOGGED TABLE version (id bigint, model text, body text, registry text, team text, stage text)"
    )
    with connection.cursor() as cursor, cursor.copy("COPY version FROM STDIN") as copy:
        for row in _rows(federation):
            copy.write_row(row)
    connection.execute("ALTER TABLE version ADD words tsvector")
    connection.execute("UPDATE version SET words = to_tsvector('simple', model || ' ' || body)")
    connection.execute("CREATE INDEX ON version USING gin (words)")
    connection.execute("VACUUM ANALYZE version")
    having = "FROM version WHERE words @@ to_tsquery('simple', %s)"
    ranked = f"SELECT id {having} ORDER BY ts_rank(words, to_tsquery('simple', %s)) DESC LIMIT 20"

    def find() -> None:
        connection.execute(ranked, (COMMON, COMMON)).fetchall()
        connection.execute(f"SELECT count(*) {having}", (COMMON,)).fetchall()
        for facet in FACETS:
            connection.execute(f"SELECT {facet}, count(*) {having} GROUP BY 1", (COMMON,)).fetchall()

    return find
