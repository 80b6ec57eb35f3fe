"""Who holds a registry's lease, and for how long: a restarted worker, a slow backend, another worker."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters import AuthError, Details, VersionRecord
from adapters.memory import MemoryAdapter
from federation import leases, tables
from federation.access import EVERYTHING
from federation.database import now, reading, writing
from federation.leases import Leases
from federation.registries.states import read_registries
from federation.sync import schedule
from federation.sync.context import SYNC
from federation.sync.schedule import Scheduler
from tests.federation.sync.world import World, expire_leases
from tests.patience import until


def test_a_restarted_worker_goes_on_at_once_with_what_it_held(world: World) -> None:
    world.model("m", "1")
    with writing(world.engine) as connection:
        schedule.request(connection, world.registry_id, full=False)
        assert world.context.leases.take(connection, SYNC, world.registry_id) is not None
    successor = replace(world.context, leases=Leases(world.context.leases.owner))
    successor.leases.reclaim(world.engine)
    scheduler = Scheduler(successor, by_schedule=False)
    scheduler.tick()
    until(lambda: world.registry().last_success_at is not None)
    scheduler.close()
    assert world.living() == world.truth()


def test_a_worker_leaves_alone_what_another_one_holds(world: World) -> None:
    with writing(world.engine) as connection:
        schedule.request(connection, world.registry_id, full=False)
        assert Leases("another").take(connection, SYNC, world.registry_id) is not None
    scheduler = Scheduler(world.context, by_schedule=False)
    scheduler.tick()
    assert scheduler.running == {}
    scheduler.close()
    assert world.holder() == "another"


def test_a_slow_backend_loses_its_lease_to_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    world.model("m", "1")
    called, over = threading.Event(), threading.Event()

    def think(call: str) -> None:
        if call == "scan":
            called.set()
            assert over.wait(60)

    world.backend.before = think
    scheduler = Scheduler(world.context)
    scheduler.tick()
    assert called.wait(60)
    expire_leases(world.engine)
    world.context.leases.renew(world.engine)
    with writing(world.engine) as connection:
        assert Leases("another").take(connection, SYNC, world.registry_id) is None
    over.set()
    until(lambda: world.registry().last_success_at is not None)
    scheduler.close()
    assert world.living() == world.truth()


def set_back(world: World) -> timedelta:
    """What the database holds was written by a clock that was an hour ahead; how much that was."""
    ahead = timedelta(hours=1)
    with writing(world.engine) as connection:
        later = {name: now() + ahead for name in ("last_attempt_at", "last_full_at", "last_success_at")}
        connection.execute(update(tables.registry).values(**later, watermark="w", full_seconds=1e6))
        lease = Leases("another", lambda: now() + ahead).take(connection, SYNC, world.registry_id)
        assert lease is not None
    return ahead


def test_a_run_that_lies_in_the_future_delays_no_other(world: World) -> None:
    world.model("m", "1")
    with writing(world.engine) as connection:
        connection.execute(update(tables.registry).values(sync_every=3600.0))
    set_back(world)
    scheduler = Scheduler(world.context)
    scheduler.tick()
    until(lambda: world.registry().last_success_at <= now())
    scheduler.close()
    assert world.registry().last_full_at <= now()  # whatever happened meanwhile is listed
    assert world.living() == world.truth()
    due = schedule.next_attempt(world.registry(), now())
    assert due is not None and due > now()


def test_what_is_told_of_a_run_in_the_future(world: World) -> None:
    set_back(world)
    with reading(world.engine) as connection:
        [state] = read_registries(connection, EVERYTHING)
    assert state.lag == 0.0


def test_the_worker_knows_when_the_next_run_is_due(world: World) -> None:
    world.model("m", "1")
    with writing(world.engine) as connection:
        connection.execute(update(tables.registry).values(sync_every=3600.0))
    ended = threading.Event()
    scheduler = Scheduler(world.context, on_end=ended.set)
    scheduler.tick()
    assert scheduler.next_due is None  # it is under way
    assert ended.wait(60)
    until(lambda: world.holder() is None)
    scheduler.tick()
    assert scheduler.next_due is not None
    assert 3600 * 0.9 < scheduler.next_due <= 3600 * (1 + schedule.JITTER)
    scheduler.close()


class Beside:
    """Reading the first file waits until `over`, and so does the run that is asked for meanwhile until `go_on`."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.asked: list[str] = []
        self.over, self.under_way, self.go_on = threading.Event(), threading.Event(), threading.Event()
        self.scheduler = Scheduler(world.context, threads=1, by_schedule=False)
        world.model("m", "1", "2", "3")
        monkeypatch.setattr(MemoryAdapter, "details", lambda adapter, version: self.read(version))

    def read(self, version: VersionRecord) -> Details:
        self.asked.append(version.version)
        assert self.over.wait(60)
        return Details()

    def wait(self, call: str) -> None:
        if call == "scan":
            self.under_way.set()
            assert self.go_on.wait(60)

    def run(self, ended: Callable[[], bool]) -> None:
        """Let a run begin, until `ended`."""
        with writing(self.world.engine) as connection:
            schedule.request(connection, self.world.registry_id, full=False)
        self.tick_until(ended)

    def begin(self) -> None:
        """Read a file, and let a run be under way meanwhile."""
        self.run(lambda: bool(self.asked))
        self.world.backend.before = self.wait
        self.run(self.under_way.is_set)

    def end(self) -> None:
        """Let the run end."""
        self.go_on.set()
        self.tick_until(lambda: all(row.finished_at for row in self.world.rows(tables.sync)))

    def tick_until(self, holds: Callable[[], bool]) -> None:
        """Let the scheduler look again and again."""

        def look() -> bool:
            self.scheduler.tick()
            return holds()

        until(look)

    def known(self) -> list[bool]:
        """Of which versions the files have been read."""
        return [row.details_read for row in self.world.rows(tables.version)]


def test_files_are_read_between_runs_one_by_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "DETAILS_SHARE", 0.0)
    monkeypatch.setattr("federation.sync.details.AT_ONCE", 1)
    beside = Beside(world, monkeypatch)
    beside.begin()
    beside.end()
    assert len(beside.asked) == 1, (
        "a run has ended while another one's reading hangs: it begins none of its own"
    )
    beside.under_way.clear()
    beside.go_on.clear()
    beside.run(beside.under_way.is_set)
    beside.over.set()
    until(lambda: any(beside.known()))
    assert len(beside.asked) == 1, "the others wait until the run is over"
    beside.end()
    until(lambda: all(beside.known()))
    beside.scheduler.close()
    assert sorted(beside.asked) == ["1", "2", "3"]


def test_where_one_run_follows_another_files_are_read_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "DETAILS_SHARE", 1e9)
    beside = Beside(world, monkeypatch)
    beside.begin()
    beside.over.set()
    until(lambda: all(beside.known()))
    beside.end()
    beside.scheduler.close()


def test_the_log_names_the_registry_and_why_a_run_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, dict[str, Any]]] = []

    class Lines:
        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda event, **values: told.append((level, event, values))

    monkeypatch.setattr(schedule, "log", Lines())
    world.model("m", "1")
    scheduler = Scheduler(world.context, by_schedule=False)
    for break_off in (False, True):
        if break_off:
            world.backend.before = lambda _call: (_ for _ in ()).throw(AuthError("the token has expired"))
        with writing(world.engine) as connection:
            schedule.request(connection, world.registry_id, full=True)
        scheduler.tick()
        until(lambda wanted=break_off + 1: len(told) == wanted)  # type: ignore[misc]
    scheduler.close()
    assert [(level, event, values["registry"]) for level, event, values in told] == [
        ("info", "sync ended", "memory"),
        ("warning", "sync ended", "memory"),
    ]
    assert told[0][2]["counts"]["created"] == 2
    assert told[1][2]["reason"] == "memory: the token has expired"
