"""A model that has a new name is the same model: what the backend's identity shows is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import Key, ModelRecord, VersionRecord
from adapters.memory import MemoryAdapter
from federation import tables
from federation.access import EVERYTHING, NOTHING, View
from federation.catalogue.naming import renamed
from federation.database import reading, writing
from federation.references import parse
from tests.federation.sync.world import World

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def dated(model: ModelRecord, name: str) -> ModelRecord:
    """The record as a backend has it whose keys hold creation and name."""
    return replace(model, key=Key("model", f"{model.created_at}/{name}"), name=name)


class NamedBackend:
    """A backend that has no ids of its own: a key is made of creation and name, as with MLflow."""

    def __init__(self, world: World) -> None:
        self.world, self.made = world, count()

    def model(self, name: str, *versions: str, at: datetime | None = None, **more: Any) -> ModelRecord:
        made = at or MOMENT + timedelta(seconds=next(self.made))
        record = dated(ModelRecord(key=Key("model", "-"), name=name, created_at=made, **more), name)
        self.world.backend.put(record)
        for version in versions:
            self.world.backend.put(self._version(record, version, made))
        return record

    def _version(self, model: ModelRecord, version: str, made: datetime) -> VersionRecord:
        key = Key("version", f"{version}/{model.key.native_id}")
        return VersionRecord(key=key, model=model.key, version=version, created_at=made, stage="None")

    def rename(self, model: ModelRecord, name: str, **more: Any) -> ModelRecord:
        versions = self.world.backend.versions(model.key)
        self.world.backend.drop(model.key)
        called = replace(dated(model, name), **more)
        self.world.backend.put(called)
        for one in versions:
            key = Key("version", f"{one.version}/{called.key.native_id}")
            self.world.backend.put(replace(one, key=key, model=called.key))
        return called


def succeeds(self: MemoryAdapter, new: Key, old: Key) -> bool:
    name = new.native_id.rpartition("/")[2]
    return new != old and new.native_id.removesuffix(name) == old.native_id.rpartition("/")[0] + "/"


@pytest.fixture
def registry(world: World, monkeypatch: pytest.MonkeyPatch) -> NamedBackend:
    monkeypatch.setattr(MemoryAdapter, "succeeds", succeeds)
    return NamedBackend(world)


def told(world: World, since: int) -> list[str]:
    return [action for action in world.actions()[since:] if action.split(".")[0] not in ("sync", "registry")]


def names(world: World, living: bool = True) -> list[str]:
    return sorted(row.name for row in world.rows(tables.model) if (row.deleted_at is None) is living)


def test_a_rename_keeps_rows_history_and_what_hangs_on_them(world: World, registry: NamedBackend) -> None:
    scorer = registry.model("scorer", "1", "2", aliases={"champion": "1"})
    registry.model("other", "1")
    world.sync()
    before = {row.id: row.version for row in world.rows(tables.version)}
    spans, since = len(world.rows(tables.span)), len(world.actions())
    registry.rename(scorer, "scorer-v2")
    world.sync()
    assert sorted(told(world, since)) == ["model.renamed", "versions.renamed"]
    (entry,) = [one for one in world.entries() if one.action == "model.renamed"]
    assert (entry.ref, entry.before, entry.after) == (
        "memory/scorer-v2",
        {"name": "scorer"},
        {"name": "scorer-v2"},
    )
    assert names(world) == ["other", "scorer-v2"]
    assert (names(world, living=False), len(world.rows(tables.span))) == ([], spans)
    assert {row.id: row.version for row in world.rows(tables.version)} == before
    assert world.living() == world.truth()
    assert world.problems() == []
    world.sync(full=True)
    assert len(told(world, since)) == 2


def test_a_former_name_leads_to_what_the_model_is_called_now(world: World, registry: NamedBackend) -> None:
    scorer = registry.model("scorer", "1", aliases={"champion": "1"})
    world.sync()
    second = registry.rename(scorer, "second name")
    world.sync()
    registry.rename(second, "zzz")
    world.sync()

    def now(view: View, text: str) -> list[str]:
        with reading(world.engine) as connection:
            return [str(one) for one in renamed(connection, view, parse(text))]

    assert now(EVERYTHING, "memory/scorer") == now(EVERYTHING, "memory/second%20name") == ["memory/zzz"]
    assert now(EVERYTHING, "memory/scorer:1") == ["memory/zzz:1"]
    assert now(EVERYTHING, "memory/scorer@champion") == ["memory/zzz@champion"]
    assert now(EVERYTHING, "memory/scorer:2") == now(EVERYTHING, "memory/zzz") == []
    assert now(NOTHING, "memory/scorer") == []
    with writing(world.engine) as connection:
        damaged = update(tables.journal).where(tables.journal.c.action == "model.renamed")
        connection.execute(damaged.values(entry=b"no entry"))
    assert now(EVERYTHING, "memory/scorer") == []


def test_a_renamed_model_whose_old_name_is_taken_again(world: World, registry: NamedBackend) -> None:
    first = registry.model("scorer", "1")
    world.sync()
    registry.rename(first, "retired")
    registry.model("scorer", "1")
    world.sync()
    assert (names(world), names(world, living=False)) == (["retired", "scorer"], [])
    with reading(world.engine) as connection:
        query = select(tables.model.c.id, tables.model.c.name).order_by(tables.model.c.id)
        assert [row.name for row in connection.execute(query)] == ["retired", "scorer"]
    assert world.problems() == []


def test_what_else_changed_with_the_name_is_told_as_a_change(world: World, registry: NamedBackend) -> None:
    scorer = registry.model("scorer", "1")
    world.sync()
    since = len(world.actions())
    registry.rename(scorer, "scorer-v2", description="better")
    world.sync()
    assert sorted(told(world, since)) == ["model.changed", "model.renamed", "versions.renamed"]
    (entry,) = [one for one in world.entries() if one.action == "model.changed"]
    assert entry.details["fields"] == ["description"]


@pytest.mark.parametrize("living", [True, False])
def test_what_may_be_two_models_is_told_as_two(world: World, registry: NamedBackend, living: bool) -> None:
    """Two models of one moment: the one still lives, or both are gone and nobody can tell which became which."""
    one = registry.model("one", "1", at=MOMENT)
    other = registry.model("other", "1", at=MOMENT)
    world.sync()
    since = len(world.actions())
    if living:
        registry.model("third", "1", at=MOMENT)
    else:
        for gone in (one, other):
            world.backend.drop(gone.key)
        for name in ("third", "fourth"):
            registry.model(name, "1", at=MOMENT)
    world.sync()
    assert "model.renamed" not in told(world, since)
    assert world.living() == world.truth()


def test_a_key_that_stays_tells_a_rename_by_itself(world: World) -> None:
    model = world.model("scorer", "1")
    world.sync()
    since = len(world.actions())
    world.change(model, name="scorer-v2")
    world.sync()
    assert (told(world, since), names(world)) == (["model.renamed"], ["scorer-v2"])
    assert world.problems() == []


def test_a_version_whose_key_stays_is_found_by_its_new_name(world: World) -> None:
    model = world.model("scorer", "sha256-0f0f")
    world.sync()
    version = world.backend.versions(model.key)[0]
    world.change(version, version="1.0.0")
    world.change(model, aliases={"champion": "1.0.0"})
    world.sync()
    with reading(world.engine) as connection:
        rows = connection.execute(select(tables.version.c.version, tables.version.c.stage)).all()
    assert [tuple(row) for row in rows] == [("1.0.0", "production")]
    assert world.problems() == []
