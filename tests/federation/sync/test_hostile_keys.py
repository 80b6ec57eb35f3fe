"""One hostile record costs itself, and nobody else: neither its registry's other records nor the followers."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import (
    BadRecordError,
    Dataset,
    Deleted,
    EndpointRecord,
    Key,
    Lineage,
    Listing,
    ModelRecord,
    Page,
    Parent,
    Traffic,
    VersionRecord,
)
from adapters.memory import MemoryAdapter
from federation import tables
from federation.graph.follower import GraphFollower
from federation.search.catalogue import Catalogue
from federation.search.follower import Follower as IndexFollower
from tests.federation.sync.world import World

RNG = random.Random("wild")
WILD = "".join(chr(RNG.randrange(0x10000, 0x1FFFF)) for _ in range(6000))
"""Too long for an index of PostgreSQL, and not to be compressed."""
NATIVES = {"with U+0000": "a\0b", "long": WILD}
LONG_REFERENCE = f"r/{WILD[:900]}:{WILD[:900]}"


@pytest.fixture
def hostile(world: World, tmp_path: Path) -> Any:
    """Take in what the backend has, beside two records that are all right."""
    good = {
        ("model", world.model("m", "1").key.native_id),
        ("version", world.version("m", "1").key.native_id),
    }
    world.sync()

    def sync() -> World:
        world.change(world.version("m", "1"), description="changed meanwhile")
        assert world.sync() in ("partial", "ok"), world.registry().last_error
        assert world.living().keys() >= good
        for follower in (
            IndexFollower(tmp_path / "search", Catalogue(world.engine)),
            GraphFollower(world.engine, tmp_path / "graph"),
        ):
            follower.rebuild()
        return world

    return sync


@pytest.mark.parametrize("native", NATIVES)
def test_a_native_id_that_no_database_takes_is_set_aside(world: World, hostile: Any, native: str) -> None:
    key = Key("version", NATIVES[native])
    world.backend.put(replace(world.version("m", "1"), key=key, version="2"))
    world.backend.put(
        VersionRecord(key=Key("version", "lost"), model=Key("model", key.native_id), version="1")
    )
    world.backend.put(EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=(Traffic(key, 100.0),)))
    for _ in range(2):
        hostile()
        assert len(world.rows(tables.quarantine)) == 3


@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize("where", ["bad", "deleted", "listed"])
def test_a_page_may_name_what_nobody_can_have(
    world: World, hostile: Any, monkeypatch: pytest.MonkeyPatch, where: str, native: str
) -> None:
    key = Key("version", NATIVES[native])
    told: dict[str, dict[str, Any]] = {
        "bad": {"bad": (BadRecordError("odd", native=key.native_id),)},
        "deleted": {"records": (Deleted(key),)},
        "listed": {"listed": (Listing("version", of=Key("model", key.native_id)),)},
    }
    monkeypatch.setattr("federation.sync.run.is_full_due", lambda registry, at: registry.watermark is None)
    scan = MemoryAdapter.scan

    def odd(self: MemoryAdapter, **given: Any) -> Page:
        page = scan(self, **given)
        more: dict[str, Any] = {name: (*getattr(page, name), *one) for name, one in told[where].items()}
        return replace(page, **more)

    monkeypatch.setattr(MemoryAdapter, "scan", odd)
    hostile()


SET_ASIDE: Mapping[str, dict[str, Any]] = {
    "version": {"key": Key("version", "x"), "version": WILD[:1000]},
    "creator": {"key": Key("version", "x"), "version": "2", "creator": WILD},
    "owner": {"key": Key("version", "x"), "version": "2", "owner": WILD},
}
TAKEN: Mapping[str, dict[str, Any]] = {
    "tag": {"tags": {WILD: WILD}},
    "metric": {"metrics": {WILD: 1.0}},
    "param": {"params": {WILD: WILD}},
    "commit": {"lineage": Lineage(commit=WILD)},
    "run": {"lineage": Lineage(run_id=WILD, pipeline=WILD, repository=WILD)},
    "dataset": {"lineage": Lineage(datasets=(Dataset(WILD, WILD, WILD),))},
    "dependency": {"lineage": Lineage(dependencies=(LONG_REFERENCE, WILD))},
    "parent": {"lineage": Lineage(parents=(Parent(LONG_REFERENCE), Parent(WILD)))},
    "digest": {"artifact_digest": WILD, "artifact_uri": WILD},
    "framework": {"framework": WILD, "license": WILD, "url": WILD, "etag": WILD, "description": WILD},
    "stage": {"stage": WILD, "approval": WILD, "lifecycle": WILD},
}


@pytest.mark.parametrize("what", SET_ASIDE)
def test_a_version_with_what_cannot_be_indexed_is_set_aside(world: World, hostile: Any, what: str) -> None:
    world.backend.put(replace(world.version("m", "1"), **SET_ASIDE[what]))
    assert [row.native for row in hostile().rows(tables.quarantine)] == ["x"]


@pytest.mark.parametrize("what", TAKEN)
def test_a_version_with_long_values_is_taken(world: World, hostile: Any, what: str) -> None:
    key = Key("version", "x")
    world.backend.put(replace(world.version("m", "1"), key=key, version="2", **TAKEN[what]))
    assert hostile().rows(tables.quarantine) == []


@pytest.mark.parametrize("alias", ["", WILD[:1000], "a" * 1001], ids=["empty", "wild", "long"])
def test_a_model_with_an_alias_that_no_reference_can_hold_is_set_aside(
    world: World, hostile: Any, alias: str
) -> None:
    odd = world.model("odd", aliases={alias: "1"})
    assert [row.native for row in hostile().rows(tables.quarantine)] == [odd.key.native_id]


def test_a_model_with_a_name_that_cannot_be_indexed_is_set_aside(world: World, hostile: Any) -> None:
    odd = world.model("odd")
    world.backend.put(replace(odd, name=WILD[:1000]))
    assert [row.native for row in hostile().rows(tables.quarantine)] == [odd.key.native_id]


def test_the_longest_names_are_taken(world: World, hostile: Any) -> None:
    for place, (name, label) in enumerate({WILD[:125]: WILD[:83], "n" * 1000: "v" * 1000}.items()):
        model = ModelRecord(key=Key("model", f"m{place}"), name=name, aliases={label: label})
        world.backend.put(model)
        world.backend.put(VersionRecord(key=Key("version", f"v{place}"), model=model.key, version=label))
    assert hostile().rows(tables.quarantine) == []
    assert len(world.living()) == 6
