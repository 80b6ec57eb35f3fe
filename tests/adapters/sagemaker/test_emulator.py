"""The emulator, asked by boto3: what it checks, what it refuses, what can be made to go wrong."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from adapters.emulators.sagemaker import Emulator
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import inference, package
from tests.patience import PATIENCE, listens, until


def refused(call: Callable[[], Any]) -> str:
    """`Code: message` of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_requests_are_held_to_patterns_enums_and_lengths(boto: Any) -> None:
    arn = package(boto, "ranker")
    for wrong in (
        {"CustomerMetadataProperties": {"depends_on": "a:1,b:2"}},
        {"CustomerMetadataProperties": {"x" * 129: "long"}},
        {"CustomerMetadataProperties": {str(number): "x" for number in range(51)}},
        {"ModelApprovalStatus": "Maybe"},
        {"ApprovalDescription": "x" * 1025},
        {"ModelLifeCycle": {"Stage": "has space", "StageStatus": "x"}},
    ):
        change: Any = wrong
        says = refused(partial(boto.update_model_package, ModelPackageArn=arn, **change))
        assert says.startswith("ValidationException"), wrong
    kept = {"depends_on": "ümläut 名前:1 a_b.c/d=e+f-g@h"}
    boto.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties=kept)
    assert boto.describe_model_package(ModelPackageName=arn)["CustomerMetadataProperties"] == kept


def test_a_listing_without_a_type_gives_unversioned_packages_only(boto: Any) -> None:
    package(boto, "ranker")
    boto.create_model_package(ModelPackageName="solo", InferenceSpecification=inference("s3://m/solo"))

    def names(**filters: Any) -> list[str]:
        rows = boto.list_model_packages(**filters)["ModelPackageSummaryList"]
        return [row["ModelPackageArn"].rpartition(":model-package/")[2] for row in rows]

    assert names() == ["solo"]
    assert names(ModelPackageType="Versioned") == ["ranker/1"]
    assert names(ModelPackageType="Both") == ["ranker/1", "solo"]
    assert names(ModelPackageGroupName="ranker") == ["ranker/1"]
    assert names(ModelPackageType="Both", ModelApprovalStatus="Approved") == []


def test_pages_lose_nothing_to_a_delete_between_them(boto: Any) -> None:
    arns = [package(boto, "ranker") for _ in range(5)]
    first = boto.list_model_packages(ModelPackageGroupName="ranker", MaxResults=2)
    boto.delete_model_package(ModelPackageName=arns[0])
    rest = boto.list_model_packages(ModelPackageGroupName="ranker", NextToken=first["NextToken"])
    assert [row["ModelPackageVersion"] for row in rest["ModelPackageSummaryList"]] == [3, 4, 5]


def test_what_moto_drops_is_kept(boto: Any) -> None:
    more = {
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "Ready"},
        "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"},
        "SourceUri": "s3://source",
    }
    arn = package(boto, "ranker", **more)  # type: ignore[arg-type]
    boto.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    found = boto.describe_model_package(ModelPackageName=arn)
    assert {name: found[name] for name in more} == more


def test_metadata_is_merged_and_removed_by_name(boto: Any) -> None:
    arn = package(boto, "ranker", CustomerMetadataProperties={"a": "1", "b": "2"})
    boto.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    found = boto.describe_model_package(ModelPackageName=arn)
    assert found["CustomerMetadataProperties"] == {"b": "2", "c": "3"}


def test_a_group_with_packages_cannot_be_deleted(boto: Any) -> None:
    arn = package(boto, "ranker")
    assert refused(lambda: boto.delete_model_package_group(ModelPackageGroupName="ranker")).startswith(
        "ConflictException"
    )
    boto.delete_model_package(ModelPackageName=arn)
    boto.delete_model_package_group(ModelPackageGroupName="ranker")
    assert "does not exist" in refused(lambda: boto.describe_model_package(ModelPackageName=arn))


def test_search_filters_sorts_and_pages(boto: Any) -> None:
    arns = [package(boto, "ranker") for _ in range(3)]
    since = boto.describe_model_package(ModelPackageName=arns[2])["CreationTime"].astimezone()
    boto.update_model_package(ModelPackageArn=arns[0], ModelApprovalStatus="Approved")

    def found(*filters: tuple[str, str, str], **more: Any) -> list[int]:
        rows = [{"Name": name, "Operator": operator, "Value": value} for name, operator, value in filters]
        expression = {"SearchExpression": {"Filters": rows}} if rows else {}
        answer = boto.search(Resource="ModelPackage", **expression, **more)
        return [row["ModelPackage"]["ModelPackageVersion"] for row in answer["Results"]]

    assert found() == [1, 3, 2], "newest change first"
    assert found(SortBy="CreationTime", SortOrder="Ascending") == [1, 2, 3]
    assert found(("ModelApprovalStatus", "Equals", "Approved")) == [1]
    assert found(("LastModifiedTime", "GreaterThan", since.isoformat())) == [1]
    assert found(("ModelPackageVersion", "LessThanOrEqualTo", "2"), SortOrder="Ascending") == [2, 1]
    assert refused(lambda: found(("CreationTime", "LessThan", "yesterday"))).startswith("ValidationException")
    page = boto.search(Resource="ModelPackage", MaxResults=2)
    assert len(boto.search(Resource="ModelPackage", NextToken=page["NextToken"])["Results"]) == 1


def test_batch_describe_names_what_is_unknown(boto: Any) -> None:
    arn = package(boto, "ranker")
    found = boto.batch_describe_model_package(ModelPackageArnList=[arn, arn + "0"])
    assert list(found["ModelPackageSummaries"]) == [arn]
    assert list(found["BatchDescribeModelPackageErrorMap"]) == [arn + "0"]


def test_lineage_goes_ten_steps_and_fifty_vertices(boto: Any) -> None:
    def artifact(number: int) -> str:
        made = boto.create_artifact(Source={"SourceUri": f"s3://{number}"}, ArtifactType="DataSet")
        return str(made["ArtifactArn"])

    chain = [artifact(number) for number in range(13)]
    for source, made in pairwise(chain):
        boto.add_association(SourceArn=source, DestinationArn=made)
    for number in range(60):
        boto.add_association(SourceArn=artifact(100 + number), DestinationArn=chain[0])
    deep = boto.query_lineage(StartArns=[chain[-1]], Direction="Ascendants")
    assert [vertex["Arn"] for vertex in deep["Vertices"]] == chain[:1:-1]
    wide = boto.query_lineage(StartArns=[chain[0]], Direction="Ascendants")
    assert len(wide["Vertices"]) == 50
    more = boto.query_lineage(StartArns=[chain[0]], Direction="Ascendants", NextToken=wide["NextToken"])
    assert len(more["Vertices"]) == 11


def test_an_answer_that_breaks_the_model_is_noted(boto: Any, emulator: Emulator) -> None:
    arn = package(boto, "ranker")
    emulator.account.packages[arn]["ModelPackageStatus"] = "Fine"
    assert refused(lambda: boto.describe_model_package(ModelPackageName=arn)).startswith("InternalFailure")
    assert "ModelPackageStatus" in emulator.faults.breaches.pop()


def test_an_action_it_has_not_is_named(boto: Any) -> None:
    assert refused(lambda: boto.list_hubs()) == "UnknownOperationException: This emulator has no ListHubs"


def test_faults_can_be_set_over_http(boto: Any, emulator: Emulator) -> None:
    def control(**faults: Any) -> httpx.Response:
        return httpx.post(f"{emulator.url}/control", json=faults, trust_env=False, timeout=PATIENCE)

    assert control(deny=["Search"], throttle={"ListModels": 1}).status_code == 200
    assert refused(lambda: boto.search(Resource="Endpoint")).startswith("AccessDeniedException")
    assert refused(lambda: boto.list_models()).startswith("ThrottlingException")
    assert boto.list_models()["Models"] == []
    assert control(deny=[]).json()["calls"] == {"Search": 1, "ListModels": 2}
    assert control(colour="blue").status_code == 400
    assert boto.search(Resource="Endpoint")["Results"] == []


def test_as_a_process_it_prints_its_address_and_ends_with_its_parent() -> None:
    starter = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'adapters.emulators.sagemaker'], stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode().strip(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        boto = aws.client(url)
        assert package(boto, "ranker").endswith("/ranker/1")
        boto.close()
        parent.kill()
    until(lambda: not listens(int(url.rpartition(":")[2])), "the emulator ends with its parent")
