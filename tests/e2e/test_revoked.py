"""A permission that is taken away makes what it showed unknown, and not absent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import ModelRecord, VersionRecord
from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from federation import tables
from federation.catalogue import codec
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import package
from tests.adapters.vertex.vendor import Vendor
from tests.federation.sync.world import World, make_world


def version(world: World) -> VersionRecord:
    return codec.decode_version(world.rows(tables.version)[0].body)


def model(world: World) -> ModelRecord:
    return codec.decode_model(world.rows(tables.model)[0].body)


def closed(world: World) -> None:
    world.context.connections.close()
    world.close()


@pytest.fixture
def sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, Emulator]]:
    monkeypatch.setenv("REVOKED_KEY", "AKIDWAYPOST")
    with Emulator() as emulator:
        config = {
            "region": aws.REGION,
            "endpoint_url": emulator.url,
            "access_key_id": "env:REVOKED_KEY",
            "secret_access_key": "env:REVOKED_KEY",
        }
        world = make_world(f"sqlite:///{tmp_path}/waypost.db", name="r", kind="sagemaker", config=config)
        yield world, emulator
        closed(world)


@pytest.mark.parametrize("denied", ["ListArtifacts", "QueryLineage"])
def test_the_lineage_graph_of_sagemaker(sagemaker: tuple[World, Emulator], denied: str) -> None:
    world, emulator = sagemaker
    boto = aws.client(emulator.url)
    arn = package(boto, "m")
    made = [
        boto.create_artifact(Source={"SourceUri": uri}, ArtifactType=kind)["ArtifactArn"]
        for uri, kind in (("s3://d/train", "DataSet"), (arn, "ModelPackage"))
    ]
    boto.add_association(SourceArn=made[0], DestinationArn=made[1])
    boto.close()
    assert world.sync() == "ok"
    before = version(world).lineage
    assert [each.uri for each in before.datasets] == ["s3://d/train"]
    told = len(world.entries())
    emulator.faults.deny.add(denied)
    assert world.sync(full=True) == "partial"
    assert version(world).lineage == before
    assert f"grant sagemaker:{denied}" in world.registry().last_error
    assert "version.changed" not in world.actions()[told:]
    emulator.faults.deny.clear()
    assert world.sync(full=True) == "ok"


def test_the_tags_of_a_sagemaker_group(sagemaker: tuple[World, Emulator]) -> None:
    world, emulator = sagemaker
    emulator.faults.deny.add("Search")
    boto = aws.client(emulator.url)
    boto.create_model_package_group(
        ModelPackageGroupName="m",
        Tags=[{"Key": "depends_on", "Value": "encoder:1"}, {"Key": "owner", "Value": "ana"}],
    )
    boto.close()
    assert world.sync() == "ok"
    before = model(world)
    assert (before.tags["depends_on"], before.owner) == ("encoder:1", "ana")
    emulator.faults.deny.add("ListTags")
    assert world.sync(full=True) == "partial"
    assert (model(world).tags, model(world).owner) == (before.tags, "ana")
    assert "grant sagemaker:ListTags" in world.registry().last_error


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[tuple[World, VertexEmulator, Vendor]]:
    with VertexEmulator() as emulator:
        vendor = Vendor(emulator.address, emulator.parent)
        config: dict[str, Any] = {
            "project": emulator.project,
            "location": emulator.location,
            "endpoint": emulator.address,
        }
        world = make_world(f"sqlite:///{tmp_path}/waypost.db", name="r", kind="vertex", config=config)
        yield world, emulator, vendor
        vendor.close()
        closed(world)


def test_the_evaluations_of_vertex(vertex: tuple[World, VertexEmulator, Vendor]) -> None:
    world, emulator, vendor = vertex
    vendor.upload("m")
    vendor.evaluate("m@1", {"auc": 0.5})
    assert world.sync() == "ok"
    assert version(world).metrics == {"auc": 0.5}
    emulator.faults.fail("ListModelEvaluations", code="PERMISSION_DENIED", times=99)
    assert world.sync(full=True) == "partial"
    assert version(world).metrics == {"auc": 0.5}
    assert "Vertex AI refused" in world.registry().last_error


def test_the_endpoints_of_vertex(vertex: tuple[World, VertexEmulator, Vendor]) -> None:
    world, emulator, vendor = vertex
    vendor.upload("m")
    vendor.deploy(vendor.endpoint("live"), "m@1")
    assert world.sync() == "ok"
    for method in ("ListEndpoints", "GetEndpoint"):
        emulator.faults.fail(method, code="PERMISSION_DENIED", times=99)
    assert world.sync(full=True) == "partial"
    assert "grant roles/aiplatform.viewer" in world.registry().last_error
    (row,) = world.rows(tables.version)
    assert (row.deployed, row.stage) == (True, "production")
    emulator.faults.clear()
    assert world.sync(full=True) == "ok"
