"""Engines of tests share compiled statements, and each answers from its own database."""

from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from federation.database import open_engine, reading, writing
from tests.compiled import CompiledStatements
from tests.servers.postgres import Postgres

TABLE = Table("compiled", MetaData(), Column("number", Integer, primary_key=True), Column("said", String))


def answer(url: str, said: str) -> tuple[CompiledStatements, list[str], int]:
    """What a new database at this address shares, says of what was written there, and how many statements it added."""
    engine = open_engine(url)
    shared: CompiledStatements = engine.get_execution_options()["compiled_cache"]
    with writing(engine) as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE).values(number=1, said=said))
    before = len(shared)
    with reading(engine) as connection:
        found = list(connection.execute(select(TABLE.c.said).where(TABLE.c.number == 1)).scalars())
    engine.dispose()
    return shared, found, len(shared) - before


def test_a_statement_is_compiled_once_for_each_kind_of_database(postgres: Postgres, tmp_path: Path) -> None:
    lasting = postgres.create()
    one = answer(f"sqlite:///{tmp_path / 'one.db'}", "one")
    other = answer(f"sqlite:///{tmp_path / 'other.db'}", "other")
    third = answer(postgres.url(lasting), "third")
    assert one[0] is other[0] is third[0]
    assert [one[1:], other[1:], third[1:]] == [(["one"], 1), (["other"], 0), (["third"], 1)]
    postgres.drop(lasting)
