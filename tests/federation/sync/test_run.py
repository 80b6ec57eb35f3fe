"""What one run does to catalogue, history and journal, on both databases."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import (
    AuthError,
    Deleted,
    EndpointRecord,
    Key,
    Mark,
    Page,
    Traffic,
    TransientError,
)
from adapters.memory import MemoryAdapter
from federation import tables
from federation.database import now, reading, writing
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync import absence, schedule
from federation.sync.context import SYNC, SyncContext
from federation.sync.run import run
from tests.federation.sync.world import PowerCutError, World, called_here, expire_leases, relist


def test_a_first_import_takes_everything_in_and_writes_one_entry_per_chunk(world: World) -> None:
    for number in range(3):
        world.model(f"m{number}", "1", "2", aliases={"champion": "2"})
    assert world.sync() == "ok"
    assert world.living() == world.truth()
    assert world.actions().count("catalogue.imported") == 1
    assert "version.created" not in world.actions()
    assert world.problems() == []


def test_what_did_not_change_writes_nothing(world: World) -> None:
    world.model("m", "1", aliases={"champion": "1"})
    world.sync()
    before = world.rows(tables.head)[0]
    assert world.sync() == "ok"
    assert world.sync(full=True) == "ok"
    assert world.rows(tables.head)[0] == before


def test_an_alias_that_moves_moves_stage_spans_and_entries(world: World) -> None:
    model = world.model("m", "1", "2", aliases={"champion": "1"})
    world.sync()
    world.change(model, aliases={"champion": "2"})
    world.sync()
    stages = {row.version: row.stage for row in world.rows(tables.version)}
    assert stages == {"1": "none", "2": "production"}
    moved = next(entry for entry in world.entries() if entry.action == "alias.moved")
    assert (moved.ref, moved.before, moved.after) == ("memory/m@champion", {"version": "1"}, {"version": "2"})
    assert moved.not_before is not None
    assert moved.not_before < moved.not_after
    assert world.problems() == []


def test_a_deleted_version_gets_a_tombstone_and_its_spans_end(world: World) -> None:
    world.model("m", "1", "2", aliases={"champion": "1"})
    world.sync()
    world.backend.drop(world.version("m", "1").key)
    world.sync()
    assert world.living() == world.truth()
    assert "version.deleted" in world.actions()
    assert all(span.ended_by is not None for span in world.rows(tables.span))
    assert world.problems() == []


def test_a_full_listing_finds_what_no_marker_told_of(world: World) -> None:
    world.model("m", "1", "2")
    world.sync()
    world.backend.drop(world.version("m", "1").key)
    world.backend.deleted.clear()
    assert world.sync() == "ok"
    assert world.sync(full=True) == "ok"
    assert world.living() == world.truth()


def test_a_model_made_again_under_its_name_is_another_incarnation(world: World) -> None:
    model = world.model("m", "1")
    world.sync()
    world.backend.drop(model.key)
    world.model("m", "1")
    world.sync()
    assert [row.deleted_at is None for row in world.rows(tables.model)] == [False, True]
    assert [row.deleted_at is None for row in world.rows(tables.version)] == [False, True]
    assert world.problems() == []


def test_a_listing_that_is_suddenly_empty_deletes_nothing_until_confirmed(world: World) -> None:
    for number in range(20):
        world.model(f"m{number}", "1")
    world.sync()
    kept = dict(world.backend.records)
    world.backend.records.clear()
    world.backend.changed.clear()
    assert world.sync(full=True) == "partial"
    assert len(world.living()) == 40
    assert world.registry().held == 20
    assert world.registry().last_error.startswith(
        "20 models with all versions are missing at once and were kept"
    )
    assert "registries confirm memory" in world.registry().last_error
    assert world.actions().count("deletes.held") == 1
    assert world.sync(full=True) == "partial"
    assert world.actions().count("deletes.held") == 1

    world.backend.records.update(kept)
    world.backend.changed.update(dict.fromkeys(kept, 1))
    assert world.sync(full=True) == "ok"
    assert world.registry().held == 0
    assert world.actions().count("deletes.released") == 1

    world.backend.records.clear()
    world.backend.changed.clear()
    world.sync(full=True)
    with writing(world.engine) as connection:
        assert absence.confirm(connection, world.registry_id) == 20
    assert world.sync(full=True) == "ok"
    assert world.living() == {}
    assert world.problems() == []


def test_what_was_held_is_dated_from_before_it_was_missed(world: World) -> None:
    for number in range(3):
        world.model(f"m{number}", "1", aliases={"champion": "1"})
    world.sync()
    world.sync()
    before = now()
    world.backend.records.clear()
    world.backend.changed.clear()
    gone = now()
    for _ in range(3):
        assert world.sync(full=True) == "partial"
    with writing(world.engine) as connection:
        absence.confirm(connection, world.registry_id)
    assert world.sync(full=True) == "ok"
    ended = [(span.ended_after, span.ended_by) for span in world.rows(tables.span)]
    assert ended
    assert all(after <= before and gone <= by for after, by in ended)


def test_a_candidate_that_the_backend_still_has_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("m", "1", "2")
    world.sync()
    skipped = world.version("m", "1").key

    def skipping(page: Page) -> Page:
        return replace(page, records=tuple(record for record in page.records if record.key != skipped))

    relist(monkeypatch, skipping)
    assert world.sync(full=True) == "ok"
    assert world.living() == world.truth()


def test_a_page_with_more_records_than_were_asked_for_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("m")
    relist(monkeypatch, lambda page: replace(page, records=page.records * 1001))
    assert world.sync() == "failed"
    assert "1,001 records where at most 1,000 were asked for" in world.registry().last_error
    assert world.living() == {}


def test_what_incremental_scans_may_miss_is_dated_from_the_last_full_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryAdapter, "full_scan_only", frozenset({"aliases", "tags"}))
    monkeypatch.setattr(MemoryAdapter, "stage_rules", {"staging": ["stage:Staging"]})
    monkeypatch.setattr("federation.sync.run.is_full_due", lambda registry, at: registry.watermark is None)
    model = world.model("m", "1", aliases={"shadow": "1"})
    world.sync()
    before = now()
    world.change(world.version("m", "1"), stage="Staging")
    world.sync()
    between = now()
    world.change(model, aliases={})
    world.change(world.version("m", "1"), stage="None", tags={"team.env": "prod"})
    world.sync()
    told = {(span.kind, span.value): span for span in world.rows(tables.span)}
    assert told["alias", "shadow"].ended_after < before
    assert before > told["stage", "staging"].began_after
    assert between > told["stage", "staging"].ended_after > before
    (tagged,) = [entry for entry in world.entries() if "tags.team.env" in entry.details.get("fields", ())]
    assert tagged.not_before < before
    (removed,) = [entry for entry in world.entries() if entry.action == "alias.removed"]
    assert removed.not_before < before


def test_endpoints_make_versions_deployed_and_give_them_up_again(world: World) -> None:
    world.model("m", "1", "2")
    one, two = world.version("m", "1").key, world.version("m", "2").key
    key = Key("endpoint", "e")
    world.backend.put(EndpointRecord(key=key, name="e", traffic=(Traffic(one, 100.0),)))
    world.sync()
    assert [row.deployed for row in world.rows(tables.version)] == [True, False]
    world.backend.put(EndpointRecord(key=key, name="e", traffic=(Traffic(one, 0.0), Traffic(two, 100.0))))
    world.sync()
    assert [row.deployed for row in world.rows(tables.version)] == [False, True]
    world.backend.drop(key)
    world.sync()
    assert [row.deployed for row in world.rows(tables.version)] == [False, False]
    assert world.problems() == []


def test_what_the_backend_says_is_old_makes_its_registry_partial_and_nothing_is_read_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("m", "1")
    world.sync()
    whole = MemoryAdapter.scan

    def scan(adapter: MemoryAdapter, **asked: Any) -> Iterator[Page]:
        for page in whole(adapter, **asked):
            yield replace(page, stale=("its own backend is away since noon",))

    monkeypatch.setattr(MemoryAdapter, "scan", scan)
    before = world.registry().watermark
    world.model("n", "1")
    assert world.sync() == "partial"
    assert world.registry().last_error == "its own backend is away since noon"
    assert world.registry().watermark != before
    monkeypatch.undo()
    assert world.sync() == "ok"


def test_a_failing_backend_is_named_and_nothing_is_lost(world: World) -> None:
    world.model("m", "1")
    world.sync()

    def refuse(call: str) -> None:
        raise AuthError("the token was refused: renew it")

    world.backend.before = refuse
    assert world.sync() == "failed"
    row = world.registry()
    assert row.last_error == "memory: the token was refused: renew it"
    assert row.failures == 1
    assert len(world.living()) == 2
    world.backend.before = lambda call: None
    assert world.sync() == "ok"
    changes = [e.after["state"] for e in world.entries() if e.action == "registry.state_changed"]
    assert changes == ["ok", "failing", "ok"]


def test_a_fault_that_passes_is_waited_for_as_long_as_the_backend_asks(world: World) -> None:
    world.model("m", "1")
    left = [TransientError("busy", retry_after=3.0), TransientError("busy")]

    def stumble(call: str) -> None:
        if call == "scan" and left:
            raise left.pop(0)

    world.backend.before = stumble
    assert world.sync() == "ok"
    assert world.waits == [3.0, 2.0]


@pytest.mark.parametrize("again", [Page((), mark=Mark("again")), Page((Deleted(Key("model", "m")),))])
def test_a_listing_that_goes_round_in_circles_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, again: Page
) -> None:
    monkeypatch.setattr(MemoryAdapter, "scan", lambda self, **given: itertools.repeat(again))
    assert world.sync() == "failed"
    assert "round in circles" in world.registry().last_error


def test_a_plugin_that_breaks_is_named_without_its_words(world: World) -> None:
    def leak(call: str) -> None:
        raise RuntimeError("password=hunter2")

    world.backend.before = leak
    assert world.sync() == "failed"
    assert "RuntimeError" in world.registry().last_error
    assert "hunter2" not in world.registry().last_error


def test_a_run_that_another_worker_has_ended_meanwhile_is_not_made_again(world: World) -> None:
    world.model("m", "1")
    with writing(world.engine) as connection:
        sync_id = schedule.request(connection, world.registry_id, full=False)
    assert run(world.context, sync_id) == "ok"
    (before,) = world.rows(tables.sync)
    other = replace(world.context, leases=Leases("worker-2"))
    assert run(other, sync_id) is None
    assert world.rows(tables.sync) == [before]
    assert world.holder() is None


def test_two_workers_never_have_one_registry_and_a_late_one_writes_nothing(world: World) -> None:
    world.model("m", "1")
    late = SyncContext(world.engine, Connections(world.adapters), Leases("worker-2"))
    slept = False

    def oversleep(call: str) -> None:
        nonlocal slept
        if call == "scan" and not slept:
            slept = True
            assert (
                world.sync(context=SyncContext(world.engine, Connections(world.adapters), Leases("worker-3")))
                is None
            )
            expire_leases(world.engine)
            with writing(world.engine) as connection:
                assert Leases("worker-3").take(connection, SYNC, world.registry_id) is not None

    world.backend.before = oversleep
    assert world.sync(context=late) is None
    assert world.living() == {}


@pytest.mark.parametrize("cut", ["model", "version"])
def test_a_run_that_was_cut_off_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    monkeypatch.setattr("federation.sync.pages.CHUNK", 3)
    for number in range(4):
        world.model(f"m{number}", "1", "2")
    scans = []

    def power_cut(call: str) -> None:
        if call == "scan":
            scans.append(call)
            if len(scans) == (2 if cut == "model" else 4):
                raise PowerCutError

    world.backend.before = power_cut
    monkeypatch.setattr("federation.registries.connections.call_each", called_here)
    with pytest.raises(PowerCutError):
        world.sync()
    world.backend.before = lambda call: None
    expire_leases(world.engine)
    with reading(world.engine) as connection:
        cut_off = connection.execute(
            select(tables.sync.c.id).where(tables.sync.c.state == "running")
        ).scalar_one()
    assert run(world.context, cut_off) == "ok"
    assert world.living() == world.truth()
    assert len(world.rows(tables.version)) == 8
    assert world.problems() == []


def test_only_a_cheap_or_overdue_listing_is_repeated_in_full(world: World) -> None:
    world.model("m", "1")
    world.sync()
    with writing(world.engine) as connection:
        connection.execute(update(tables.registry).values(full_seconds=100.0))
    world.sync()
    assert [row.full for row in world.rows(tables.sync)] == [True, False]
    with writing(world.engine) as connection:
        connection.execute(update(tables.registry).values(full_seconds=0.1))
    world.sync()
    assert [row.full for row in world.rows(tables.sync)] == [True, False, True]
