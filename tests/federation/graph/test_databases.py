"""The graph is the same code on SQLite and PostgreSQL: the same estate gives the same answers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from federation import schema
from federation.access import EVERYTHING, LOCAL, View
from federation.database import open_engine, reading, writing
from federation.graph import declared, tables
from federation.graph.follower import _head
from federation.graph.graph import Question
from federation.graph.insights import INSIGHTS
from federation.references import parse
from tests.federation.graph.chain import Chain, build
from tests.federation.graph.estate import Estate

APP = parse("search/search-blend:7")


@pytest.fixture
def estate(database: str, tmp_path: Path) -> Iterator[Estate]:
    engine = open_engine(database)
    schema.migrate(engine)
    chain: Chain = build(Estate(tmp_path, engine))
    yield chain.estate
    engine.dispose()


def test_both_databases_answer_alike(estate: Estate) -> None:
    graph = estate.graph
    asked = (
        ("texts/encoder:3", "archive", None),
        ("texts/encoder@champion", "move-alias", "4"),
        ("texts/encoder", "delete", None),
        ("texts/encoder@stage:production", "change", "5"),
    )
    found = [graph.impact(EVERYTHING, Question(parse(ref)), action, to=to) for ref, action, to in asked]  # type: ignore[arg-type]
    assert [(one.counts.affected, one.counts.breaking) for one in found] == [(3, 2), (1, 1), (3, 2), (3, 0)]
    assert graph.impact(EVERYTHING, Question(dataset="clicks")).counts.affected == 4
    assert graph.impact(EVERYTHING, Question(commit="0123456")).counts.affected == 4
    everything = View.of(estate.ids.values())
    needed = [one.ref for one in graph.dependencies(everything, APP).dependencies]
    assert needed == [
        "ranking/ranker:5", "texts/encoder:3", "run:texts/r1", "dataset:clicks#d1", "commit:0123456789abcdef",
    ]  # fmt: skip
    assert [graph.insights(everything, name).total for name in INSIGHTS] == [2, 2, 2, 2, 3, 0, 0, 0, 0]
    assert "ranking/ranker:5" in graph.bill(EVERYTHING, APP)


def test_both_databases_follow_declarations_and_new_names(estate: Estate) -> None:
    with writing(estate.engine) as connection:
        made = declared.declare(connection, LOCAL, APP, parse("texts/encoder:4"))
        assert [one.id for one in declared.listed(connection, EVERYTHING)[0]] == [made.id]
    estate.rename("texts", "words")
    estate.settle()
    for name in ("texts", "words"):
        found = estate.graph.impact(EVERYTHING, Question(parse(f"{name}/encoder:4")), "archive")
        assert [(one.ref, one.reason) for one in found.affected] == [
            ("search/search-blend:7", "pinned to words/encoder:4, which would be archived")
        ]


def test_two_machines_may_be_the_first(estate: Estate) -> None:
    """Each gateway on a new database makes the head of the graph, where there is none yet."""
    for table in (tables.edge, tables.node, tables.graph_head):
        with writing(estate.engine) as connection:
            connection.execute(table.delete())
    if estate.engine.dialect.name == "sqlite":
        return  # it lets in one writer at a time
    together = threading.Barrier(2)

    def begin(_: int) -> int:
        with reading(estate.engine) as connection:
            assert connection.execute(select(tables.graph_head)).first() is None
        with writing(estate.engine) as connection:
            together.wait(60)
            return int(_head(connection).position)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(begin, range(2))) == [0, 0]
