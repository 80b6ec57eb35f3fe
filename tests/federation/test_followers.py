"""Shared followers: what they write of each entry is there once, in order, wherever a worker dies."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from federation import tables
from federation.changes import Change, FeedTrimmedError
from federation.database import now, open_engine, reading, writing
from federation.followers import Followers, Shared
from federation.journal import log
from federation.journal.entry import Action, Entry, Recorded
from federation.journal.log import Batch
from federation.journal.query import MOST_BYTES
from federation.journal.tables import seal
from tests.federation.operations.victims import die, killed
from tests.patience import until

POINTS = ("reading", "read", "in the effect", "done", "moving", "moved")
"""Where a worker dies: before its batch is read, after that, with half of the effect done, with all of it done, before
the position is committed, and after that."""
DONE = Table("done", MetaData(), Column("id", Integer, primary_key=True), Column("name", String))
"""What was done, in order: no key keeps anything from being done twice."""


class DiedError(BaseException):
    """The worker died here."""


def happen(engine: Engine, names: Sequence[str]) -> None:
    """One entry of the journal and one change for each."""
    batch = Batch()
    for name in names:
        batch.record(Entry(action=Action.SYNC_FINISHED, registry=name, details={}))
        batch.change(Change("model", int(name), 1))
    with writing(engine) as connection:
        batch.append(connection)


class MortalFollower(Shared[Recorded]):
    """A follower of the journal whose worker dies at a point."""

    def __init__(
        self,
        engine: Engine,
        effect: Callable[[Connection, Sequence[str]], object],
        point: str = "",
        die: Callable[[], None] = die,
    ) -> None:
        super().__init__("webhooks", engine, self.read, self.act, limit=3)
        self.does, self.point, self.die = effect, point, die

    def at(self, point: str) -> None:
        if point == self.point:
            self.die()

    def read(self, connection: Connection, position: int, limit: int) -> list[tuple[int, Recorded]]:
        self.at("reading")
        return log.source(connection, position, limit)

    def act(self, connection: Connection, entries: Sequence[Recorded]) -> None:
        self.at("read")
        names = [str(one.entry.registry) for one in entries if one.entry.action == Action.SYNC_FINISHED]
        half = len(names) // 2
        self.does(connection, names[:half])
        self.at("in the effect")
        self.does(connection, names[half:])
        self.at("done")

    def _move(self, connection: Connection, position: int) -> None:
        super()._move(connection, position)
        self.at("moving")

    def step(self) -> bool:
        stepped = super().step()
        self.at("moved")
        return stepped


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    opened = open_engine(database)
    with writing(opened) as connection:
        DONE.create(connection)
    yield opened
    opened.dispose()


def write(connection: Connection, names: Sequence[str]) -> None:
    """The effect of these followers."""
    if names:
        connection.execute(insert(DONE), [{"name": name} for name in names])


def done(engine: Engine) -> list[str]:
    """What the effects have written."""
    with reading(engine) as connection:
        return [str(name) for name in connection.execute(select(DONE.c.name).order_by(DONE.c.id)).scalars()]


@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_the_next_one_goes_on_at_once(engine: Engine, point: str) -> None:
    names = [str(number) for number in range(8)]
    happen(engine, names)

    def perish() -> None:
        raise DiedError

    with pytest.raises(DiedError):
        MortalFollower(engine, write, point, perish).step()
    other = MortalFollower(engine, write)
    while other.step():
        pass
    assert done(engine) == names


def test_several_at_once_do_each_thing_once(engine: Engine) -> None:
    names = [str(number) for number in range(24)]
    happen(engine, names)

    def follow_to_the_end() -> None:
        shared = MortalFollower(engine, write)
        while len(done(engine)) < len(names):
            shared.step()

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(follow_to_the_end) for _ in range(4)]:
            one.result()
    assert done(engine) == names


def test_nobody_waits_for_another_that_is_at_it(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time, whatever it writes")
    happen(engine, ["0", "1"])
    other, stepped = MortalFollower(engine, write), list[bool]()

    def look_meanwhile(connection: Connection, names: Sequence[str]) -> None:
        stepped.append(other.step())
        write(connection, names)

    assert MortalFollower(engine, write).step()  # its row is there
    happen(engine, ["2", "3"])
    assert MortalFollower(engine, look_meanwhile).step()
    assert not any(stepped)
    assert done(engine) == ["0", "1", "2", "3"]


def test_what_could_not_be_done_is_tried_again(engine: Engine) -> None:
    happen(engine, ["0", "1"])
    shared = MortalFollower(engine, write)

    def away(connection: Connection, names: Sequence[str]) -> None:
        write(connection, names)
        raise OSError("the disk is away")

    shared.does = away
    with pytest.raises(OSError, match="away"):
        shared.step()
    assert not done(engine)
    shared.does = write
    assert shared.step()
    assert not shared.step()
    assert done(engine) == ["0", "1"]


def test_a_worker_drives_local_and_shared_ones_by_one_loop(engine: Engine) -> None:
    followers = Followers({"webhooks": MortalFollower(engine, write)})
    followers.start()
    try:
        happen(engine, ["0", "1", "2", "3"])
        followers.look()
        until(lambda: done(engine) == ["0", "1", "2", "3"])
    finally:
        followers.close()


def test_what_is_gone_before_a_follower_came_to_it_is_passed_over(engine: Engine) -> None:
    names = [str(number) for number in range(6)]
    happen(engine, names)
    with writing(engine) as connection:
        size = connection.execute(select(tables.head.c.size)).scalar_one()
        first = connection.execute(
            select(func.min(tables.journal.c.seq)).where(tables.journal.c.action == Action.SYNC_FINISHED)
        ).scalar_one()
        connection.execute(delete(tables.journal).where(tables.journal.c.seq < first + 2))
        connection.execute(
            insert(seal).values(size=first + 2, first=0, file="archive", digest=b"", time=now())
        )
        with pytest.raises(FeedTrimmedError, match="sealed"):
            log.source(connection, 0, 1)
    shared = MortalFollower(engine, write)
    while shared.step():
        pass
    assert done(engine) == names[2:]
    with reading(engine) as connection:
        assert shared.position(connection) == size


def test_entries_are_read_at_once_by_their_bytes_too(engine: Engine) -> None:
    with reading(engine) as connection:
        size = connection.execute(select(tables.head.c.size)).scalar_one()
    batch = Batch()
    for number, part in enumerate((0.4, 0.4, 0.4, 1.5, 0, 0)):
        told = {"names": "x" * int(part * MOST_BYTES)}
        batch.record(Entry(action=Action.SYNC_FINISHED, registry=str(number), details=told))
    with writing(engine) as connection:
        batch.append(connection)
        lots = []
        position = size
        while found := log.source(connection, position, 100):
            lots.append([one.entry.registry for _, one in found])
            position = found[-1][0]
        [(_, only)] = log.source(connection, size, 1)
    assert lots == [["0", "1", "2"], ["3"], ["4", "5"]]
    assert only.entry.registry == "0"


def follow(url: str, point: str, total: int) -> None:
    """One worker's life: until it dies, at its second batch, or everything is done."""
    engine = open_engine(url)
    passed: list[str] = []

    def die_at_the_second() -> None:
        passed.append(point)
        if len(passed) == 2:
            die()

    shared = MortalFollower(engine, write, point, die_at_the_second)
    position = 0
    while position < total:
        if not shared.step():
            time.sleep(0.01)
        with reading(engine) as connection:
            position = shared.position(connection)
    engine.dispose()


def test_two_workers_that_are_killed_again_and_again(database: str, engine: Engine) -> None:
    names = [str(number) for number in range(24)]
    happen(engine, names)
    with reading(engine) as connection:
        total = connection.execute(select(tables.head.c.size)).scalar_one()

    def keep_alive(points: Sequence[str]) -> int:
        lives = 1
        for point in cycle(points):
            if not killed(follow, database, point, total):
                return lives
            lives += 1
        return lives

    with ThreadPoolExecutor() as pool:
        others = pool.submit(keep_alive, POINTS), pool.submit(keep_alive, POINTS[::-1])
        lives = sum(one.result() for one in others)
    assert lives > 4
    assert done(engine) == names
