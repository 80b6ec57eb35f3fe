"""A Vertex AI registry in the catalogue: the demonstration's emulator, the real adapter, the real database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators.vertex import VertexEmulator, seed
from federation import tables
from tests.adapters.vertex.vendor import Vendor
from tests.federation.sync.world import World, make_world


@pytest.fixture
def emulator() -> Iterator[VertexEmulator]:
    with VertexEmulator() as running:
        seed(running.address)
        yield running


@pytest.fixture
def world(emulator: VertexEmulator, tmp_path: Path) -> Iterator[World]:
    config = {
        "project": emulator.project,
        "location": emulator.location,
        "endpoint": emulator.address,
        "sweep_every": 0,
    }
    made = make_world(f"sqlite:///{tmp_path}/waypost.db", name="pricing", kind="vertex", config=config)
    yield made
    made.context.connections.close()
    made.close()


def stages(world: World) -> dict[str, str]:
    """`dynamic-pricing@3` → its stage, for what lives."""
    rows: list[Any] = [row for row in world.rows(tables.version) if row.deleted_at is None]
    return {row.native_id.partition("#")[0]: row.stage for row in rows}


def test_what_a_team_does_in_vertex_arrives_in_the_catalogue(world: World, emulator: VertexEmulator) -> None:
    assert world.sync() == "ok"
    found = stages(world)
    production = {name for name, stage in found.items() if stage == "production"}
    assert production >= {"demand-forecast@3", "dynamic-pricing@3", "offer-writer@2"}
    assert "dynamic-pricing@4" in production, "it takes a tenth of the traffic"
    assert found["competitor-price-matcher@2"] == "staging"
    assert len(world.rows(tables.endpoint)) >= 4

    vendor = Vendor(emulator.address, emulator.parent)
    vendor.alias("price-elasticity", "1", "production")
    vendor.delete("markdown-planner")
    vendor.close()
    assert world.sync() == "ok"
    now = stages(world)
    assert (now["price-elasticity@1"], now["price-elasticity@2"]) == ("production", "none")
    assert "markdown-planner@1" not in now
    assert {"alias.moved", "stage.changed", "model.deleted"} <= set(world.actions())
    assert world.problems() == []


def test_a_quiet_sync_changes_nothing(world: World) -> None:
    world.sync()
    before = len(world.rows(tables.change))
    assert world.sync() == "ok"
    assert world.sync(full=True) == "ok"
    assert len(world.rows(tables.change)) == before
