"""What serves is live, from the cloud's own client to the answer of a gate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from gateway.cli.asked import Gateway
from gateway.cli.client import embedded
from gateway.cli.invocation import Invocation
from gateway.cli.local import catch_up
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import package
from tests.adapters.sagemaker.test_serving import endpoint, model, variant
from tests.adapters.vertex.vendor import Vendor
from tests.federation.sync.world import World, make_world


@contextmanager
def synchronised(folder: Path, kind: str, config: dict[str, Any]) -> Iterator[tuple[World, Gateway]]:
    """A registry `r` that was read once, and a gateway over it."""
    world = make_world(f"sqlite:///{folder}/waypost.db", name="r", kind=kind, config=config)
    file = folder / "waypost.toml"
    values = ", ".join(f'{name} = "{value}"' for name, value in config.items())
    file.write_text(f'[[registries]]\nname = "r"\nkind = "{kind}"\nteam = "risk"\nconfig = {{ {values} }}\n')
    try:
        assert world.sync() == "ok"
        with embedded(Invocation(config=file)) as gateway:
            yield world, gateway
    finally:
        world.context.connections.close()
        world.close()


def told(gateway: Gateway, name: str) -> tuple[str, bool, list[tuple[str, float]], str]:
    """Of a version: its stage, whether it is deployed, its endpoints with their shares, and what its loss would hit."""
    assert gateway.waypost is not None
    catch_up(gateway.waypost)
    shown = gateway.get(f"/versions/r/{name}")
    impact = gateway.get(f"/impact/r/{name}", action="delete")
    endpoints = [(one["name"], one["percent"]) for one in shown["endpoints"]]
    assert [(one["name"], one["percent"]) for one in impact["endpoints"]] == endpoints
    return shown["stage"], shown["deployed"], endpoints, impact["severity"]


def test_sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_KEY", "AKIDWAYPOST")
    with Emulator() as emulator:
        boto = aws.client(emulator.url)
        for name in ("component", "single", "champion", "shadow", "silent", "later"):
            model(
                boto, f"m-{name}", {"ModelPackageName": package(boto, name, ModelApprovalStatus="Approved")}
            )
        package(boto, "many", "s3://many/de.tar.gz", ModelApprovalStatus="Approved")
        model(boto, "m-many", {"Image": "mme:1", "Mode": "MultiModel", "ModelDataUrl": "s3://many/"})
        endpoint(boto, "components", variant("all"))
        boto.create_inference_component(
            InferenceComponentName="c",
            EndpointName="components",
            VariantName="all",
            Specification={"ModelName": "m-component"},
            RuntimeConfig={"CopyCount": 1},
        )
        endpoint(boto, "mme", variant("all", "m-many"))
        variants = variant("a", "m-champion"), variant("b", "m-silent", 0)
        endpoint(boto, "ab", *variants, shadows=(variant("s", "m-shadow"),))
        endpoint(boto, "gone", variant("all", "m-single"))
        failed = package(boto, "failed")
        packages = emulator.account.packages
        packages[failed] = {**packages[failed], "ModelPackageStatus": "Failed"}
        config = {
            "region": aws.REGION,
            "endpoint_url": emulator.url,
            "access_key_id": "env:SERVING_KEY",
            "secret_access_key": "env:SERVING_KEY",
        }
        with synchronised(tmp_path, "sagemaker", config) as (world, gateway):
            assert told(gateway, "component:1") == ("production", True, [("components", 100.0)], "live")
            assert told(gateway, "many:1") == ("production", True, [("mme", 100.0)], "live")
            assert told(gateway, "champion:1") == ("production", True, [("ab", 100.0)], "live")
            assert told(gateway, "shadow:1") == ("staging", False, [("ab", 0.0)], "none")
            assert told(gateway, "silent:1") == ("staging", False, [("ab", 0.0)], "none")
            assert told(gateway, "later:1") == ("staging", False, [], "none")
            (listed,) = gateway.get("/models/r/failed")["versions"]
            assert listed["state"] == gateway.get("/versions/r/failed:1")["state"] == "Failed"

            # A configuration that is deleted under its endpoint, and a process that has never seen it.
            boto.delete_endpoint_config(EndpointConfigName="gone-1")
            world.context.connections.close()
            assert world.sync() == "partial"
            assert "gone-1 was deleted" in world.registry().last_error
            assert told(gateway, "single:1") == ("production", True, [("gone", 100.0)], "live")
            (shown,) = gateway.get("/versions/r/single:1")["endpoints"]
            assert shown["unread"] == "endpoint gone: its configuration gone-1 was deleted under it"
            mark = world.registry().watermark
            assert world.sync() == "partial"
            assert world.registry().watermark != mark, "what is unknown holds nothing up"
        boto.close()


@pytest.mark.parametrize("split", [{}, {"0": 100}])
def test_vertex(tmp_path: Path, split: dict[str, int]) -> None:
    with VertexEmulator() as emulator:
        vendor = Vendor(emulator.address, emulator.parent)
        for name in ("private", "public", "waiting"):
            vendor.upload(name)
        inside = {} if split else {"network": "projects/1/global/networks/n"}
        vendor.deploy(vendor.endpoint("inside", **inside), "private@1", split)
        outside = vendor.endpoint("outside")
        first = vendor.deploy(outside, "public@1")
        vendor.deploy(outside, "waiting@1", {first: 100, "0": 0})
        vendor.close()
        config = {
            "project": emulator.project,
            "location": emulator.location,
            "endpoint": emulator.address,
        }
        with synchronised(tmp_path, "vertex", config) as (_, gateway):
            assert told(gateway, "private:1") == ("production", True, [("inside", 100.0)], "live")
            assert told(gateway, "public:1") == ("production", True, [("outside", 100.0)], "live")
            assert told(gateway, "waiting:1") == ("none", False, [("outside", 0.0)], "none")
