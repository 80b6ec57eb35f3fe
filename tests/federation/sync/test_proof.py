"""A run proves what it saw whole, be it in one worker or in several, one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select

from adapters import InvalidError, Key, Listing, Mark, Page, TransientError
from adapters.memory import MemoryAdapter
from federation import tables
from federation.database import now, reading, writing
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync import absence
from federation.sync.context import SyncContext
from federation.sync.met import Seen
from federation.sync.run import run
from tests.federation.sync.world import PowerCutError, World, called_here, expire_leases, relist


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.sync.pages.CHUNK", 3)
    monkeypatch.setattr("federation.registries.connections.call_each", called_here)


def cut_off(world: World, page: int, meanwhile: Callable[[], object] = lambda: None) -> int:
    """A full run that loses its worker when it asks for a page (from 1); what happens then; the run's id."""
    asked = 0

    def power_cut(call: str) -> None:
        nonlocal asked
        asked += call == "scan"
        if asked == page:
            raise PowerCutError

    world.backend.before = power_cut
    with pytest.raises(PowerCutError):
        world.sync(full=True)
    world.backend.before = lambda call: None
    meanwhile()
    expire_leases(world.engine)
    return unfinished(world)[0]


def unfinished(world: World) -> list[int]:
    runs = tables.sync.c
    with reading(world.engine) as connection:
        query = select(runs.id).where(runs.state.in_(("queued", "running"))).order_by(runs.id)
        return list(connection.execute(query).scalars())


def go_on(world: World, sync_id: int) -> str | None:
    """Another worker goes on with a run."""
    return run(SyncContext(world.engine, Connections(world.adapters), Leases("worker-2")), sync_id)


def vanish(world: World, key: Key) -> None:
    """A delete that nothing tells of but a listing."""
    world.backend.drop(key)
    world.backend.deleted.clear()


def known(world: World) -> World:
    for number in range(4):
        world.model(f"m{number}", "1", "2")
    world.sync()
    return world


@pytest.mark.parametrize("page", [2, 3, 4])
def test_a_run_that_goes_on_elsewhere_proves_absence(world: World, page: int) -> None:
    known(world)
    before = now()
    vanish(world, world.version("m0", "2").key)
    gone = now()
    cut = cut_off(world, page)
    assert go_on(world, cut) == "ok"
    assert world.living() == world.truth()
    (told,) = [entry for entry in world.entries() if entry.action == "version.deleted"]
    assert told.not_before <= before < gone <= told.not_after
    assert world.rows(tables.sync_page) == []
    assert world.problems() == []


def test_what_was_met_before_the_cut_is_not_taken_for_absent(world: World) -> None:
    known(world)
    asked: list[str] = []
    cut = cut_off(world, 4)
    world.backend.before = asked.append
    assert go_on(world, cut) == "ok"
    assert "get" not in asked
    assert "version.deleted" not in world.actions()


def test_what_goes_while_the_run_is_cut_off_is_gone_after_the_next_one(world: World) -> None:
    known(world)
    cut = cut_off(world, 4, lambda: vanish(world, world.version("m0", "1").key))
    assert go_on(world, cut) == "ok"
    assert world.sync(full=True) == "ok"
    assert world.living() == world.truth()
    assert world.problems() == []


def test_a_graceful_stop_leaves_the_run_to_be_gone_on_with(world: World) -> None:
    known(world)
    vanish(world, world.version("m0", "2").key)
    world.context.stopping = lambda: True
    assert world.sync(full=True) is None
    assert world.registry().failures == 0
    (cut,) = unfinished(world)
    assert go_on(world, cut) == "ok"
    assert world.living() == world.truth()


def test_bad_records_before_the_cut_still_make_the_run_partial(world: World) -> None:
    world.backend.put(replace(world.model("bad"), name=""))
    known(world)
    cut = cut_off(world, 3)
    assert go_on(world, cut) == "partial"


def test_a_mark_that_did_not_survive_makes_the_scan_begin_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(world)
    cut = cut_off(world, 3, lambda: vanish(world, world.version("m0", "2").key))
    scan = MemoryAdapter.scan
    asked: list[Mark | None] = []

    def forgetful(self: MemoryAdapter, **given: Any) -> Iterator[Page]:
        asked.append(given["resume"])
        if given["resume"] is not None:
            raise InvalidError("this mark has expired")
        yield from scan(self, **given)

    monkeypatch.setattr(MemoryAdapter, "scan", forgetful)
    assert go_on(world, cut) == "ok"
    assert [mark is None for mark in asked] == [False, True]
    proves_everything(world)


def test_marks_that_are_refused_again_and_again_end_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(world)
    scan = MemoryAdapter.scan
    asked: list[Mark | None] = []

    def useless(self: MemoryAdapter, **given: Any) -> Iterator[Page]:
        asked.append(given["resume"])
        if given["resume"] is not None:
            raise InvalidError("this mark has expired")
        yield next(scan(self, **given))
        raise TransientError("busy")

    monkeypatch.setattr(MemoryAdapter, "scan", useless)
    assert world.sync(full=True) == "failed"
    assert "this mark has expired" in world.registry().last_error
    assert [mark is None for mark in asked] == [True, False, True, False]


def proves_everything(world: World) -> None:
    """The run that ended last has found out all there is, and leaves nothing behind."""
    assert world.living() == world.truth()
    assert world.rows(tables.sync_page) == []
    assert [row.page for row in world.rows(tables.sync)][-1] is None
    assert world.problems() == []


def test_a_run_whose_pages_left_nothing_begins_again(world: World) -> None:
    known(world)

    def lose() -> None:
        with writing(world.engine) as connection:
            connection.execute(delete(tables.sync_page))
        vanish(world, world.version("m0", "1").key)

    cut = cut_off(world, 4, lose)
    assert go_on(world, cut) == "ok"
    proves_everything(world)


def without_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    relist(monkeypatch, lambda page: replace(page, mark=None))


@pytest.mark.parametrize("page", [2, 3, 4])
def test_a_scan_without_marks_that_was_cut_off_begins_again_and_proves_absence(
    world: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    without_marks(monkeypatch)
    known(world)
    before = len(world.rows(tables.journal))
    cut = cut_off(world, page, lambda: vanish(world, world.version("m0", "1").key))
    assert go_on(world, cut) == "ok"
    proves_everything(world)
    assert [str(entry.action) for entry in world.entries()[before:]] == ["version.deleted", "sync.finished"]


def stumbling(world: World, *pages: int) -> list[str]:
    """From now on these calls for a page (from 1) fail, and may be made again. The calls that were made."""
    asked: list[str] = []

    def stumble(call: str) -> None:
        asked.extend([call] if call == "scan" else [])
        if call == "scan" and len(asked) in pages:
            raise TransientError("busy")

    world.backend.before = stumble
    return asked


def test_a_scan_that_stumbles_goes_on_behind_the_last_mark(world: World) -> None:
    known(world)
    vanish(world, world.version("m3", "2").key)
    asked = stumbling(world, 2, 4, 5)
    assert world.sync(full=True) == "ok"
    assert len(asked) == 4 + 3  # four pages, each given once
    proves_everything(world)


def test_a_scan_without_marks_that_stumbles_begins_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marks(monkeypatch)
    known(world)
    vanish(world, world.version("m3", "2").key)
    asked = stumbling(world, 3, 5)
    assert world.sync(full=True) == "ok"
    assert len(asked) == 3 + 2 + 4
    proves_everything(world)


def test_a_scan_without_marks_that_stumbles_at_the_same_page_again_and_again_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marks(monkeypatch)
    known(world)
    asked = stumbling(world, 3, 6, 9)
    assert world.sync(full=True) == "failed"
    assert len(asked) == 9


def test_a_scan_is_closed_wherever_its_run_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known(world)
    scan = MemoryAdapter.scan
    closed: list[int] = []

    def watched(self: MemoryAdapter, **given: Any) -> Iterator[Page]:
        number = 0
        try:
            for number, page in enumerate(scan(self, **given)):  # noqa: B007 - it is told where it ends
                yield page
        finally:
            closed.append(number)

    monkeypatch.setattr(MemoryAdapter, "scan", watched)
    world.context.stopping = lambda: True
    assert world.sync(full=True) is None
    assert closed == [0]
    world.context.stopping = lambda: False
    expire_leases(world.engine)
    assert go_on(world, unfinished(world)[0]) == "ok"
    assert closed == [0, 2]


def test_versions_of_more_models_than_a_statement_takes_values_are_looked_for(world: World) -> None:
    known(world)
    listings = [Listing("version", of=Key("model", f"{number}")) for number in range(300_000)]
    with reading(world.engine) as connection:
        assert absence.candidates(connection, world.registry_id, listings, Seen()) == []
        of_all = [
            *listings,
            *(Listing("version", of=key) for key in world.backend.records if key.kind == "model"),
        ]
        assert len(absence.candidates(connection, world.registry_id, of_all, Seen())) == 8


def test_what_is_held_of_many_is_told_apart_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [absence.Candidate("model", number, Key("model", f"{number}")) for number in range(2_000)]
    compared = 0
    same = absence.Candidate.__eq__

    def count(one: absence.Candidate, other: object) -> bool:
        nonlocal compared
        compared += 1
        return same(one, other)

    monkeypatch.setattr(absence.Candidate, "__eq__", count)
    confirmed = {("model", number) for number in range(500)}
    held, checked = absence.set_apart(missing, confirmed, {"model": 2_000})
    assert [one.id for one in held] == list(range(500, 2_000))
    assert [one.id for one in checked] == list(range(500))
    assert compared <= len(missing)
    assert absence.set_apart(missing[:3], set(), {"model": 2_000}) == ([], missing[:3])
