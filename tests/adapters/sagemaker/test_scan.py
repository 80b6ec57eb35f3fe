"""What a scan gives, in full and in part, with Search and without."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from adapters import Dataset, InvalidError, Key, Listing, Parent, TransientError, VersionRecord
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from adapters.sagemaker.memory import NOTHING, ScanMemory
from adapters.sagemaker.scan import Scanner
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import inference, package, scan

Connect = Callable[..., SageMakerAdapter]

CARD = """{
  "model_overview": {"model_owner": "Ada", "model_description": "Ranks offers."},
  "training_details": {"training_job_details": {
    "training_datasets": ["s3://data/clicks/2026-10/"],
    "training_metrics": [{"name": "loss", "value": 0.25}],
    "hyper_parameters": [{"name": "depth", "value": "6"}]}},
  "evaluation_details": [{"name": "holdout", "metric_groups": [{"name": "binary", "metric_data": [
    {"name": "auc", "type": "number", "value": 0.91},
    {"name": "confusion", "type": "matrix", "value": [[1, 2], [3, 4]]}]}]}]
}"""


@pytest.fixture(params=["search", "describe"])
def by(request: pytest.FixtureRequest, emulator: Emulator) -> str:
    """Both ways of reading packages: with permission for Search, and without."""
    if request.param == "describe":
        emulator.faults.deny.add("Search")
    return str(request.param)


def test_a_package_loses_nothing_on_its_way(boto: Any, connect: Connect, by: str) -> None:
    package(boto, "ranker")
    arn = package(
        boto,
        "ranker",
        ModelPackageDescription="Second try",
        ModelApprovalStatus="Approved",
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
        CustomerMetadataProperties={"depends_on": "encoder:1 clicks@champion"},
        MetadataProperties={
            "CommitId": "0a1b2c",
            "Repository": "git@example.com:ads",
            "GeneratedBy": "job-7",
        },
        ModelCard={"ModelCardContent": CARD, "ModelCardStatus": "Draft"},
        SourceUri="arn:aws:sagemaker:eu-west-1:123456789012:model-package/ranker/1",
        InferenceSpecification=inference(
            "s3://models/ranker/2",
            ModelDataETag='"abc"',
            Framework="XGBOOST",
            FrameworkVersion="1.7",
            ModelInput={"DataInputConfig": '{"offer": [1, 32], "user": [null, 16]}'},
            BaseModel={"HubContentName": "tabular-base", "HubContentVersion": "2.0.1"},
        ),
    )
    found = scan(connect()).versions()["ranker:2"]
    assert (found.approval, found.lifecycle, found.stage) == ("Approved", "Production/Approved", None)
    assert found.tags == {"depends_on": "encoder:1 clicks@champion"}
    assert found.metrics == {"loss": 0.25, "auc": 0.91}
    assert found.params == {"depth": "6"}
    assert (found.description, found.owner, found.framework) == ("Second try", "Ada", "xgboost")
    assert found.creator == "arn:aws:iam::123456789012:user/AKIDTEAM"
    assert (found.artifact_uri, found.artifact_digest) == ("s3://models/ranker/2", "etag:abc")
    assert found.schema is not None
    assert [(column.name, column.shape) for column in found.schema.inputs] == [
        ("offer", (1, 32)),
        ("user", (-1, 16)),
    ]
    assert (found.lineage.commit, found.lineage.repository) == ("0a1b2c", "git@example.com:ads")
    assert found.lineage.run_id == "job-7"
    address = "s3://data/clicks/2026-10/"
    assert found.lineage.datasets == (Dataset("2026-10", uri=address, role="training"),)
    assert found.lineage.parents == (
        Parent("arn:aws:sagemaker:eu-west-1:123456789012:model-package/ranker/1", "copy"),
        Parent("hub%2Ftabular-base:2.0.1", "base"),
    )
    assert found.native["ModelPackageArn"] == arn
    assert found.native["InferenceSpecification"]["Containers"][0]["Image"].endswith("/serve:1")


def test_a_group_is_a_model_and_its_aws_tags_are_the_models(boto: Any, connect: Connect, by: str) -> None:
    boto.create_model_package_group(
        ModelPackageGroupName="ranker",
        ModelPackageGroupDescription="Ranks",
        Tags=[{"Key": "team", "Value": "ads"}],
    )
    model = scan(connect()).models()["ranker"]
    assert (model.description, model.tags, model.type) == ("Ranks", {"team": "ads"}, "model")


def test_an_unversioned_package_is_a_model_with_version_0(boto: Any, connect: Connect, by: str) -> None:
    arn = boto.create_model_package(ModelPackageName="solo", InferenceSpecification=inference("s3://m/solo"))
    boto.add_tags(ResourceArn=arn["ModelPackageArn"], Tags=[{"Key": "team", "Value": "ads"}])
    found = scan(connect())
    assert found.models()["solo"].tags == {"team": "ads"}
    assert found.versions()["solo:0"].artifact_uri == "s3://m/solo"


def test_the_containers_of_a_package_are_the_packages_that_hold_them(
    boto: Any, connect: Connect, by: str
) -> None:
    chain = inference("s3://m/encoder", "s3://m/ranker", "s3://m/unknown")
    package(boto, "chain", InferenceSpecification=chain)
    package(boto, "encoder", "s3://m/encoder")
    package(boto, "ranker", "s3://m/ranker")
    assert scan(connect(), limit=1).versions()["chain:1"].lineage.dependencies == ("encoder:1", "ranker:1")


def test_a_container_that_is_registered_later_is_found_by_an_incremental_scan(
    boto: Any, connect: Connect, by: str
) -> None:
    package(boto, "chain", InferenceSpecification=inference("s3://m/encoder", "s3://m/ranker"))
    adapter = connect()
    first = scan(adapter)
    assert first.versions()["chain:1"].lineage.dependencies == ()
    package(boto, "encoder", "s3://m/encoder")
    second = scan(adapter, first.watermark)
    assert second.versions()["chain:1"].lineage.dependencies == ("encoder:1",)
    assert scan(adapter, second.watermark).deleted == set()


def test_get_finds_the_containers_without_having_scanned(boto: Any, connect: Connect, by: str) -> None:
    package(boto, "chain", InferenceSpecification=inference("s3://m/encoder", "s3://m/ranker"))
    package(boto, "encoder", "s3://m/encoder")
    record = scan(connect()).versions()["chain:1"]
    assert connect().get(record.key) == record


def test_endpoints_share_their_traffic_by_weight(boto: Any, connect: Connect, by: str) -> None:
    first, second = package(boto, "ranker", "s3://m/1"), package(boto, "ranker", "s3://m/2")
    aws.deploy(boto, "shop", blue=(first, 3.0), green=("s3://m/2", 1.0))
    aws.deploy(boto, "idle", only=(second, 0.0))
    adapter = connect()
    found = scan(adapter)
    names = {record.key: name for name, record in found.versions().items()}

    def shares(scanned: aws.Scanned, endpoint: str) -> dict[str, float]:
        return {names[each.version]: each.percent for each in scanned.endpoints()[endpoint].traffic}

    assert shares(found, "shop") == {"ranker:1": 75.0, "ranker:2": 25.0}
    assert shares(found, "idle") == {"ranker:2": 100.0}
    boto.update_endpoint_weights_and_capacities(
        EndpointName="shop",
        DesiredWeightsAndCapacities=[{"VariantName": "blue", "DesiredWeight": 0.0}],
    )
    boto.delete_endpoint(EndpointName="idle")
    later = scan(adapter, found.watermark)
    assert shares(later, "shop") == {"ranker:1": 0.0, "ranker:2": 100.0}
    assert Listing("endpoint") in later.listed
    assert "idle" not in later.endpoints()


def test_an_unchanged_endpoint_is_described_once(boto: Any, emulator: Emulator, connect: Connect) -> None:
    aws.deploy(boto, "shop", blue=(package(boto, "ranker"), 1.0))
    adapter = connect()
    mark = scan(adapter).watermark
    described = emulator.faults.calls["DescribeEndpoint"]
    again = scan(adapter, mark)
    assert emulator.faults.calls["DescribeEndpoint"] == described
    assert again.endpoints()["shop"].traffic


def test_lineage_ends_at_the_packages_a_package_was_made_from(boto: Any, connect: Connect, by: str) -> None:
    arns = [package(boto, name) for name in ("base", "tuned", "distilled")]

    def artifact(uri: str, kind: str) -> str:
        return str(boto.create_artifact(Source={"SourceUri": uri}, ArtifactType=kind)["ArtifactArn"])

    base, tuned, distilled = (artifact(arn, "Model") for arn in arns)
    old, new = artifact("s3://data/old", "DataSet"), artifact("s3://data/new", "DataSet")
    for source, made in ((old, base), (base, tuned), (new, tuned), (tuned, distilled)):
        boto.add_association(SourceArn=source, DestinationArn=made, AssociationType="ContributedTo")
    found = scan(connect()).versions()
    assert found["tuned:1"].lineage.parents == (Parent(arns[0]),)
    assert found["tuned:1"].lineage.datasets == (Dataset("new", uri="s3://data/new"),)
    assert found["distilled:1"].lineage.parents == (Parent(arns[1]),)
    assert found["distilled:1"].lineage.datasets == ()
    assert connect().get(found["tuned:1"].key) == found["tuned:1"]


def test_lineage_that_may_not_be_read_costs_the_lineage_only(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    package(boto, "ranker")
    emulator.faults.deny = {"ListArtifacts"}
    adapter = connect()
    assert list(scan(adapter).versions()) == ["ranker:1"]
    assert any("ListArtifacts" in line for line in adapter.probe().missing)


def test_pages_of_1_give_what_one_page_gives(boto: Any, connect: Connect, by: str) -> None:
    for name in ("a", "b"):
        package(boto, name)
    boto.create_model_package(ModelPackageName="solo", InferenceSpecification=inference("s3://m/solo"))
    package(boto, "chain", InferenceSpecification=inference("s3://m/solo", "s3://m/x"))
    assert scan(connect(), limit=1).items == scan(connect()).items


def test_a_scan_that_was_cut_off_begins_again(boto: Any, connect: Connect, by: str) -> None:
    package(boto, "chain", InferenceSpecification=inference("s3://m/a", "s3://m/x"))
    package(boto, "a", "s3://m/a")
    adapter = connect()
    pages = adapter.scan(since=None, limit=1)
    assert next(pages).mark is None
    pages.close()  # type: ignore[attr-defined]
    assert scan(adapter).records == scan(connect()).records


def test_what_goes_while_a_scan_lists_everything_after_all_is_gone_in_the_next(
    boto: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    old = package(boto, "a")
    adapter = connect()
    mark = scan(adapter).watermark
    boto.delete_model_package(ModelPackageName=old)
    new, begin = package(boto, "b"), Scanner._begin

    def meanwhile(self: Scanner, memory: ScanMemory, *given: Any) -> Any:
        if memory is NOTHING:
            boto.delete_model_package(ModelPackageName=new)
        return begin(self, memory, *given)

    with monkeypatch.context() as patched:
        patched.setattr("adapters.sagemaker.scan._MOST_GONE", 0)
        patched.setattr(Scanner, "_begin", meanwhile)
        again = scan(adapter, mark)
    assert Listing("version") in again.listed
    following = scan(adapter, again.watermark)
    assert following.deleted == {again.versions()["b:1"].key}
    assert scan(adapter, following.watermark).deleted == set()


def test_a_quiet_incremental_scan_describes_nothing(
    boto: Any, emulator: Emulator, connect: Connect, by: str
) -> None:
    for _ in range(3):
        package(boto, "ranker")
    emulator.account.now = lambda: time.time() + 10  # what follows is not within the same second
    adapter = connect()
    mark = scan(adapter).watermark
    described = emulator.faults.calls["DescribeModelPackage"]
    found = scan(adapter, mark)
    assert found.versions() == {}
    assert emulator.faults.calls["DescribeModelPackage"] == described
    assert found.listed == (Listing("endpoint"),)


def test_an_incremental_scan_sees_what_the_listing_shows_before_search_does(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    approved, lagging = package(boto, "ranker"), package(boto, "ranker")
    emulator.account.now = lambda: time.time() + 10
    adapter = connect()
    mark = scan(adapter).watermark
    boto.update_model_package(ModelPackageArn=approved, ModelApprovalStatus="Approved")
    row = emulator.account.packages[approved]
    emulator.account.packages[approved] = {**row, "LastModifiedTime": row["CreationTime"]}
    assert lagging in emulator.account.packages
    found = scan(adapter, mark).versions()
    assert [(version.version, version.approval) for version in found.values()] == [("1", "Approved")]


def test_deletes_are_proved_one_by_one(boto: Any, emulator: Emulator, connect: Connect, by: str) -> None:
    kept, gone = package(boto, "ranker"), package(boto, "ranker")
    package(boto, "old")
    adapter = connect()
    first = scan(adapter)
    boto.delete_model_package(ModelPackageName=gone)
    boto.delete_model_package(ModelPackageName="arn:aws:sagemaker:eu-west-1:123456789012:model-package/old/1")
    boto.delete_model_package_group(ModelPackageGroupName="old")
    second = scan(adapter, first.watermark)
    versions = first.versions()
    assert second.deleted == {versions["ranker:2"].key, versions["old:1"].key, first.models()["old"].key}
    assert kept in emulator.account.packages
    assert scan(adapter, second.watermark).deleted == set()


def test_what_the_listing_lacks_but_describe_knows_is_not_deleted(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    package(boto, "ranker")
    adapter = connect()
    mark = scan(adapter).watermark
    emulator.faults.hidden.add("ListModelPackages")
    assert scan(adapter, mark).deleted == set()


def test_when_very_many_are_missing_the_caller_decides_what_to_believe(
    boto: Any, emulator: Emulator, connect: Connect, by: str
) -> None:
    package(boto, "kept")
    for _ in range(60):
        package(boto, "ranker")
    adapter = connect()
    mark = scan(adapter).watermark
    account = emulator.account
    account.packages = {arn: row for arn, row in account.packages.items() if "/kept/" in arn}
    found = scan(adapter, mark)
    assert found.deleted == set()
    assert Listing("version") in found.listed
    assert list(found.versions()) == ["kept:1"]


def test_a_version_made_again_under_its_name_is_another_one(boto: Any, connect: Connect, by: str) -> None:
    arn = package(boto, "ranker")
    adapter = connect()
    first = scan(adapter)
    boto.delete_model_package(ModelPackageName=arn)
    boto.delete_model_package_group(ModelPackageGroupName="ranker")
    package(boto, "ranker")
    second = scan(adapter, first.watermark)
    assert second.deleted == {first.versions()["ranker:1"].key, first.models()["ranker"].key}
    assert second.versions()["ranker:1"].key not in first.records


def test_a_watermark_of_another_process_reads_everything_and_says_so(
    boto: Any, connect: Connect, by: str
) -> None:
    package(boto, "ranker")
    mark = scan(connect()).watermark
    found = scan(connect(), mark)
    assert set(found.listed) == {Listing("model"), Listing("version"), Listing("endpoint")}
    assert list(found.versions()) == ["ranker:1"]


@pytest.mark.parametrize("action", ["Search", "ListModelPackages", "ListEndpoints", "ListArtifacts"])
def test_a_listing_without_end_is_ended(boto: Any, emulator: Emulator, connect: Connect, action: str) -> None:
    package(boto, "ranker")
    adapter = connect()
    mark = scan(adapter).watermark
    emulator.faults.endless = {action}
    if action == "ListArtifacts":
        assert list(scan(adapter).versions()) == ["ranker:1"]
        return
    with pytest.raises(TransientError, match="does not end"):
        scan(adapter, mark)
    assert emulator.faults.calls[action] < 30


OVERFULL = ["Search", "ListModelPackages", "ListEndpoints", "ListArtifacts", "ListInferenceComponents"]


@pytest.mark.parametrize("action", OVERFULL)
def test_a_page_with_more_records_than_were_asked_for_is_refused(
    boto: Any, emulator: Emulator, connect: Connect, action: str
) -> None:
    for number in range(3):
        package(boto, f"ranker-{number}")
    for number in range(3):
        arn = package(boto, f"served-{number}")
        aws.deploy(boto, f"endpoint-{number}", all=(arn, 1.0))
        boto.create_artifact(Source={"SourceUri": f"s3://data/{number}"}, ArtifactType="DataSet")
        boto.create_inference_component(
            InferenceComponentName=f"part-{number}",
            EndpointName="endpoint-0",
            VariantName="all",
            Specification={"ModelName": "endpoint-0-all"},
            RuntimeConfig={"CopyCount": 1},
        )
    adapter = connect()
    mark = scan(adapter).watermark
    emulator.faults.overfull = {action}
    with pytest.raises(InvalidError, match=rf"{action}.* records, more than the \d+ that were asked for"):
        scan(adapter, mark if action == "ListModelPackages" else None)


def test_without_search_the_probe_says_what_that_costs(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    adapter = connect()
    assert adapter.probe().missing == ()
    emulator.faults.deny = {"Search"}
    assert [line.partition(":")[2].partition(":")[0] for line in adapter.probe().missing] == [
        "Search is not allowed"
    ]


def test_reading_one_by_one_and_by_search_gives_the_same(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    package(boto, "ranker", CustomerMetadataProperties={"a": "b"}, ModelApprovalStatus="Rejected")
    boto.create_model_package(ModelPackageName="solo", InferenceSpecification=inference("s3://m/solo"))
    searched = scan(connect()).records
    emulator.faults.deny = {"Search"}
    assert scan(connect()).records == searched


def test_an_aws_tag_of_a_version_is_in_its_native_payload(boto: Any, connect: Connect) -> None:
    boto.add_tags(ResourceArn=package(boto, "ranker"), Tags=[{"Key": "cost", "Value": "7"}])
    adapter = connect()
    record = scan(adapter).versions()["ranker:1"]
    assert (record.tags, record.native["Tags"]) == ({}, [{"Key": "cost", "Value": "7"}])
    assert adapter.get(record.key) == record


def test_a_key_of_one_kind_is_no_key_of_another(boto: Any, connect: Connect) -> None:
    package(boto, "ranker")
    adapter = connect()
    version = scan(adapter).versions()["ranker:1"]
    assert isinstance(adapter.get(version.key), VersionRecord)
    with pytest.raises(Exception, match="does not exist"):
        adapter.get(Key("model", version.key.native_id))
