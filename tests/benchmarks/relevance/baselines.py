"""What there is instead, on the same names and texts: a database's full text search and LIKE, the engine's own BM25."""

import re
from pathlib import Path

import psycopg
import tantivy

from federation.database import sqlite_module
from tests.benchmarks.relevance.load import text
from tests.benchmarks.relevance.measure import DEPTH, Find, RankedNames
from tests.benchmarks.relevance.models import Record

_WORD = re.compile(r"[^\W_]+")


def fts5(records: list[Record], folder: Path) -> Find:
    """SQLite FTS5: all words, BM25, the name weighing ten times the rest."""
    connection = sqlite_module().connect(str(folder / "baseline.db"))
    connection.execute("CREATE VIRTUAL TABLE model USING fts5(name, body)")
    rows = [(record["name"], text(record)) for record in records]
    connection.executemany("INSERT INTO model VALUES (?, ?)", rows)
    ranked = f"SELECT name FROM model WHERE model MATCH ? ORDER BY bm25(model, 10, 1) LIMIT {DEPTH}"

    def find(query: str) -> RankedNames:
        words = " ".join(f'"{word}"' for word in _WORD.findall(query))
        return RankedNames.of([name for (name,) in connection.execute(ranked, (words,))] if words else [])

    return find


def like(records: list[Record], folder: Path) -> Find:
    """`name LIKE '%query%'` without case, in the order of names: what MLflow's model search does with a text."""
    connection = sqlite_module().connect(str(folder / "like.db"))
    connection.execute("CREATE TABLE model (name TEXT)")
    connection.executemany("INSERT INTO model VALUES (?)", [(record["name"],) for record in records])
    matching = f"SELECT name FROM model WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT {DEPTH}"

    def find(query: str) -> RankedNames:
        escaped = re.sub(r"([\\%_])", r"\\\1", query)
        return RankedNames.of([name for (name,) in connection.execute(matching, (f"%{escaped}%",))])

    return find


def postgres(records: list[Record], connection: psycopg.Connection) -> Find:
    """PostgreSQL full text: all words, `ts_rank` with the name in weight A. Separators are spaces to its parser."""
    connection.execute("CREATE TABLE model (name text, found tsvector)")
    vector = "setweight(to_tsvector('simple', %s), 'A') || setweight(to_tsvector('simple', %s), 'C')"
    with connection.cursor() as cursor:
        rows = [(record["name"], _spaced(record["name"]), _spaced(text(record))) for record in records]
        cursor.executemany(f"INSERT INTO model VALUES (%s, {vector})", rows)
    connection.execute("CREATE INDEX ON model USING gin (found)")
    ranked = (
        "SELECT name FROM model, plainto_tsquery('simple', %s) query WHERE found @@ query "
        f"ORDER BY ts_rank(found, query) DESC, name LIMIT {DEPTH}"
    )

    def find(query: str) -> RankedNames:
        return RankedNames.of([name for (name,) in connection.execute(ranked, (_spaced(query),))])

    return find


def any_word(records: list[Record], folder: Path) -> Find:
    """The engine that search is built on, used plainly: any word, BM25, the name weighing ten times the rest."""
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("name", stored=True)
    fields.add_text_field("body")
    (folder / "any-word").mkdir()
    index = tantivy.Index(fields.build(), str(folder / "any-word"))
    writer = index.writer(num_threads=1)
    for record in records:
        writer.add_document(tantivy.Document(name=record["name"], body=text(record)))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def find(query: str) -> RankedNames:
        words = " ".join(f'"{word}"' for word in _WORD.findall(query))
        if not words:
            return RankedNames.of([])
        asked = index.parse_query(words, ["name", "body"], field_boosts={"name": 10.0})
        hits = searcher.search(asked, limit=DEPTH).hits
        return RankedNames.of([str(searcher.doc(address)["name"][0]) for _, address in hits])

    return find


def _spaced(value: str) -> str:
    return " ".join(_WORD.findall(value))
