"""A backup is the database of one moment in one file: whole or refused, and put back so that nothing is done twice."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from federation import changes, schema, tables
from federation.backups import archive, backups
from federation.backups.archive import BackupError, BackupHeader, EndFrame, RowsFrame, TableFrame
from federation.backups.rows import names
from federation.database import now, open_engine, reading, writing
from federation.graph.tables import graph_head
from federation.identity.tables import session
from federation.journal import log
from federation.journal.entry import FORMAT, Action, Entry
from federation.journal.log import Batch
from federation.operations.asking import RequestedChange
from federation.operations.tables import operation
from federation.operations.wanted import SetTags
from federation.policies.policies import Policy, Quorum
from federation.positions import Positions
from federation.promotions.tables import promotion
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, version

CHANGED = {
    "change",
    "graph_head",
    "head",
    "journal",
    "journal_tile",
    "operation",
    "promotion",
    "registry",
    "secret",
    "journal_value",
}
"""Tables in which a restore says that there was one, and that nothing is under way."""


def filled(url: str) -> PromotionsWorld:
    """A model with promotions and operations, one of each under way."""
    world = make_promotions_world(url)
    world.apply(Policy("guard", "*", approvals=(Quorum(1),)))
    ann = world.person("ann", "contributor")
    world.promotions.propose(ann, version("2"), "production", "it is better")
    world.operations.ask(RequestedChange(version("3"), SetTags({"color": "blue"})))
    with writing(world.engine) as connection:
        connection.execute(insert(graph_head).values(id=1, position=1, nodes=0, generation=4, format=1))
    return world


def content(engine: Engine) -> dict[str, list[Any]]:
    """Every row of every table that a backup holds."""
    with reading(engine) as connection:
        kept = [schema.metadata().tables[name] for name in names(connection)]
        return {one.name: sorted(map(repr, connection.execute(select(one)))) for one in kept}


@pytest.fixture
def elsewhere(empty_database: str) -> Iterator[Engine]:
    engine = open_engine(empty_database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PromotionsWorld]:
    folder: Path = tmp_path_factory.mktemp("source")
    world = filled(f"sqlite:///{folder / 'waypost.db'}")
    yield world
    world.engine.dispose()


@pytest.fixture(scope="module")
def backup(source: PromotionsWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("backup") / "waypost.backup"
    backups.make(source.engine, path)
    return path


def test_what_was_there_is_there_again_on_either_database(
    source: PromotionsWorld, backup: Path, elsewhere: Engine
) -> None:
    held = backups.check(backup)
    back = backups.restore(elsewhere, backup)
    before, after = content(source.engine), content(elsewhere)
    assert {name for name in before if before[name] != after[name]} <= CHANGED
    assert back.rows == held.rows == sum(map(len, before.values()))
    assert before["journal"] == [row for row in after["journal"] if row in before["journal"]]


def test_a_backup_of_postgresql_is_read_by_sqlite(database: str, tmp_path: Path) -> None:
    world = filled(database)
    backups.make(world.engine, tmp_path / "one")
    engine = open_engine(f"sqlite:///{tmp_path / 'back.db'}")
    backups.restore(engine, tmp_path / "one")
    before, after = content(world.engine), content(engine)
    engine.dispose()
    world.engine.dispose()
    assert {name for name in before if before[name] != after[name]} <= CHANGED


def test_what_was_under_way_is_not_done_again(backup: Path, elsewhere: Engine) -> None:
    back = backups.restore(elsewhere, backup)
    assert (back.operations, back.promotions) == (1, 1)
    with reading(elsewhere) as connection:
        [state] = connection.execute(select(operation.c.state, operation.c.error)).all()
        [ended] = connection.execute(select(promotion.c.state, promotion.c.message)).all()
        told = [row.entry for row in connection.execute(select(tables.journal.c.entry))][-3:]
        assert connection.execute(select(tables.registry.c.last_full_at)).scalars().all() == [None]
        assert connection.execute(select(session)).all() == []
    assert state.state == "unknown"
    assert "restored from a backup" in state.error
    assert ended.state == "void"
    assert "propose it again" in ended.message
    assert [word in bytes(entry) for word, entry in zip(WORDS, told, strict=True)] == [True, True, True]


WORDS = (b"database.restored", b"operation.unknown", b"promotion.void")


def test_whoever_followed_the_database_that_was_lost_begins_anew(
    source: PromotionsWorld, backup: Path, elsewhere: Engine
) -> None:
    with reading(source.engine) as connection:
        newest = changes.newest(connection)
    given = Positions(source.engine).seal(newest)
    backups.restore(elsewhere, backup)
    assert Positions(elsewhere).open(given) is None
    for position in (newest - 1, newest, newest + 5000):
        with reading(elsewhere) as connection, pytest.raises(changes.FeedTrimmedError):
            changes.after(connection, position, 10)
    with writing(elsewhere) as connection:
        batch = Batch()
        batch.change(changes.Change("model", 1, 1))
        first = batch.append(connection)
    with reading(elsewhere) as connection:
        assert [one.position for one in changes.after(connection, first - 1, 10)] == [first]
        assert connection.execute(select(graph_head.c.generation)).scalar_one() > 4 + 5000
        with pytest.raises(changes.FeedTrimmedError):
            changes.after(connection, newest, 10)


def test_ids_that_were_given_are_not_given_again(tmp_path: Path, elsewhere: Engine) -> None:
    world = filled(f"sqlite:///{tmp_path / 'source.db'}")
    with writing(world.engine) as connection:
        highest = connection.execute(text("SELECT max(id) FROM operation")).scalar_one()
        connection.execute(text("DELETE FROM operation"))
    backups.make(world.engine, tmp_path / "one")
    world.engine.dispose()
    backups.restore(elsewhere, tmp_path / "one")
    row: dict[str, Any] = {
        column.name: 0 for column in operation.columns if not column.nullable and column.name != "id"
    }
    row |= dict.fromkeys(("actor", "kind", "ref", "wanted", "target_kind", "native_id", "ordering_key"), "x")
    times = {name: now() for name in ("due_at", "requested_at")}
    row |= {"token": "x", "digest": b"x", "state": "ok"} | times
    with writing(elsewhere) as connection:
        made = connection.execute(operation.insert().values(row)).inserted_primary_key
    assert made is not None
    assert made[0] == highest + 1


def test_a_database_with_something_in_it_is_left_alone(source: PromotionsWorld, backup: Path) -> None:
    before = content(source.engine)
    with pytest.raises(BackupError, match="not empty"):
        backups.restore(source.engine, backup)
    assert content(source.engine) == before


def test_a_backup_never_overwrites_and_is_its_owners_alone(source: PromotionsWorld, backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="never overwrites"):
        backups.make(source.engine, backup)
    assert [one.name for one in backup.parent.iterdir()] == [backup.name]


def test_a_backup_that_fails_leaves_nothing_behind(
    source: PromotionsWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.FrameWriter, "put_rows", full)
    with pytest.raises(BackupError, match="No space left"):
        backups.make(source.engine, tmp_path / "one")
    assert list(tmp_path.iterdir()) == []


def test_no_byte_of_it_can_be_changed_or_missing(backup: Path, tmp_path: Path) -> None:
    whole = gzip.decompress(backup.read_bytes())
    rng = random.Random(24)
    for place in rng.sample(range(len(whole)), 60):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        _refused(tmp_path / "changed", gzip.compress(bytes(changed), 1))
    for end in rng.sample(range(len(whole)), 20):
        _refused(tmp_path / "cut", gzip.compress(whole[:end], 1))
    raw = backup.read_bytes()
    for end in rng.sample(range(len(raw)), 20):
        _refused(tmp_path / "torn", raw[:end])
    _refused(tmp_path / "other", b"not a backup at all")


def _refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(BackupError):
        backups.check(path)


def rewritten(source: Path, path: Path, change: Any) -> Path:
    """The backup with rows that somebody changed and a digest that fits."""
    frames = archive.read_frames(source)
    header = next(frames)
    assert isinstance(header, BackupHeader)
    name = ""
    with archive.writing_to(path, change("", header)) as file:
        for frame in frames:
            if isinstance(frame, TableFrame):
                name = frame.name
            if isinstance(frame, EndFrame):
                break
            kept = change(name, frame)
            if isinstance(kept, RowsFrame):
                file.put_rows(kept.rows)
            elif kept is not None:
                file.put(kept)
    return path


@pytest.mark.parametrize("column", ["entry", "leaf_hash"])
def test_a_journal_that_was_changed_is_not_put_back(backup: Path, tmp_path: Path, column: str) -> None:
    place = [one.name for one in tables.journal.columns].index(column)

    def change(name: str, frame: Any) -> Any:
        if name != "journal" or not isinstance(frame, RowsFrame):
            return frame
        rows = [list(row) for row in frame.rows]
        rows[2][place] = rows[2][place][:-1] + bytes([rows[2][place][-1] ^ 1])
        return RowsFrame(rows=rows)

    engine = open_engine(f"sqlite:///{tmp_path / 'back.db'}")
    with pytest.raises(BackupError, match="was changed"):
        backups.restore(engine, rewritten(backup, tmp_path / "changed", change))
    assert schema.found(engine) is None
    engine.dispose()


def test_a_journal_that_was_cut_is_not_put_back(backup: Path, tmp_path: Path) -> None:
    def change(name: str, frame: Any) -> Any:
        is_entries = name == "journal" and isinstance(frame, RowsFrame)
        return RowsFrame(rows=frame.rows[:-1]) if is_entries else frame

    engine = open_engine(f"sqlite:///{tmp_path / 'back.db'}")
    with pytest.raises(BackupError, match="was changed"):
        backups.restore(engine, rewritten(backup, tmp_path / "cut", change))
    engine.dispose()


def test_a_backup_of_an_older_schema_is_brought_to_the_newest(elsewhere: Engine, tmp_path: Path) -> None:
    former = open_engine(f"sqlite:///{tmp_path / 'former.db'}")
    with writing(former) as connection:
        schema.upgrade(connection, "0019")
        log.start(connection)
        batch = Batch()
        batch.record(Entry(action=Action.JOURNAL_STARTED, details={"origin": "former", "format": FORMAT}))
        batch.append(connection)
    made = backups.make(former, tmp_path / "one")
    assert (made.header.schema, schema.found(former)) == ("0019", "0019")
    former.dispose()
    backups.restore(elsewhere, tmp_path / "one")
    assert schema.found(elsewhere) == schema.LATEST
    with reading(elsewhere) as connection:
        told = (
            connection.execute(select(tables.journal.c.action).order_by(tables.journal.c.seq)).scalars().all()
        )
    assert told == ["journal.started", "database.restored", "schema.migrated"]


def with_schema(header: BackupHeader, known: str) -> BackupHeader:
    return BackupHeader(
        **{each: getattr(header, each) for each in header.__struct_fields__} | {"schema": known}
    )


def test_a_backup_of_a_newer_schema_is_refused(backup: Path, tmp_path: Path) -> None:
    def change(_: str, frame: Any) -> Any:
        return with_schema(frame, "9999") if isinstance(frame, BackupHeader) else frame

    engine = open_engine(f"sqlite:///{tmp_path / 'back.db'}")
    with pytest.raises(BackupError, match="install a newer Waypost"):
        backups.restore(engine, rewritten(backup, tmp_path / "newer", change))
    engine.dispose()


def test_an_operation_that_goes_on_meanwhile_is_in_it_or_not(tmp_path: Path) -> None:
    world = filled(f"sqlite:///{tmp_path / 'waypost.db'}")
    put = archive.FrameWriter.put
    written: list[str] = []

    def put_and_write(self: archive.FrameWriter, frame: Any) -> None:
        if isinstance(frame, TableFrame) and not written:
            written.append(frame.name)
            with writing(world.engine) as connection:
                connection.execute(update(tables.registry).values(failures=7))
        put(self, frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive.FrameWriter, "put", put_and_write)
        backups.make(world.engine, tmp_path / "one")
    engine = open_engine(f"sqlite:///{tmp_path / 'back.db'}")
    backups.restore(engine, tmp_path / "one")
    with reading(engine) as connection:
        assert connection.execute(select(tables.registry.c.failures)).scalars().all() == [0]
    engine.dispose()
    world.engine.dispose()
