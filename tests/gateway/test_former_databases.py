"""A database of a former build is carried over: its schema, every word of its log, and what it answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Row, select

from adapters import Record, discover
from federation import schema, tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import DECODERS, TABLES, CatalogueWriter
from federation.database import now, open_engine, reading, writing
from federation.registries.opening import reading_of, rules_of
from gateway.cli.asked import AnsweredProblemError, Gateway
from gateway.cli.client import embedded
from gateway.cli.invocation import Invocation
from gateway.demo.clouds import CREDENTIALS
from tests.gateway import former
from tests.gateway.former.backends import read_again
from tests.servers.postgres import Postgres

OPAQUE = "position"
"""What says something to the gateway alone, and to each build in its own way."""
BY_TEAM = "/production"
"""Listed by registry once, by team and registry now."""


@pytest.fixture(params=["sqlite", "postgresql"])
def former_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of the former build."""
    if request.param == "sqlite":
        return former.restore_sqlite(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return former.restore_postgresql(server)


@pytest.fixture
def carried(former_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """This build's gateway over that database; on PostgreSQL, `waypost migrate` has come first."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    if former_url.startswith("postgresql"):
        migrated(former_url)
    with embedded(Invocation(config=former.configured(tmp_path, former_url))) as gateway:
        yield gateway


def migrated(url: str) -> tuple[str | None, str]:
    """Bring a database to the newest schema; what it had and what it has."""
    engine = open_engine(url)
    try:
        return schema.migrate(engine)
    finally:
        engine.dispose()


def differences(url: str) -> list[Any]:
    """How the schema of a database differs from the tables of this build."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": schema.compare_type})
            return [
                one
                for one in compare_metadata(context, schema.metadata())
                if "alembic_version" not in str(one)
            ]
    finally:
        engine.dispose()


def missing(said: Any, now: Any, where: str = "") -> list[str]:
    """What was said once and is not now; what is added to an answer is none of it."""
    if isinstance(said, dict) and isinstance(now, dict):
        told = {key: one for key, one in said.items() if key != OPAQUE}
        return [line for key, one in told.items() for line in missing(one, now.get(key), f"{where}.{key}")]
    if isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        pairs = zip(said, now, strict=True)
        return [
            line
            for place, (one, other) in enumerate(pairs)
            for line in missing(one, other, f"{where}[{place}]")
        ]
    return [] if said == now else [f"{where}: {said!r} is now {now!r}"]


def test_each_migration_follows_one_other_and_the_code_asks_for_the_last() -> None:
    script = ScriptDirectory(str(schema.FOLDER))
    numbers = [revision.revision for revision in script.walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)
    assert script.get_heads() == [schema.LATEST]


def test_migrations_lead_from_nothing_to_the_tables(empty_database: str) -> None:
    assert migrated(empty_database) == (None, schema.LATEST)
    assert differences(empty_database) == []


def test_a_former_database_gets_the_same_tables(former_url: str) -> None:
    assert migrated(former_url) == ("0001", schema.LATEST)
    assert differences(former_url) == []
    assert migrated(former_url) == (schema.LATEST, schema.LATEST)


def test_what_a_former_build_answered_is_answered_still(carried: Gateway, former_url: str) -> None:
    known = former.answers(former_url.partition(":")[0].partition("+")[0])
    log = known.pop("/audit")["entries"]
    now = carried.get("/audit", limit=len(log))["entries"]
    assert [entry["leaf_hash"] for entry in now] == [entry["leaf_hash"] for entry in log]
    answers = {path: carried.get(path) for path in known}
    for one in (known[BY_TEAM], answers[BY_TEAM]):
        one["versions"].sort(key=lambda version: version["ref"])
    assert [line for path, said in known.items() for line in missing(said, answers[path], path)] == []


def test_a_former_database_is_searched_and_its_graph_asked(carried: Gateway) -> None:
    found = carried.get("/search", q="fraud stage:production", limit=5)
    assert "fraud/card-fraud-scorer:3" in {hit["ref"] for hit in found["hits"]}
    impact = carried.get("/impact/search/encoder:3", action="archive")
    assert "fraud/merchant-embedder:2" in {one["ref"] for one in impact["affected"]}
    needed = carried.get("/dependencies/storefront/search-blend:7")
    assert "search/encoder" in str(needed)


def test_what_a_former_build_saw_deleted_is_gone_and_remembered(carried: Gateway, former_url: str) -> None:
    gone = "fraud/gone-1:1" if former_url.startswith("sqlite") else "fraud/gone-2:1"
    with pytest.raises(AnsweredProblemError) as answer:
        carried.get(f"/versions/{gone}")
    assert answer.value.status == 410


def test_what_this_build_reads_better_is_told_as_no_change(former_url: str) -> None:
    migrated(former_url)
    engine = open_engine(former_url)
    try:
        with writing(engine) as connection:
            for registry in connection.execute(select(tables.registry)).all():
                known = living(connection, registry)
                said: dict[Any, Any] = {record.key: record.native for record in known}
                first = take_in(connection, registry, read_again(registry.kind, known, said))
                assert [entry.action for entry, *_ in first.batch.entries] == []
                assert first.counts["reread"] > 10, "the former build read these otherwise"
                one = next(record for record in known if record.key.kind == "version")
                said[one.key] = {**said[one.key], DESCRIBED[registry.kind]: "another one"}
                then = take_in(connection, registry, read_again(registry.kind, known, said))
                (entry,) = [entry for entry, *_ in then.batch.entries]
                assert (entry.action, entry.details["fields"]) == ("version.changed", ["description"])
    finally:
        engine.dispose()


DESCRIBED = {
    "mlflow": "description", "sagemaker": "ModelPackageDescription", "vertex": "versionDescription",
}  # fmt: skip


def living(connection: Connection, registry: Row[Any]) -> list[Record]:
    """The records of a registry as they are known."""
    return [
        DECODERS[kind](body)
        for kind, table in TABLES.items()
        for body in connection.execute(
            select(table.c.body).where(table.c.registry_id == registry.id, table.c.deleted_at.is_(None))
        ).scalars()
    ]


def take_in(connection: Connection, registry: Row[Any], records: list[Record]) -> CatalogueWriter:
    """Write records as a scan does that listed them."""
    adapters = discover()
    origin = Origin(
        registry.id,
        registry.name,
        rules_of(registry, adapters),
        by=now(),
        after=registry.last_success_at,
        reading=reading_of(registry, adapters),
    )
    writer = CatalogueWriter(connection, origin)
    writer.write([codec.encode(record) for record in records], listed=True)
    assert not writer.doubtful
    return writer
