"""What a database offers instead, on the same names and texts: full text search and LIKE."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg

from federation.database import sqlite_module
from tests.benchmarks.relevance.load import text
from tests.benchmarks.relevance.measure import DEPTH
from tests.benchmarks.relevance.queries import Record

Find = Callable[[str], list[str]]
_WORD = re.compile(r"\w+")


def fts5(records: list[Record], folder: Path) -> Find:
    """SQLite FTS5: all words, BM25, the name weighing ten times the rest."""
    connection = sqlite_module().connect(str(folder / "baseline.db"))
    connection.execute("CREATE VIRTUAL TABLE model USING fts5(name, body)")
    rows = [(record["name"], text(record)) for record in records]
    connection.executemany("INSERT INTO model VALUES (?, ?)", rows)
    ranked = f"SELECT name FROM model WHERE model MATCH ? ORDER BY bm25(model, 10, 1) LIMIT {DEPTH}"

    def find(query: str) -> list[str]:
        words = " ".join(f'"{word}"' for word in _WORD.findall(query))
        return [name for (name,) in connection.execute(ranked, (words,))] if words else []

    return find


def like(records: list[Record], folder: Path) -> Find:
    """`name LIKE '%query%'` without case, in the order of names: what MLflow's model search does with a text."""
    connection = sqlite_module().connect(str(folder / "like.db"))
    connection.execute("CREATE TABLE model (name TEXT)")
    connection.executemany("INSERT INTO model VALUES (?)", [(record["name"],) for record in records])
    matching = f"SELECT name FROM model WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT {DEPTH}"

    def find(query: str) -> list[str]:
        escaped = re.sub(r"([\\%_])", r"\\\1", query)
        return [name for (name,) in connection.execute(matching, (f"%{escaped}%",))]

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

    def find(query: str) -> list[str]:
        return [name for (name,) in connection.execute(ranked, (_spaced(query),))]

    return find


def _spaced(value: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", value))
