"""Leases: whoever dies, sleeps or has another clock, at most one holds a lease, and only that one writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, Engine, delete, select

from federation import leases, tables
from federation.database import EPOCH, SKEW, now, open_engine, reading, writing
from federation.leases import FURTHEST, LEASE, FencedError, Lease, Leases, owner_of
from tests.servers import blank
from tests.servers.postgres import Postgres
from tests.soak import explore, soak

SECOND = timedelta(seconds=1)
TODAY = EPOCH + timedelta(days=20_000)
WORKERS = 3


@dataclass
class Worker:
    """One worker: its clock, how far that is off, and what it believes to hold since whenever."""

    owner: str
    off: timedelta
    leases: Leases = field(init=False)
    believed: list[Lease] = field(default_factory=list)


class Holders(RuleBasedStateMachine):
    """Workers after one lease: they take it, write, sleep over it, die, start anew, and their clocks are set."""

    engine: Engine

    @initialize(offs=st.tuples(*[st.integers(-50, 50)] * WORKERS))
    def begin(self, offs: tuple[int, ...]) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(tables.lease))
        self.at = TODAY
        self.written: list[tuple[int, int]] = []
        self.workers = [Worker(f"worker-{number}", off * SECOND) for number, off in enumerate(offs)]
        for number in range(WORKERS):
            self.start(number)

    who = st.integers(0, WORKERS - 1)

    @rule(number=who)
    def start(self, number: int) -> None:
        """It died, or was not there yet: nothing of its memory is left."""
        worker = self.workers[number]
        worker.believed.clear()
        worker.leases = Leases(worker.owner, lambda: self.at + worker.off)
        worker.leases.reclaim(self.engine)

    @rule(number=who)
    def take(self, number: int) -> None:
        worker = self.workers[number]
        before, sees = self.row(), self.at + worker.off
        with writing(self.engine) as connection:
            taken = worker.leases.take(connection, "work", 7)
        is_theirs = before is not None and before.owner not in (None, worker.owner)
        if is_theirs and sees <= before.until <= sees + FURTHEST:
            assert taken is None
        else:
            assert taken is not None
            assert before is None or taken.epoch > before.epoch
            worker.believed.append(taken)

    @rule(number=who, which=st.integers(0, 2))
    def write(self, number: int, which: int) -> None:
        """Also one that it took long ago, over which it slept."""
        believed = self.workers[number].believed
        if which < len(believed):
            lease = believed[-1 - which]
            try:
                with writing(self.engine) as connection:
                    lease.hold(connection)
                    self.written.append((lease.epoch, number))
            except FencedError:
                assert lease.epoch < self.epoch()
            else:
                assert lease.epoch == self.epoch()

    @rule(number=who)
    def release(self, number: int) -> None:
        if self.workers[number].believed:
            with writing(self.engine) as connection:
                self.workers[number].believed.pop().release(connection)

    @rule(number=who)
    def renew(self, number: int) -> None:
        worker = self.workers[number]
        if worker.believed:
            before = self.row()
            with worker.leases.keeping(worker.believed[-1]):
                worker.leases.renew(self.engine)
            after = self.row()
            assert (before.owner, before.epoch) == (after.owner, after.epoch)
            if worker.believed[-1].epoch < after.epoch:
                assert before.until == after.until

    @rule(seconds=st.sampled_from([1, 5, 14, 16, 40]))
    def wait(self, seconds: int) -> None:
        self.at += seconds * SECOND

    @rule(number=who, hours=st.sampled_from([-5, -1, 0, 1, 5]))
    def set_clock(self, number: int, hours: int) -> None:
        self.workers[number].off = timedelta(hours=hours)

    @invariant()
    def writes_are_in_the_order_of_holders(self) -> None:
        assert self.written == sorted(self.written)
        assert len({epoch for epoch, _ in self.written}) == len(set(self.written))

    @invariant()
    def at_most_one_may_write(self) -> None:
        epoch = self.epoch()
        current = [one for worker in self.workers for one in worker.believed if one.epoch == epoch]
        assert len(current) <= 1

    def row(self) -> Any:
        with reading(self.engine) as connection:
            return connection.execute(select(tables.lease)).one_or_none()

    def epoch(self) -> int:
        row = self.row()
        return 0 if row is None else int(row.epoch)


@soak(sample=40, full=2_000)
def test_at_most_one_holder_writes(
    cases: int, seed: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Over owners, clocks, deaths and renewals."""
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    engine = open_engine(database)
    try:
        machine = type("Machine", (Holders,), {"engine": engine})
        some = cases if database.startswith("sqlite") else cases // 5
        return explore(machine, some, seed, stateful_step_count=25)
    finally:
        engine.dispose()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    opened = open_engine(database)
    yield opened
    opened.dispose()


def take(connection: Connection, owner: str, seconds: float) -> Lease | None:
    return Leases(owner, lambda: TODAY + seconds * SECOND).take(connection, "work")


def test_a_lease_of_the_future_is_free_and_one_of_another_clock_is_not(engine: Engine) -> None:
    with writing(engine) as connection:
        assert take(connection, "another", 3600) is not None
        assert take(connection, "a little ahead", 20) is not None
        assert take(connection, "mine", 0) is None
        assert take(connection, "mine", 20 + LEASE.total_seconds()) is None
        assert take(connection, "mine", 21 + LEASE.total_seconds()) is not None
    assert SKEW > 20 * SECOND


def test_leases_of_other_names_and_registries_are_others(engine: Engine) -> None:
    one, other = Leases("one"), Leases("other")
    with writing(engine) as connection:
        assert one.take(connection, "sync", 1) is not None
        assert other.take(connection, "sync", 2) is not None
        assert other.take(connection, "operations", 1) is not None
        assert other.take(connection, "sync", 1) is None


def test_what_is_not_ours_any_more_is_named(engine: Engine) -> None:
    with writing(engine) as connection:
        lease = take(connection, "one", 0)
        assert lease is not None
        assert take(connection, "other", 60) is not None
    with pytest.raises(FencedError, match="work went to another worker"), writing(engine) as connection:
        lease.hold(connection)


def test_whoever_writes_under_a_lease_keeps_no_other_from_being_renewed(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = blank.postgresql(postgres)  # SQLite has one writer at a time
    engine = open_engine(postgres.url(name))
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    mine = Leases("mine", lambda: TODAY)
    with writing(engine) as connection:
        one, other = (mine.take(connection, "sync", number) for number in (1, 2))
    assert one is not None
    assert other is not None
    mine.clock = lambda: TODAY + 5 * SECOND
    with mine.keeping(one), mine.keeping(other):
        with writing(engine) as connection:
            one.hold(connection)
            mine.renew(engine)
            with reading(engine) as looking:
                rows = {row.registry_id: row.until for row in looking.execute(select(tables.lease))}
    assert rows == {1: TODAY + LEASE, 2: TODAY + 5 * SECOND + LEASE}
    engine.dispose()
    postgres.drop(name)


def boot(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """Be on another machine, or on this one after another boot."""
    (folder / name).write_text(f"{name}\n")
    monkeypatch.setattr(leases, "BOOT", folder / name)


def test_a_worker_is_named_after_its_folder_on_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    mine = owner_of(data)
    assert owner_of(data) == mine
    data.rename(tmp_path / "moved")
    assert owner_of(tmp_path / "moved") == mine
    assert owner_of(data) != mine  # the same path, another folder
    boot(monkeypatch, tmp_path, "another-machine")
    copied = owner_of(tmp_path / "moved")
    assert copied != mine
    boot(monkeypatch, tmp_path, "a-third-one")
    assert owner_of(tmp_path / "moved") not in (mine, copied)


def test_where_no_boot_is_told_a_folder_still_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BOOT", tmp_path / "nowhere")
    assert owner_of(tmp_path / "one") == owner_of(tmp_path / "one") != owner_of(tmp_path / "other")


def test_a_machine_whose_clock_is_wrong_takes_nothing_from_others(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = blank.postgresql(postgres)
    engine = open_engine(postgres.url(name))
    one, other = Leases("one"), Leases("other")
    with writing(engine) as connection:
        held = one.take(connection, "work")
        assert held is not None
        for off in (-3600, 3600):
            monkeypatch.setattr(leases, "now", lambda off=off: now() + off * SECOND)
            assert other.take(connection, "work") is None
            held.hold(connection)
            assert other.take(connection, "work") is None
    engine.dispose()
    postgres.drop(name)
