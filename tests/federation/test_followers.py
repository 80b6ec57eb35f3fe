"""Shared followers: each entry at least once, in order, never by two at once, wherever a worker dies."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, delete, func, insert, select

from federation import changes, tables
from federation.changes import Change, FeedTrimmedError
from federation.database import now, open_engine, reading, writing
from federation.followers import Followers, Shared
from federation.journal import log
from federation.journal.entry import Action, Entry, Recorded
from federation.journal.log import Batch
from federation.journal.tables import seal
from federation.leases import Leases
from tests.federation.operations.victims import die, killed
from tests.federation.sync.world import expire_leases
from tests.patience import until

POINTS = ("reading", "read", "in the effect", "done", "moving", "moved")
"""Where a worker dies: before its batch is read, after that, with half of the effect done, with all of it done, before
the position is committed, and after that."""


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


class Mortal(Shared[Recorded]):
    """A follower of the journal whose worker dies at a point."""

    def __init__(
        self,
        engine: Engine,
        owner: str,
        effect: Callable[[Sequence[str]], object],
        point: str = "",
        die: Callable[[], None] = die,
    ) -> None:
        super().__init__("webhooks", engine, Leases(owner), self.read, self.act, limit=3)
        self.does, self.point, self.die = effect, point, die

    def at(self, point: str) -> None:
        if point == self.point:
            self.die()

    def read(self, connection: Connection, position: int, limit: int) -> list[tuple[int, Recorded]]:
        if limit > 1:
            self.at("reading")
        return log.source(connection, position, limit)

    def act(self, entries: Sequence[Recorded]) -> None:
        self.at("read")
        names = [str(one.entry.registry) for one in entries if one.entry.action == Action.SYNC_FINISHED]
        half = len(names) // 2
        self.does(names[:half])
        self.at("in the effect")
        self.does(names[half:])
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
    yield opened
    opened.dispose()


def in_order(done: Sequence[str]) -> bool:
    """Whether each is first done after all before it: what is done again is no news."""
    return list(dict.fromkeys(done)) == sorted(set(done), key=int)


@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_the_next_one_goes_on(engine: Engine, point: str) -> None:
    names = [str(number) for number in range(8)]
    happen(engine, names)
    done: list[str] = []

    def perish() -> None:
        raise DiedError

    with pytest.raises(DiedError):
        Mortal(engine, "one", done.extend, point, perish).step()
    other = Mortal(engine, "other", done.extend)
    if point not in ("reading", "moved"):  # its lease was not committed, or given back
        assert not other.step()  # for all it knows the first one is at it
        expire_leases(engine)
    while other.step():
        pass
    assert set(done) == set(names)
    assert in_order(done)
    assert len(done) <= len(names) + other.limit


def test_one_that_wakes_late_moves_nothing(engine: Engine) -> None:
    happen(engine, ["0", "1"])
    done: list[str] = []
    late = Mortal(engine, "late", done.extend)

    def oversleep(names: Sequence[str]) -> None:
        if not done:
            done.append("late")
            expire_leases(engine)
            assert Mortal(engine, "other", done.extend).step()
            happen(engine, ["2"])

    late.does = oversleep
    assert not late.step()
    late.does = done.extend
    while late.step():
        pass
    assert done == ["late", "0", "1", "2"]


def test_what_could_not_be_done_is_tried_again(engine: Engine) -> None:
    happen(engine, ["0", "1"])
    done: list[str] = []
    shared = Mortal(engine, "one", done.extend)

    def away(names: Sequence[str]) -> None:
        raise OSError("the receiver is away")

    shared.does = away
    with pytest.raises(OSError, match="away"):
        shared.step()
    shared.does = done.extend
    assert shared.step()
    assert not shared.step()
    assert done == ["0", "1"]


def test_a_worker_drives_local_and_shared_ones_by_one_loop(engine: Engine) -> None:
    done: list[str] = []
    followers = Followers({"webhooks": Mortal(engine, "one", done.extend)})
    followers.start()
    try:
        happen(engine, ["0", "1", "2", "3"])
        followers.look()
        until(lambda: done == ["0", "1", "2", "3"])
    finally:
        followers.close()


def test_the_change_feed_is_followed_likewise(engine: Engine) -> None:
    found: list[Change] = []
    shared = Shared("lineage", engine, Leases("one"), changes.source, found.extend, limit=2)
    happen(engine, ["0", "1", "2"])
    while shared.step():
        pass
    assert [(one.target_id, one.position) for one in found] == [(0, 1), (1, 2), (2, 3)]
    with writing(engine) as connection:
        connection.execute(delete(tables.change))
    happen(engine, ["3"])
    while shared.step():
        pass
    assert found[-1].target_id == 3


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
    done: list[str] = []
    shared = Mortal(engine, "one", done.extend)
    while shared.step():
        pass
    assert done == names[2:]
    with reading(engine) as connection:
        assert shared.position(connection) == size


def follow(url: str, owner: str, point: str, file: str, total: int) -> None:
    """One worker's life: until it dies, at its second batch, or everything is done."""
    engine, written = open_engine(url), os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    passed: list[str] = []

    def write(*names: str) -> None:
        os.write(written, "".join(f"{owner} {name}\n" for name in names).encode())

    def die_at_the_second() -> None:
        passed.append(point)
        if len(passed) == 2:
            die()

    class Written(Mortal):
        def act(self, entries: Sequence[Recorded]) -> None:
            write("begins")
            super().act(entries)
            write("ends")

    shared = Written(engine, owner, lambda names: write(*names), point, die_at_the_second)
    write("starts")
    shared.leases.reclaim(engine)
    position = 0
    while position < total:
        if not shared.step():
            time.sleep(0.01)
        with reading(engine) as connection:
            position = shared.position(connection)
    engine.dispose()


def test_two_workers_that_are_killed_again_and_again(database: str, engine: Engine, tmp_path: Path) -> None:
    names = [str(number) for number in range(24)]
    happen(engine, names)
    with reading(engine) as connection:
        total = connection.execute(select(tables.head.c.size)).scalar_one()
    file = tmp_path / "done"

    def keep_alive(owner: str, points: Sequence[str]) -> int:
        lives = 1
        for point in cycle(points):
            if not killed(follow, database, owner, point, str(file), total):
                return lives
            lives += 1
        return lives

    with ThreadPoolExecutor() as pool:
        others = pool.submit(keep_alive, "one", POINTS), pool.submit(keep_alive, "other", POINTS[::-1])
        lives = sum(one.result() for one in others)
    assert lives > 4
    lines = [line.split() for line in file.read_text().splitlines()]
    done = [what for _, what in lines if what.isdigit()]
    assert set(done) == set(names)
    assert in_order(done)
    at_work = ""
    for owner, what in lines:
        if what == "starts":
            at_work = "" if at_work == owner else at_work
        else:
            assert at_work in ("", owner)
            at_work = "" if what == "ends" else owner
