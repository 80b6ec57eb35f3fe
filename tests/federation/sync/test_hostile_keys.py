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
from federation import tables
from federation.graph.follower import GraphFollower
from federation.search.source import CatalogueSource
from federation.search.tantivy.follower import IndexFollower
from tests.federation.sync.world import World, relist

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
            IndexFollower(tmp_path / "search", CatalogueSource(world.engine)),
            GraphFollower(world.engine, tmp_path / "graph"),
        ):
            follower.rebuild()
        return world

    return sync


def test_a_native_id_that_no_database_takes_is_set_aside(world: World, hostile: Any) -> None:
    for name, native in NATIVES.items():
        key = Key("version", native)
        world.backend.put(replace(world.version("m", "1"), key=key, version=name))
        world.backend.put(VersionRecord(key=Key("version", name), model=Key("model", native), version="1"))
        world.backend.put(
            EndpointRecord(key=Key("endpoint", f"e {name}"), name=name, traffic=(Traffic(key, 100.0),))
        )
    for _ in range(2):
        assert len(hostile().rows(tables.quarantine)) == 6


def test_a_page_may_name_what_nobody_can_have(
    world: World, hostile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.sync.run.is_full_due", lambda registry, at: registry.watermark is None)
    keys = [Key("version", native) for native in NATIVES.values()]

    def odd(page: Page) -> Page:
        return replace(
            page,
            bad=(*page.bad, *(BadRecordError("odd", native=key.native_id) for key in keys)),
            records=(*page.records, *map(Deleted, keys)),
            listed=(*page.listed, *(Listing("version", of=Key("model", key.native_id)) for key in keys)),
        )

    relist(monkeypatch, odd)
    assert len(hostile().rows(tables.quarantine)) == 2


SET_ASIDE: Mapping[str, dict[str, Any]] = {
    "version": {"version": WILD[:1000]},
    "creator": {"version": "2", "creator": WILD},
    "owner": {"version": "3", "owner": WILD},
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


def test_a_version_with_what_cannot_be_indexed_is_set_aside(world: World, hostile: Any) -> None:
    for name, fields in SET_ASIDE.items():
        world.backend.put(replace(world.version("m", "1"), key=Key("version", name), **fields))
    assert {row.native for row in hostile().rows(tables.quarantine)} == SET_ASIDE.keys()


def test_a_version_with_long_values_is_taken(world: World, hostile: Any) -> None:
    for name, fields in TAKEN.items():
        version = replace(world.version("m", "1"), key=Key("version", name), version=name, **fields)
        world.backend.put(version)
    assert hostile().rows(tables.quarantine) == []
    assert len(world.living()) == 2 + len(TAKEN)


def test_a_model_with_an_alias_that_no_reference_can_hold_is_set_aside(world: World, hostile: Any) -> None:
    odd = [
        world.model(f"odd {place}", aliases={alias: "1"})
        for place, alias in enumerate(("", WILD[:1000], "a" * 1001))
    ]
    assert {row.native for row in hostile().rows(tables.quarantine)} == {one.key.native_id for one in odd}


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
