"""A run proves what it saw whole, be it in one worker or in several, one after the other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select

from adapters import InvalidError, Key, Page
from adapters.memory import MemoryAdapter
from federation import tables
from federation.database import now, reading, writing
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync.run import SyncContext, run
from tests.federation.sync.world import World, called_here, expire_leases


class PowerCutError(BaseException):
    """The worker is gone."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.sync.run.CHUNK", 3)
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


def counts_for_nothing(world: World, cut: int, reason: str) -> None:
    """The run ends as partial, and the next one is at once a full one."""
    before = world.registry()
    assert go_on(world, cut) == "partial"
    after = world.registry()
    assert reason in after.last_error
    for name in ("watermark", "last_success_at", "last_full_at"):
        assert getattr(after, name) == getattr(before, name)
    (following,) = unfinished(world)
    assert go_on(world, following) == "ok"
    assert world.living() == world.truth()
    assert [row.full for row in world.rows(tables.sync)][-1]
    assert world.problems() == []


def test_a_place_that_did_not_survive_makes_the_run_partial(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(world)
    cut = cut_off(world, 3, lambda: vanish(world, world.version("m0", "2").key))
    scan = MemoryAdapter.scan
    refused: list[str] = []

    def forgetful(self: MemoryAdapter, **given: Any) -> Page:
        if given["page"] is not None and not refused:
            refused.append(given["page"])
            raise InvalidError("this page token has expired")
        return scan(self, **given)

    monkeypatch.setattr(MemoryAdapter, "scan", forgetful)
    counts_for_nothing(world, cut, "this page token has expired): a full run follows")


def test_a_run_whose_pages_left_nothing_makes_it_partial(world: World) -> None:
    known(world)

    def lose() -> None:
        with writing(world.engine) as connection:
            connection.execute(delete(tables.sync_page))

    cut = cut_off(world, 3, lose)
    counts_for_nothing(world, cut, "what it had met is not known")


def test_a_scan_that_began_again_proves_nothing_by_what_it_met_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(world)
    lost = world.version("m0", "1").key
    cut = cut_off(world, 4, lambda: vanish(world, lost))
    scan = MemoryAdapter.scan
    begun: list[bool] = []

    def afresh(self: MemoryAdapter, **given: Any) -> Page:
        if not begun:
            begun.append(True)
            return replace(scan(self, **{**given, "page": None}), restarted=True)
        return scan(self, **given)

    monkeypatch.setattr(MemoryAdapter, "scan", afresh)
    assert go_on(world, cut) == "ok"
    assert world.living() == world.truth()
    assert world.problems() == []
