"""Writes, their refusals, and what happens when an answer is lost."""

from collections.abc import Callable
from subprocess import CalledProcessError
from typing import Any

import pytest

from adapters import (
    ConflictError,
    InvalidError,
    ModelRecord,
    NotFoundError,
    Registration,
    TransientError,
    UnsupportedError,
    VersionRecord,
)
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter, SageMakerConfig
from tests.adapters.pasting import arguments
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import inference, package, scan

Connect = Callable[..., SageMakerAdapter]


@pytest.fixture
def version(boto: Any, connect: Connect) -> VersionRecord:
    package(boto, "ranker", CustomerMetadataProperties={"team": "ads"})
    return scan(connect()).versions()["ranker:1"]


def test_an_approval_is_written(boto: Any, connect: Connect, version: VersionRecord) -> None:
    written = connect().set_stage(version.key, "approval", "Approved", etag=version.etag)
    assert isinstance(written, VersionRecord)
    assert (written.approval, written.tags) == ("Approved", {"team": "ads"})
    assert written.etag != version.etag
    arn = version.native["ModelPackageArn"]
    assert boto.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "Approved"


def test_a_lifecycle_stage_is_written(connect: Connect, version: VersionRecord) -> None:
    written = connect().set_stage(version.key, "lifecycle", "Production/Approved")
    assert isinstance(written, VersionRecord)
    assert (written.lifecycle, written.approval) == ("Production/Approved", "PendingManualApproval")


def test_writing_what_is_there_asks_for_no_change(
    emulator: Emulator, connect: Connect, version: VersionRecord
) -> None:
    adapter = connect()
    adapter.set_stage(version.key, "approval", "PendingManualApproval", etag="of long ago")
    adapter.set_tags(version.key, {"team": "ads", "absent": None}, etag="of long ago")
    assert emulator.faults.calls["UpdateModelPackage"] == 0


def test_metadata_is_set_and_removed_and_the_rest_stays(connect: Connect, version: VersionRecord) -> None:
    adapter = connect()
    written = adapter.set_tags(version.key, {"owner": "Ada L.", "depends_on": "encoder:1 base@champion"})
    assert isinstance(written, VersionRecord)
    assert written.tags == {"team": "ads", "owner": "Ada L.", "depends_on": "encoder:1 base@champion"}
    removed = adapter.set_tags(version.key, {"team": None, "owner": None}, etag=written.etag)
    assert isinstance(removed, VersionRecord)
    assert removed.tags == {"depends_on": "encoder:1 base@champion"}


def test_a_models_tags_are_aws_tags(boto: Any, connect: Connect, version: VersionRecord) -> None:
    adapter = connect()
    model = adapter.set_tags(version.model, {"cost-centre": "7", "team": "ads"})
    assert isinstance(model, ModelRecord)
    assert model.tags == {"cost-centre": "7", "team": "ads"}
    model = adapter.set_tags(version.model, {"team": None}, etag=model.etag)
    assert isinstance(model, ModelRecord)
    arn = model.native["ModelPackageGroupArn"]
    assert boto.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "cost-centre", "Value": "7"}]


def test_a_models_tag_may_be_empty(boto: Any, connect: Connect, version: VersionRecord) -> None:
    adapter = connect()
    model = adapter.set_tags(version.model, {"cost-centre": ""})
    assert isinstance(model, ModelRecord)
    assert model.tags == {"cost-centre": ""}
    arn = model.native["ModelPackageGroupArn"]
    assert boto.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "cost-centre", "Value": ""}]
    with pytest.raises(InvalidError, match="tag name"):
        adapter.set_tags(version.model, {"": "7"})


@pytest.mark.parametrize("value", ["a,b", "a|b", "x\ny", "", "🦉", "x" * 257])
def test_metadata_that_sagemaker_does_not_store_is_refused_before_it_is_sent(
    emulator: Emulator, connect: Connect, version: VersionRecord, value: str
) -> None:
    with pytest.raises(InvalidError, match=r"letters, digits, spaces and _\.:/=\+-@"):
        connect().set_tags(version.key, {"depends_on": value})
    assert emulator.faults.calls["UpdateModelPackage"] == 0


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("approval", "Maybe", "use one of Approved, Rejected, PendingManualApproval"),
        ("lifecycle", "Production", "Stage/Status"),
        ("lifecycle", "Pro duction/Approved", "Stage/Status"),
    ],
)
def test_a_stage_sagemaker_does_not_know_is_refused_by_name(
    connect: Connect, version: VersionRecord, field: Any, value: str, says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        connect().set_stage(version.key, field, value)


def test_a_field_sagemaker_has_not_is_unsupported(connect: Connect, version: VersionRecord) -> None:
    with pytest.raises(UnsupportedError, match="write the approval or the lifecycle"):
        connect().set_stage(version.key, "stage", "Production")


def test_a_version_that_changed_meanwhile_is_not_overwritten(
    boto: Any, connect: Connect, version: VersionRecord
) -> None:
    adapter = connect()
    arn = version.native["ModelPackageArn"]
    boto.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"by": "someone-else"})
    for write in (
        lambda: adapter.set_stage(version.key, "approval", "Approved", etag=version.etag),
        lambda: adapter.set_tags(version.key, {"team": None}, etag=version.etag),
        lambda: adapter.delete(version.key, etag=version.etag),
    ):
        with pytest.raises(ConflictError, match="read it again"):
            write()
    assert boto.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_registering_makes_the_model_and_the_version(boto: Any, connect: Connect) -> None:
    wanted = Registration(
        model="encoder",
        source="s3://m/encoder",
        run_id="job-7",
        description="First",
        tags={"team": "ads"},
        token="t",
    )
    made = connect().register(wanted)
    assert (made.version, made.artifact_uri, made.description) == ("1", "s3://m/encoder", "First")
    assert (made.tags, made.lineage.run_id) == ({"team": "ads"}, "job-7")
    assert scan(connect()).versions()["encoder:1"] == made


def test_the_same_token_registers_once_even_when_the_answer_was_lost(
    emulator: Emulator, connect: Connect
) -> None:
    wanted = Registration(model="encoder", source="s3://m/encoder", token="operation/42 of Ada")
    emulator.faults.lose["CreateModelPackage"] = 1
    with pytest.raises(TransientError):
        connect().register(wanted)
    assert len(emulator.account.packages) == 1
    assert connect().register(wanted).version == "1"
    assert len(emulator.account.packages) == 1


@pytest.mark.parametrize("name", ["with space", "under_score", "-first", "x" * 64, "a/b"])
def test_a_name_sagemaker_does_not_take_is_refused_by_name(connect: Connect, name: str) -> None:
    with pytest.raises(InvalidError, match="cannot be a SageMaker name"):
        connect().register(Registration(model=name, source="s3://m/x"))


def test_a_version_is_deleted_and_deleting_it_again_is_fine(connect: Connect, version: VersionRecord) -> None:
    adapter = connect()
    adapter.delete(version.key, etag=version.etag)
    adapter.delete(version.key, etag=version.etag)
    with pytest.raises(NotFoundError):
        adapter.get(version.key)


def test_a_delete_whose_answer_is_lost_succeeds_the_second_time(
    emulator: Emulator, connect: Connect, version: VersionRecord
) -> None:
    emulator.faults.lose["DeleteModelPackage"] = 1
    adapter = connect(attempts=3)
    adapter.delete(version.key)
    assert emulator.account.packages == {}
    assert emulator.faults.calls["DeleteModelPackage"] == 2


def test_a_model_is_deleted_with_its_versions(boto: Any, connect: Connect, version: VersionRecord) -> None:
    package(boto, "ranker")
    kept = package(boto, "other")
    connect().delete(version.model)
    assert list(scan(connect()).models()) == ["other"]
    assert boto.describe_model_package(ModelPackageName=kept)["ModelPackageVersion"] == 1


def test_an_unversioned_package_is_deleted_by_either_key(boto: Any, connect: Connect) -> None:
    adapter = connect()
    for kind in ("solo", "duo"):
        boto.create_model_package(ModelPackageName=kind, InferenceSpecification=inference(f"s3://m/{kind}"))
    found = scan(adapter)
    adapter.delete(found.models()["solo"].key)
    adapter.delete(found.versions()["duo:0"].key)
    assert scan(adapter).records == {}


def test_the_key_of_an_earlier_incarnation_changes_nothing(
    boto: Any, connect: Connect, version: VersionRecord
) -> None:
    adapter = connect()
    adapter.delete(version.model)
    arn = package(boto, "ranker")
    adapter.delete(version.key)
    adapter.delete(version.model)
    with pytest.raises(NotFoundError, match="created again"):
        adapter.set_stage(version.key, "approval", "Approved")
    assert boto.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_endpoints_are_not_written(boto: Any, connect: Connect, version: VersionRecord) -> None:
    aws.deploy(boto, "shop", only=(version.native["ModelPackageArn"], 1.0))
    adapter = connect()
    key = scan(adapter).endpoints()["shop"].key
    with pytest.raises(UnsupportedError, match="in AWS"):
        adapter.delete(key)
    with pytest.raises(UnsupportedError, match="in AWS"):
        adapter.set_tags(key, {"a": "b"})


def test_snippets_run_as_they_are_pasted(
    emulator: Emulator, connect: Connect, version: VersionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe, deploy = connect().snippets("ranker", version)
    arn = version.native["ModelPackageArn"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-use")
    pasted: dict[str, Any] = {}
    exec(describe.code, pasted)
    assert pasted["package"]["ModelPackageArn"] == arn
    pasted["sagemaker"].close()
    with pytest.raises(CalledProcessError) as refused:
        arguments("aws", deploy.code)
    assert "SAGEMAKER_ROLE_ARN: set it to the role" in refused.value.stderr
    monkeypatch.setenv("SAGEMAKER_ROLE_ARN", "arn:aws:iam::123456789012:role/serve")
    shown = ["sagemaker", "create-model", "--region", "eu-west-1", "--endpoint-url", emulator.url]
    shown += ["--model-name", "ranker-1", "--execution-role-arn", "arn:aws:iam::123456789012:role/serve"]
    assert arguments("aws", deploy.code) == [*shown, "--primary-container", f"ModelPackageName={arn}"]


def test_snippets_name_no_endpoint_where_aws_own_is_meant(version: VersionRecord) -> None:
    codes = SageMakerAdapter(SageMakerConfig(region="eu-west-1")).snippets("ranker", version)
    assert not [one.code for one in codes if "endpoint" in one.code]
