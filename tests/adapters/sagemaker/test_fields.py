"""What a package says of itself: framework, software, data sets, licence, owner, and whether it can be used."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from adapters import BadRecordError, Column, Dataset, Environment, Image, Schema, VersionRecord
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from adapters.sagemaker.records import schema_of
from tests.adapters.sagemaker.aws import inference, package, scan

Connect = Callable[..., SageMakerAdapter]
ECR = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "ab" * 32


def only(connect: Connect) -> VersionRecord:
    """The one version there is."""
    (record,) = scan(connect()).versions().values()
    return record


@pytest.mark.parametrize(
    ("container", "framework", "libraries"),
    [
        ({"Framework": "PYTORCH"}, "pytorch", {}),
        ({"Framework": "PYTORCH", "FrameworkVersion": "2.1"}, "pytorch", {"pytorch": "2.1"}),
        ({"Framework": "Scikit-Learn", "FrameworkVersion": "1.2-1"}, "sklearn", {"sklearn": "1.2-1"}),
        ({"Image": f"{ECR}/sagemaker-xgboost:1.7-1"}, "xgboost", {"xgboost": "1.7"}),
        ({"Image": f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3"}, "sklearn", {"sklearn": "1.2"}),
        ({"Image": f"{ECR}/tensorflow-inference:2.14.1-gpu"}, "tensorflow", {"tensorflow": "2.14.1"}),
        (
            {"Image": f"{ECR}/huggingface-pytorch-inference:2.1.0-transformers4.37.0-gpu-py310-cu118"},
            "pytorch",
            {"pytorch": "2.1.0", "transformers": "4.37.0"},
        ),
        (
            {
                "Image": f"{ECR}/pytorch-inference:2.0.1-cpu",
                "Framework": "PYTORCH",
                "FrameworkVersion": "2.0",
            },
            "pytorch",
            {"pytorch": "2.0"},
        ),
        ({"Image": f"{ECR}/our-own-serving:2.1"}, None, {}),
        ({"Image": "ghcr.io/team/pytorch-inference:2.1"}, None, {}),
    ],
)
def test_the_framework_is_a_name_and_its_version_a_library(
    boto: Any, connect: Connect, container: dict[str, str], framework: str | None, libraries: dict[str, str]
) -> None:
    package(boto, "m", InferenceSpecification=inference("s3://m/1", **container))
    record = only(connect)
    assert (record.framework, record.environment.libraries) == (framework, libraries)


def test_a_tag_names_the_framework_where_sagemaker_does_not(boto: Any, connect: Connect) -> None:
    package(boto, "m", CustomerMetadataProperties={"framework": "LightGBM"})
    assert only(connect).framework == "lightgbm"


def test_the_images_of_all_containers_are_the_environment(boto: Any, connect: Connect) -> None:
    held = inference("s3://m/1", "s3://m/2", "s3://m/3")
    held["Containers"][0] |= {
        "Image": f"{ECR}/pytorch-inference:2.1.0-cpu-py310",
        "ImageDigest": DIGEST.upper(),
    }
    held["Containers"][1]["Image"] = f"{ECR}/post@{DIGEST}"
    held["Containers"][2]["Image"] = f"{ECR}/post:1"
    package(boto, "m", InferenceSpecification=held)
    assert only(connect).environment == Environment(
        images=(
            Image(f"{ECR}/pytorch-inference:2.1.0-cpu-py310", DIGEST),
            Image(f"{ECR}/post@{DIGEST}", DIGEST),
            Image(f"{ECR}/post:1"),
        ),
        libraries={"pytorch": "2.1.0"},
        python="3.10",
    )


def test_the_values_of_a_containers_environment_are_not_kept(boto: Any, connect: Connect) -> None:
    secret = {"HF_TOKEN": "hf_secret", "SAGEMAKER_PROGRAM": "serve.py"}
    package(boto, "m", InferenceSpecification=inference("s3://m/1", Environment=secret))
    native = only(connect).native
    assert native["InferenceSpecification"]["Containers"][0]["Environment"] == dict.fromkeys(
        secret, "(hidden)"
    )
    assert "hf_secret" not in json.dumps(native)


def test_licence_and_owner_are_what_metadata_or_the_card_say(boto: Any, connect: Connect) -> None:
    card = {
        "model_overview": {"model_owner": "bo"},
        "additional_information": {
            "custom_details": {"license": "apache-2.0"},
            "ethical_considerations": "reviewed",
        },
        "intended_uses": {"purpose_of_model": "payments", "intended_uses": "in euro"},
        "evaluation_details": [{"name": "e", "evaluation_observation": "good"}],
    }
    written = {"ModelCardStatus": "Draft", "ModelCardContent": json.dumps(card)}
    package(boto, "card", ModelCard=written)
    package(boto, "both", ModelCard=written, CustomerMetadataProperties={"license": "mit", "owner": "ana"})
    found = scan(connect()).versions()
    assert (found["card:1"].license, found["card:1"].owner) == ("apache-2.0", "bo")
    assert (found["both:1"].license, found["both:1"].owner) == ("mit", "ana")
    assert connect().card(found["card:1"]) == {
        "intended_use": "payments\nin euro",
        "evaluation": "good",
        "ethics": "reviewed",
    }


def test_licence_and_owner_of_a_group_are_its_tags(boto: Any, connect: Connect) -> None:
    for name, tags in {
        "small": {"owner": "ana", "license": "mit"},
        "large": {"Owner": "bo"},
        "none": {},
    }.items():
        boto.create_model_package_group(
            ModelPackageGroupName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )
    found = scan(connect()).models()
    assert (found["small"].owner, found["small"].license) == ("ana", "mit")
    assert (found["large"].owner, found["large"].license) == ("bo", None)
    assert str(found["none"].owner).endswith(":user/AKIDTEAM")


def test_each_data_set_has_the_role_that_sagemaker_says(boto: Any, connect: Connect) -> None:
    card = {
        "training_details": {
            "training_job_details": {
                "training_arn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/t1",
                "training_datasets": ["s3://d/train"],
            }
        },
        "evaluation_details": [{"name": "holdout", "datasets": ["s3://d/test", "s3://d/train"]}],
    }
    job = {
        "MaxConcurrentTransforms": 1,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://d/check"}}
        },
        "TransformOutput": {"S3OutputPath": "s3://d/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    package(
        boto,
        "m",
        ModelCard={"ModelCardStatus": "Draft", "ModelCardContent": json.dumps(card)},
        ValidationSpecification={
            "ValidationRole": "arn:aws:iam::123456789012:role/validate",
            "ValidationProfiles": [{"ProfileName": "p", "TransformJobDefinition": job}],
        },
    )
    lineage = only(connect).lineage
    assert lineage.datasets == (
        Dataset("train", uri="s3://d/train", role="training"),
        Dataset("test", uri="s3://d/test", role="evaluation"),
        Dataset("train", uri="s3://d/train", role="evaluation"),
        Dataset("check", uri="s3://d/check", role="validation"),
    )
    assert lineage.run_id == "arn:aws:sagemaker:eu-west-1:123456789012:training-job/t1"


@pytest.mark.parametrize(
    ("status", "details", "state"),
    [
        ("Completed", {}, None),
        ("Pending", {}, "Pending"),
        ("InProgress", {}, "InProgress"),
        ("Deleting", {}, "Deleting"),
        ("Failed", {}, "Failed"),
        (
            "Failed",
            {
                "ValidationStatuses": [
                    {"Name": "p", "Status": "Failed", "FailureReason": "ClientError: no such image"}
                ]
            },
            "Failed: ClientError: no such image",
        ),
        (
            "Failed",
            {"ImageScanStatuses": [{"Name": "i", "Status": "Failed", "FailureReason": "CVE found"}]},
            "Failed: CVE found",
        ),
    ],
)
def test_a_package_that_cannot_be_used_says_so(
    emulator: Emulator, boto: Any, connect: Connect, status: str, details: dict[str, Any], state: str | None
) -> None:
    arn = package(boto, "m", ModelApprovalStatus="Approved")
    more = {"ValidationStatuses": [], **details}
    row = {**emulator.account.packages[arn], "ModelPackageStatus": status, "ModelPackageStatusDetails": more}
    emulator.account.packages[arn] = row
    adapter = connect()
    (record,) = scan(adapter).versions().values()
    assert (record.state, record.approval) == (state, "Approved")
    assert adapter.get(record.key) == record


def test_a_package_of_an_algorithm_has_its_model_data(boto: Any, connect: Connect) -> None:
    algorithm = {"AlgorithmName": "tree", "ModelDataUrl": "s3://m/tree.tar.gz"}
    boto.create_model_package_group(ModelPackageGroupName="m")
    boto.create_model_package(
        ModelPackageGroupName="m", SourceAlgorithmSpecification={"SourceAlgorithms": [algorithm]}
    )
    assert only(connect).artifact_uri == "s3://m/tree.tar.gz"


def test_a_card_that_cannot_be_read_is_unknown_for_that_one_version(boto: Any, connect: Connect) -> None:
    written = json.dumps(
        {"training_details": {"training_job_details": {"training_datasets": ["s3://d/train"]}}}
    )
    nested = '{"model_overview": ' + "[" * 65 + "]" * 65 + "}"
    package(boto, "fine", ModelCard={"ModelCardStatus": "Draft", "ModelCardContent": written})
    package(boto, "deep", ModelCard={"ModelCardStatus": "Draft", "ModelCardContent": nested})
    package(boto, "huge", ModelCard={"ModelCardStatus": "Draft", "ModelCardContent": _metric(10**400)})
    listed: dict[str, Any] = {"ModelCard": {"ModelCardStatus": "Draft", "ModelCardContent": "[1]"}}
    package(boto, "list", ModelPackageDescription="said", CustomerMetadataProperties={"owner": "a"}, **listed)
    found = scan(connect())
    assert found.bad == []
    fine, deep, huge = (found.versions()[f"{name}:1"] for name in ("fine", "deep", "huge"))
    assert (fine.unread, huge.unread, huge.metrics) == (None, None, {})
    assert deep.unread is not None
    of_card = {"description", "lineage.datasets", "lineage.run_id", "license", "metrics", "owner", "params"}
    assert set(deep.unread.fields) == of_card
    odd = found.versions()["list:1"].unread
    assert odd is not None
    assert (set(odd.fields), odd.reason) == (
        of_card - {"description", "owner"},
        "the model card is no JSON object",
    )
    assert deep.unread.reason == "the model card is nested more than 64 levels deep: it is not read"


@pytest.mark.parametrize(
    ("config", "columns"),
    [
        ('{"offer": [1, 32]}', (Column("offer", "tensor", shape=(1, 32)),)),
        ("[[1, 3, 224, 224], [null]]", (
            Column("0", "tensor", shape=(1, 3, 224, 224), positional=True),
            Column("1", "tensor", shape=(-1,), positional=True),
        )),
        ("", None),
    ],
)  # fmt: skip
def test_inputs_are_given_by_name_or_by_place(config: str, columns: tuple[Column, ...] | None) -> None:
    assert schema_of(specified(config)) == (None if columns is None else Schema(inputs=columns))


@pytest.mark.parametrize("config", ["7", '"text"', "{", "[" * 70])
def test_inputs_that_cannot_be_read_are_told_as_that(config: str) -> None:
    with pytest.raises(BadRecordError, match="the DataInputConfig"):
        schema_of(specified(config))


def specified(config: str) -> dict[str, Any]:
    """A package whose container takes these inputs."""
    return {"InferenceSpecification": {"Containers": [{"ModelInput": {"DataInputConfig": config}}]}}


def _metric(value: int) -> str:
    metrics = [{"name": "auc", "value": value}]
    return json.dumps({"training_details": {"training_job_details": {"training_metrics": metrics}}})
