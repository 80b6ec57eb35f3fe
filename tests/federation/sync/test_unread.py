"""What could not be read of a record is unknown, not absent: what was known stays, and somebody is told."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters import Dataset, Lineage, Unread, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.database import now
from tests.federation.sync.world import World

WHY = "run r1 answered with more than 1 MiB: raise `max_response_mb`"
UNREAD = Unread(("metrics", "lineage.datasets", "native.run"), WHY)


def known(world: World) -> VersionRecord:
    return codec.decode_version(world.rows(tables.version)[0].body)


def measured(world: World) -> VersionRecord:
    """A version with all that its run says, known to the catalogue."""
    world.model("m", "1")
    record = world.version("m", "1")
    lineage = Lineage(run_id="r1", datasets=(Dataset("clicks"),))
    fields: dict[str, Any] = {
        "metrics": {"auc": 0.9},
        "lineage": lineage,
        "native": {"name": "m", "run": {"a": 1}},
    }
    world.change(record, **fields)
    assert world.sync() == "ok"
    return replace(world.version("m", "1"), metrics={}, lineage=Lineage(run_id="r1"), native={"name": "m"})


def test_what_was_known_stays_and_no_change_is_told(world: World) -> None:
    bare = measured(world)
    before = len(world.entries())
    world.backend.put(replace(bare, unread=UNREAD))
    assert world.sync() == "partial"
    found = known(world)
    assert (found.metrics, found.lineage.datasets, found.native["run"]) == (
        {"auc": 0.9},
        (Dataset("clicks"),),
        {"a": 1},
    )
    assert found.unread == UNREAD
    assert "version.changed" not in world.actions()[before:]
    assert (world.registry().unread, world.registry().last_error) == (1, f"1 record is known in part: {WHY}")


def test_a_new_record_is_taken_in_with_what_could_be_read(world: World) -> None:
    world.model("m", "1")
    world.backend.put(replace(world.version("m", "1"), unread=UNREAD))
    assert world.sync() == "partial"
    assert (known(world).version, known(world).metrics, known(world).unread) == ("1", {}, UNREAD)


def test_the_registry_is_partial_until_all_is_read_again(world: World) -> None:
    bare = measured(world)
    world.backend.put(replace(bare, unread=UNREAD))
    for full in (False, True, False):
        assert world.sync(full=full) == "partial"
    world.change(bare, metrics={"auc": 0.9}, lineage=Lineage(run_id="r1", datasets=(Dataset("clicks"),)))
    assert world.sync() == "ok"
    assert (world.registry().unread, known(world).unread) == (0, None)
    assert "version.changed" not in world.actions()


def test_what_changed_while_it_was_unread_is_dated_from_before(world: World) -> None:
    bare = measured(world)
    seen = now()
    world.backend.put(replace(bare, unread=UNREAD))
    assert world.sync() == "partial"
    assert world.sync(full=True) == "partial"
    world.change(bare, metrics={"auc": 0.5}, lineage=Lineage(run_id="r1", datasets=(Dataset("clicks"),)))
    assert world.sync() == "ok"
    (changed,) = [entry for entry in world.entries() if entry.action == "version.changed"]
    assert changed.details["fields"] == ["metrics.auc"]
    assert isinstance(changed.not_before, datetime)
    assert changed.not_before <= seen


def test_a_deleted_record_leaves_nothing_unread(world: World) -> None:
    bare = measured(world)
    world.backend.put(replace(bare, unread=UNREAD))
    assert world.sync() == "partial"
    world.backend.drop(bare.key)
    assert world.sync() == "ok"
    assert world.registry().unread == 0
