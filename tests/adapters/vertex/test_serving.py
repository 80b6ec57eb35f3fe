"""Which versions an endpoint serves, and what of its requests each of them takes."""

from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import aiplatform_v1 as v1

from adapters import ConflictError, EndpointRecord, InvalidError, VersionRecord
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter
from tests.adapters.scans import scanned
from tests.adapters.vertex.vendor import Vendor

NETWORK = "projects/1/global/networks/n"
PSC = v1.PrivateServiceConnectConfig(enable_private_service_connect=True)


@pytest.fixture
def team(vendor: Vendor) -> Vendor:
    for _ in range(3):
        vendor.upload("clicks")
    return vendor


def served(adapter: VertexAdapter) -> dict[str, tuple[EndpointRecord, dict[str, float]]]:
    """The endpoints of a full scan by name, each with its shares by version; `get` gives the same."""
    records = scanned(adapter).records
    versions = {record.key: record.version for record in records if isinstance(record, VersionRecord)}
    found = {}
    for record in records:
        if isinstance(record, EndpointRecord):
            assert adapter.get(record.key) == record
            shares = {versions[share.version]: share.percent for share in record.traffic}
            found[record.name] = (record, shares)
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"network": NETWORK},
        {"enable_private_service_connect": True},
        {"private_service_connect_config": PSC},
    ],
)
def test_a_private_endpoint_has_no_split_and_serves(
    team: Vendor, adapter: VertexAdapter, fields: dict[str, Any]
) -> None:
    team.deploy(team.endpoint("inside", **fields), "clicks@2", {})
    record, shares = served(adapter)["inside"]
    assert (record.live, shares) == (True, {"2": 100.0})


def test_a_private_endpoint_with_a_split_follows_it(team: Vendor, adapter: VertexAdapter) -> None:
    endpoint = team.endpoint("psc", private_service_connect_config=PSC)
    first = team.deploy(endpoint, "clicks@1")
    team.deploy(endpoint, "clicks@2", {first: 100, "0": 0})
    record, shares = served(adapter)["psc"]
    assert (record.live, shares) == (True, {"1": 100.0, "2": 0.0})


def test_a_public_endpoint_without_a_split_takes_no_requests(team: Vendor, adapter: VertexAdapter) -> None:
    team.deploy(team.endpoint("paused", dedicated_endpoint_enabled=True), "clicks@2", {})
    record, shares = served(adapter)["paused"]
    assert (record.live, shares) == (False, {"2": 0.0})


def test_what_is_deployed_with_nothing_of_the_traffic_is_shown(team: Vendor, adapter: VertexAdapter) -> None:
    endpoint = team.endpoint("outside")
    first = team.deploy(endpoint, "clicks@1")
    team.deploy(endpoint, "clicks@2", {first: 100, "0": 0})
    record, shares = served(adapter)["outside"]
    assert (record.live, shares) == (True, {"1": 100.0, "2": 0.0})


def test_several_deployments_of_one_version_are_one_share(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    endpoint = team.endpoint("twice")
    first = team.deploy(endpoint, "clicks@1")
    team.deploy(endpoint, "clicks@1", {first: 60, "0": 40})
    assert served(adapter)["twice"][1] == {"1": 100.0}
    # Two at addresses of their own are still no more than all requests.
    emulator.state.endpoints[endpoint].ClearField("traffic_split")
    for deployed in emulator.state.endpoints[endpoint].deployed_models:
        deployed.private_endpoints.predict_http_uri = f"http://{deployed.id}.example"
    assert served(adapter)["twice"][1] == {"1": 100.0}


def test_a_deployment_on_shared_resources_serves_like_any_other(team: Vendor, adapter: VertexAdapter) -> None:
    pool = f"{team.parent}/deploymentResourcePools/pool"
    deployed = v1.DeployedModel(model=team.name("clicks@3"), shared_resources=pool)
    team.endpoints.deploy_model(
        endpoint=team.endpoint("pooled"), deployed_model=deployed, traffic_split={"0": 100}
    ).result(timeout=60)
    assert served(adapter)["pooled"][1] == {"3": 100.0}


def test_a_deployment_by_an_alias_names_the_version_that_was_deployed(
    team: Vendor, adapter: VertexAdapter
) -> None:
    team.alias("clicks", "2", "golden")
    team.deploy(team.endpoint("golden"), "clicks@golden")
    team.alias("clicks", "3", "golden")
    assert served(adapter)["golden"][1] == {"2": 100.0}


def test_a_version_that_is_named_but_not_numbered_is_found(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    team.deploy(team.endpoint("old"), "clicks@2")
    (endpoint,) = emulator.state.endpoints.values()
    (deployed,) = endpoint.deployed_models
    deployed.model_version_id, deployed.model = "", f"{deployed.model}@2"
    assert served(adapter)["old"][1] == {"2": 100.0}


def test_a_deployment_whose_version_is_not_said_is_unknown(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    team.deploy(team.endpoint("old"), "clicks@2")
    (endpoint,) = emulator.state.endpoints.values()
    endpoint.deployed_models[0].model_version_id = ""
    record, shares = served(adapter)["old"]
    assert (record.live, shares) == (True, {})
    assert record.unread is not None
    assert record.unread.fields == ("traffic",)
    assert "which version of clicks" in record.unread.reason


def test_the_emulator_keeps_one_model_and_no_split_on_a_private_endpoint(team: Vendor) -> None:
    endpoint = team.endpoint("inside", network=NETWORK)
    with pytest.raises(InvalidArgument, match="private"):
        team.deploy(endpoint, "clicks@1")
    first = team.deploy(endpoint, "clicks@1", {})
    with pytest.raises(InvalidArgument, match="one deployed model"):
        team.deploy(endpoint, "clicks@2", {})
    team.undeploy(endpoint, first)
    assert team.split(endpoint) == {}


def test_traffic_is_shared_among_the_deployments_of_an_endpoint(team: Vendor, adapter: VertexAdapter) -> None:
    endpoint = team.endpoint("split")
    first = team.deploy(endpoint, "clicks@1")
    team.deploy(endpoint, "clicks@2", {first: 100, "0": 0})
    team.deploy(team.endpoint("inside", network=NETWORK), "clicks@1", {})
    found = served(adapter)
    record, _ = found["split"]
    one, two = (
        share.version for share in sorted(record.traffic, key=lambda share: share.percent, reverse=True)
    )
    written = adapter.set_traffic(record.key, {one: 95.0, two: 5.0}, etag=record.etag)
    assert isinstance(written, EndpointRecord)
    assert {share.version: share.percent for share in written.traffic} == {one: 95.0, two: 5.0}
    with pytest.raises(ConflictError):
        adapter.set_traffic(record.key, {one: 5.0, two: 95.0}, etag=record.etag)
    with pytest.raises(InvalidError, match="whole percentages"):
        adapter.set_traffic(record.key, {one: 94.5, two: 5.5})
    with pytest.raises(InvalidError, match="does not hold"):
        adapter.set_traffic(found["inside"][0].key, {two: 100.0})
