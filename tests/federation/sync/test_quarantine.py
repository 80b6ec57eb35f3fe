"""Records that cannot be read are set aside: nothing else suffers, and they come back, or go, once that is known."""

from dataclasses import replace

from adapters import Key, VersionRecord
from federation import tables
from federation.database import now
from tests.federation.sync.world import World


def test_a_record_that_cannot_be_read_is_set_aside_and_leaves_when_it_can(world: World) -> None:
    model = world.model("m", "1")
    bad = replace(world.version("m", "1"), key=Key("version", "bad"), version="")
    world.backend.put(bad)
    assert world.sync() == "partial"
    assert [row.native for row in world.rows(tables.quarantine)] == ["bad"]
    assert world.registry().partial
    assert len(world.living()) == 2
    world.backend.put(replace(bad, version="2", model=model.key))
    assert world.sync() == "ok"
    assert world.rows(tables.quarantine) == []
    assert world.living() == world.truth()


def test_what_is_gone_leaves_quarantine_with_the_next_whole_listing(world: World) -> None:
    world.model("m", "1")
    world.sync()
    bad = replace(world.version("m", "1"), key=Key("version", "bad"), version="")
    world.backend.put(bad)
    assert world.sync(full=True) == "partial"
    world.backend.drop(bad.key)
    assert world.sync(full=True) == "ok"
    assert world.rows(tables.quarantine) == []
    assert world.actions().count("record.released") == 1


def test_what_was_in_quarantine_is_dated_from_before_it_was_there(world: World) -> None:
    model = world.model("m", "1", aliases={"shadow": "1"})
    world.model("other", "1")
    world.sync()
    world.sync()
    before = now()
    readable = replace(model, aliases={})
    world.backend.put(replace(readable, name=""))
    world.change(world.version("other", "1"), stage="Staging")
    changed = now()
    for _ in range(2):
        assert world.sync(full=True) == "partial"
    world.backend.put(readable)
    world.change(world.version("other", "1"), description="meanwhile")
    assert world.sync(full=True) == "ok"
    (ended,) = [span for span in world.rows(tables.span) if span.ended_by is not None]
    assert (ended.kind, ended.value) == ("alias", "shadow")
    assert ended.ended_after <= before < changed <= ended.ended_by
    (described,) = [entry for entry in world.entries() if entry.details.get("fields") == ["description"]]
    assert described.not_before > changed


def test_a_model_leaves_quarantine_together_with_its_versions(world: World) -> None:
    model = world.model("m", "1", "2")
    world.backend.put(replace(model, name=""))
    assert world.sync() == "partial"
    assert world.living() == {}
    world.backend.put(model)
    assert world.sync(full=True) == "ok"
    assert world.rows(tables.quarantine) == []
    assert world.living() == world.truth()


def test_a_version_without_its_model_is_set_aside(world: World) -> None:
    lost = VersionRecord(key=Key("version", "lost"), model=Key("model", "nowhere"), version="1")
    world.backend.put(lost)
    assert world.sync() == "partial"
    assert [row.native for row in world.rows(tables.quarantine)] == ["lost"]
