"""What moto's server does as AWS does it: groups, packages, approval, endpoints, tags of groups, Search."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters import VersionRecord
from adapters.sagemaker import SageMakerAdapter
from gateway.demo.servers import Server
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import package, scan


@pytest.fixture
def boto(moto: Server) -> Iterator[Any]:
    client = aws.client(moto.url)
    yield client
    client.close()


@pytest.fixture
def adapter(moto: Server) -> Iterator[SageMakerAdapter]:
    made = SageMakerAdapter(aws.config(moto.url, timeout=30))
    yield made
    made.close()


def test_a_scan_finds_what_a_team_registered(boto: Any, adapter: SageMakerAdapter) -> None:
    boto.create_model_package_group(ModelPackageGroupName="ranker", Tags=[{"Key": "team", "Value": "ads"}])
    package(boto, "ranker", "s3://m/1", CustomerMetadataProperties={"depends_on": "encoder:1"})
    package(boto, "ranker", "s3://m/2", ModelApprovalStatus="Approved")
    package(boto, "encoder", "s3://m/3")
    found = scan(adapter)
    assert sorted(found.versions()) == ["encoder:1", "ranker:1", "ranker:2"]
    assert found.versions()["ranker:2"].approval == "Approved"
    assert found.versions()["ranker:1"].tags == {"depends_on": "encoder:1"}
    assert found.versions()["ranker:1"].artifact_uri == "s3://m/1"
    for record in found.records.values():
        assert adapter.get(record.key).key == record.key


def test_an_approval_is_written_and_seen_by_the_next_scan(boto: Any, adapter: SageMakerAdapter) -> None:
    package(boto, "ranker")
    first = scan(adapter)
    key = first.versions()["ranker:1"].key
    written = adapter.set_stage(key, "approval", "Approved")
    assert isinstance(written, VersionRecord)
    assert written.approval == "Approved"
    assert scan(adapter, first.watermark).versions()
    boto.update_model_package(
        ModelPackageArn=boto.list_model_packages(ModelPackageGroupName="ranker")["ModelPackageSummaryList"][
            0
        ]["ModelPackageArn"],
        ModelApprovalStatus="Rejected",
    )
    again = scan(adapter, scan(adapter).watermark)
    assert [version.approval for version in again.versions().values()] in (["Rejected"], [])
    assert [version.approval for version in scan(adapter).versions().values()] == ["Rejected"]


def test_an_endpoint_serves_the_version_its_model_names(boto: Any, adapter: SageMakerAdapter) -> None:
    arn = package(boto, "ranker")
    aws.deploy(boto, "shop", only=(arn, 1.0))
    found = scan(adapter)
    version = found.versions()["ranker:1"]
    assert [(each.version, each.percent) for each in found.endpoints()["shop"].traffic] == [
        (version.key, 100.0)
    ]


def test_a_models_tags_are_written(boto: Any, adapter: SageMakerAdapter) -> None:
    package(boto, "ranker")
    adapter.set_tags(scan(adapter).models()["ranker"].key, {"team": "ads"})
    arn = boto.describe_model_package_group(ModelPackageGroupName="ranker")["ModelPackageGroupArn"]
    assert boto.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "ads"}]


def test_the_probe_names_moto_and_what_it_lacks(moto: Server, adapter: SageMakerAdapter) -> None:
    found = adapter.probe()
    assert found.identity == "sagemaker:123456789012:eu-west-1"
    assert all("not allowed" not in line for line in found.missing)
