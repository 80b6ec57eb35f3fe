"""Which versions an endpoint serves, and what of its requests reaches each."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters import AuthError, EndpointRecord, InvalidError
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import Scanned, inference, package, scan

Connect = Callable[..., SageMakerAdapter]
ROLE = "arn:aws:iam::123456789012:role/serve"


def model(boto: Any, name: str, *containers: dict[str, Any]) -> str:
    """A model object; an `s3://` address or the ARN of a package may stand for a container."""
    one = {"PrimaryContainer": containers[0]} if len(containers) == 1 else {"Containers": list(containers)}
    boto.create_model(ModelName=name, ExecutionRoleArn=ROLE, **one)
    return name


def variant(name: str, model_name: str | None = None, weight: float = 1.0, **more: Any) -> dict[str, Any]:
    """A production variant; without a model it waits for inference components."""
    held = {"ModelName": model_name} if model_name else {}
    if "ServerlessConfig" not in more:
        more = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **more}
    return {"VariantName": name, "InitialVariantWeight": weight, **held, **more}


def endpoint(
    boto: Any, name: str, *variants: dict[str, Any], shadows: tuple[dict[str, Any], ...] = ()
) -> None:
    """An endpoint and its configuration `NAME-1`."""
    config(boto, f"{name}-1", *variants, shadows=shadows)
    boto.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-1")


def config(boto: Any, name: str, *variants: dict[str, Any], shadows: tuple[dict[str, Any], ...] = ()) -> None:
    """An endpoint configuration."""
    more = {"ShadowProductionVariants": list(shadows)} if shadows else {}
    boto.create_endpoint_config(
        EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=list(variants), **more
    )


def shares(found: Scanned, name: str) -> dict[str, float]:
    """The percentages of an endpoint by `group:version`."""
    names = {record.key: reference for reference, record in found.versions().items()}
    return {names[share.version]: share.percent for share in found.endpoints()[name].traffic}


def unknown(found: EndpointRecord) -> str:
    assert found.unread is not None
    assert found.unread.fields == ("traffic",)
    return found.unread.reason


def test_inference_components_serve_what_their_models_hold(boto: Any, connect: Connect) -> None:
    named = package(boto, "llm", "s3://b/llm")
    package(boto, "by-uri", "s3://b/by-uri")
    package(boto, "by-container", "s3://b/container")
    package(boto, "adapter", "s3://b/lora.tar.gz")
    package(boto, "pools", "s3://b/pools")
    endpoint(boto, "shared", variant("all"))
    model(boto, "m-llm", {"ModelPackageName": named})
    model(boto, "m-uri", {"Image": "serve:1", "ModelDataUrl": "s3://b/by-uri"})
    model(boto, "m-pools", {"Image": "serve:1", "ModelDataUrl": "s3://b/pools"})
    for name, specification in {
        "base": {"ModelName": "m-llm"},
        "uri": {"ModelName": "m-uri"},
        "container": {"Container": {"Image": "serve:1", "ArtifactUrl": "s3://b/container"}},
        "lora": {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": "s3://b/lora.tar.gz"}},
    }.items():
        where = {} if name == "lora" else {"VariantName": "all", "RuntimeConfig": {"CopyCount": 1}}
        boto.create_inference_component(
            InferenceComponentName=name, EndpointName="shared", Specification=specification, **where
        )
    boto.create_inference_component(
        InferenceComponentName="pools",
        EndpointName="shared",
        VariantName="all",
        Specifications=[
            {"InstanceType": "ml.m5.large", "ModelName": "m-pools"},
            {"InstanceType": "ml.m5.xlarge", "ModelName": "m-pools"},
        ],
        RuntimeConfig={"CopyCount": 1},
    )
    adapter = connect()
    found = scan(adapter)
    wanted = dict.fromkeys(("llm:1", "by-uri:1", "by-container:1", "adapter:1", "pools:1"), 100.0)
    assert shares(found, "shared") == wanted
    record = found.endpoints()["shared"]
    assert (record.live, record.unread) == (True, None)
    assert {each["InferenceComponentName"] for each in record.native["InferenceComponents"]} >= {
        "base",
        "lora",
    }
    assert adapter.get(record.key) == record


def test_a_component_that_comes_or_goes_is_seen_though_its_endpoint_did_not_change(
    boto: Any, connect: Connect
) -> None:
    model(boto, "m", {"ModelPackageName": package(boto, "llm")})
    endpoint(boto, "shared", variant("all"))
    adapter = connect()
    first = scan(adapter)
    assert shares(first, "shared") == {}
    boto.create_inference_component(
        InferenceComponentName="c",
        EndpointName="shared",
        VariantName="all",
        Specification={"ModelName": "m"},
        RuntimeConfig={"CopyCount": 1},
    )
    second = scan(adapter, first.watermark)
    assert [share.percent for share in second.endpoints()["shared"].traffic] == [100.0]
    boto.delete_inference_component(InferenceComponentName="c")
    assert scan(adapter, second.watermark).endpoints()["shared"].traffic == ()


@pytest.mark.parametrize(
    ("status", "copies", "share"),
    [
        ("InService", 1, 100.0),
        ("InService", 0, 100.0),  # scaled to zero: the next request wakes it
        ("Updating", 1, 100.0),
        ("Failed", 2, 100.0),  # an update that failed leaves the copies that were there
        ("Failed", 0, 0.0),
        ("Creating", 0, 0.0),
        ("Deleting", 1, 0.0),
    ],
)
def test_the_state_of_a_component_says_whether_it_serves(
    emulator: Emulator, boto: Any, connect: Connect, status: str, copies: int, share: float
) -> None:
    model(boto, "m", {"ModelPackageName": package(boto, "llm")})
    endpoint(boto, "shared", variant("all"))
    boto.create_inference_component(
        InferenceComponentName="c",
        EndpointName="shared",
        VariantName="all",
        Specification={"ModelName": "m"},
        RuntimeConfig={"CopyCount": 1},
    )
    ((arn, row),) = emulator.account.components.items()
    runtime = {"DesiredCopyCount": 1, "CurrentCopyCount": copies}
    emulator.account.components[arn] = {**row, "InferenceComponentStatus": status, "RuntimeConfig": runtime}
    assert shares(scan(connect()), "shared") == {"llm:1": share}


def test_a_multi_model_variant_serves_every_package_beneath_its_prefix(boto: Any, connect: Connect) -> None:
    package(boto, "de", "s3://b/models/de.tar.gz")
    package(boto, "fr", "s3://b/models/eu/fr.tar.gz")
    package(boto, "other", "s3://b/models-old/de.tar.gz")
    model(boto, "many", {"Image": "mme:1", "Mode": "MultiModel", "ModelDataUrl": "s3://b/models/"})
    endpoint(boto, "mme", variant("all", "many"))
    assert shares(scan(connect()), "mme") == {"de:1": 100.0, "fr:1": 100.0}


def test_the_containers_of_a_model_serve_together(boto: Any, connect: Connect) -> None:
    package(boto, "whole", InferenceSpecification=inference("s3://b/pre", "s3://b/model"))
    package(boto, "pre", "s3://b/pre/")
    package(boto, "more", InferenceSpecification=inference("s3://b/model", "s3://b/post"))
    source = {"S3DataType": "S3Prefix", "CompressionType": "None"}
    package(boto, "draft", "s3://b/draft/")
    model(
        boto,
        "pipeline",
        {"Image": "pre:1", "ModelDataUrl": "s3://b/pre"},
        {
            "Image": "model:1",
            "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://b/model/", **source}},
            "AdditionalModelDataSources": [
                {"ChannelName": "draft", "S3DataSource": {"S3Uri": "s3://b/draft/", **source}}
            ],
        },
    )
    endpoint(boto, "e", variant("all", "pipeline"))
    assert shares(scan(connect()), "e") == dict.fromkeys(("whole:1", "pre:1", "draft:1"), 100.0)


def test_of_packages_with_the_same_model_data_the_newest_before_the_model_is_meant(
    boto: Any, connect: Connect
) -> None:
    package(boto, "nightly", "s3://b/nightly")
    package(boto, "nightly", "s3://b/nightly")
    package(boto, "promoted", "s3://b/nightly")
    model(boto, "m", {"Image": "serve:1", "ModelDataUrl": "s3://b/nightly"})
    package(boto, "nightly", "s3://b/nightly")
    endpoint(boto, "e", variant("all", "m"))
    assert shares(scan(connect()), "e") == {"nightly:2": 100.0, "promoted:1": 100.0}


def test_a_shadow_is_shown_and_answers_nobody(boto: Any, connect: Connect) -> None:
    model(boto, "champion", {"ModelPackageName": package(boto, "champion")})
    model(boto, "challenger", {"ModelPackageName": package(boto, "challenger")})
    endpoint(boto, "e", variant("live", "champion"), shadows=(variant("shadow", "challenger", 0.5),))
    assert shares(scan(connect()), "e") == {"champion:1": 100.0, "challenger:1": 0.0}


def test_weights_share_the_requests(boto: Any, connect: Connect) -> None:
    for name in ("a", "b", "c", "d"):
        model(boto, name, {"ModelPackageName": package(boto, name)})
    pools = [
        {"InstanceType": "ml.m5.large", "Priority": 1},
        {"InstanceType": "ml.m5.xlarge", "Priority": 2, "ModelNameOverride": "d"},
    ]
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    endpoint(
        boto,
        "e",
        variant("one", "a", 3, **serverless),
        variant("two", "b", 0),
        variant("three", "c", 1, InstancePools=pools),
    )
    assert shares(scan(connect()), "e") == {"a:1": 75.0, "b:1": 0.0, "c:1": 25.0, "d:1": 25.0}
    endpoint(boto, "alone", variant("one", "a", 0))
    assert shares(scan(connect()), "alone") == {"a:1": 100.0}


@pytest.mark.parametrize(
    ("status", "live"),
    [
        ("InService", True),
        ("Updating", True),
        ("SystemUpdating", True),
        ("RollingBack", True),
        ("Creating", False),
        ("Deleting", False),
        ("Failed", False),
        ("OutOfService", False),
    ],
)
def test_the_state_of_an_endpoint_says_whether_it_is_live(
    emulator: Emulator, boto: Any, connect: Connect, status: str, live: bool
) -> None:
    model(boto, "m", {"ModelPackageName": package(boto, "a")})
    endpoint(boto, "e", variant("all", "m"))
    ((arn, row),) = emulator.account.endpoints.items()
    emulator.account.endpoints[arn] = {**row, "EndpointStatus": status}
    found = scan(connect())
    record = found.endpoints()["e"]
    assert (record.live, record.state, shares(found, "e")) == (live, status, {"a:1": 100.0})


def test_a_rollout_is_shown_and_takes_its_share_once_requests_go_to_it(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    clock = [emulator.account.now() + 60]
    emulator.account.now = lambda: clock[0]
    for name in ("old", "new"):
        model(boto, name, {"ModelPackageName": package(boto, name)})
    emulator.account.deployment_seconds = 90.0
    endpoint(boto, "e", variant("all", "old"))
    adapter = connect()
    found = scan(adapter)
    assert (found.endpoints()["e"].state, found.endpoints()["e"].live) == ("Creating", False)
    assert shares(found, "e") == {"old:1": 100.0}
    clock[0] += 100
    assert scan(adapter).endpoints()["e"].state == "InService"
    config(boto, "e-2", variant("all", "new"))
    boto.update_endpoint(EndpointName="e", EndpointConfigName="e-2")
    assert shares(scan(adapter), "e") == {"old:1": 100.0, "new:1": 0.0}
    clock[0] += 50
    assert shares(scan(adapter), "e") == {"old:1": 50.0, "new:1": 50.0}
    clock[0] += 50
    assert shares(scan(adapter), "e") == {"new:1": 100.0}


def test_a_rollback_that_failed_serves_both_configurations(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    for name in ("old", "new"):
        model(boto, name, {"ModelPackageName": package(boto, name)})
    endpoint(boto, "e", variant("all", "old"))
    config(boto, "e-2", variant("all", "new"))
    emulator.account.broken_configs.add("e-2")
    boto.update_endpoint(EndpointName="e", EndpointConfigName="e-2")
    found = scan(connect())
    record = found.endpoints()["e"]
    assert (record.state, record.live, record.unread) == ("UpdateRollbackFailed", True, None)
    assert shares(found, "e") == {"old:1": 50.0, "new:1": 50.0}
    ((arn, row),) = emulator.account.endpoints.items()
    row = {name: value for name, value in row.items() if name != "PendingDeploymentSummary"}
    emulator.account.endpoints[arn] = row
    record = scan(connect()).endpoints()["e"]
    assert "which other configuration" in unknown(record)


def test_what_was_deleted_under_a_live_endpoint_is_unknown_and_not_absent(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    for name in ("a", "b"):
        model(boto, name, {"ModelPackageName": package(boto, name)})
    endpoint(boto, "e", variant("one", "a"), variant("two", "b"))
    running = connect()
    first = scan(running)
    boto.delete_model(ModelName="b")
    found = scan(connect())
    assert shares(found, "e") == {"a:1": 50.0}
    assert unknown(found.endpoints()["e"]) == "endpoint e: its model b was deleted under it"
    boto.delete_endpoint_config(EndpointConfigName="e-1")
    record = scan(connect()).endpoints()["e"]
    assert (record.live, record.traffic) == (True, ())
    assert unknown(record) == "endpoint e: its configuration e-1 was deleted under it"
    # Who has seen it knows it still.
    assert scan(running, first.watermark).endpoints()["e"].traffic == first.endpoints()["e"].traffic
    ((arn, row),) = emulator.account.endpoints.items()
    emulator.account.endpoints[arn] = {**row, "EndpointStatus": "Failed"}
    assert scan(connect()).endpoints()["e"].unread is None


@pytest.mark.parametrize(
    "denied",
    [
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "DescribeInferenceComponent",
        "ListInferenceComponents",
    ],
)
def test_what_may_not_be_read_is_unknown_and_says_so(
    emulator: Emulator, boto: Any, connect: Connect, denied: str
) -> None:
    model(boto, "m", {"ModelPackageName": package(boto, "a")})
    endpoint(boto, "plain", variant("all", "m"))
    endpoint(boto, "shared", variant("all"))
    boto.create_inference_component(
        InferenceComponentName="c",
        EndpointName="shared",
        VariantName="all",
        Specification={"ModelName": "m"},
        RuntimeConfig={"CopyCount": 1},
    )
    emulator.faults.deny.add(denied)
    adapter = connect()
    found = scan(adapter)
    record = found.endpoints()["shared"]
    assert f"grant sagemaker:{denied}" in unknown(record)
    assert record.live
    assert (found.endpoints()["plain"].unread is None) == ("Component" in denied)
    told = "ListInferenceComponents" in " ".join(adapter.probe().missing)
    assert told == (denied == "ListInferenceComponents")


def test_a_get_of_an_endpoint_that_may_not_be_read_is_no_proof(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    model(boto, "m", {"ModelPackageName": package(boto, "a")})
    endpoint(boto, "e", variant("all", "m"))
    adapter = connect()
    key = scan(adapter).endpoints()["e"].key
    emulator.faults.deny.add("DescribeEndpoint")
    with pytest.raises(AuthError):
        adapter.get(key)


def test_a_package_of_another_account_is_not_this_registrys(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    package(boto, "a")
    model(boto, "m", {"ModelPackageName": package(boto, "b")})
    endpoint(boto, "e", variant("all", "m"))
    ((arn, row),) = emulator.account.models.items()
    foreign = "arn:aws:sagemaker:eu-west-1:999999999999:model-package/a/1"
    emulator.account.models[arn] = {**row, "PrimaryContainer": {"ModelPackageName": foreign}}
    emulator.faults.deny.add("DescribeModelPackage")
    record = scan(connect()).endpoints()["e"]
    assert (record.live, record.traffic, record.unread) == (True, (), None)


def test_only_one_request_more_is_made_where_there_are_no_components(
    emulator: Emulator, boto: Any, connect: Connect
) -> None:
    for name in ("a", "b", "c"):
        aws.deploy(boto, f"e-{name}", main=(package(boto, name), 1.0))
    scan(connect())
    assert emulator.faults.calls["ListInferenceComponents"] == 1
    assert emulator.faults.calls["DescribeInferenceComponent"] == 0


def test_traffic_is_shared_among_the_variants_that_hold_versions(boto: Any, connect: Connect) -> None:
    first, second = package(boto, "ranker"), package(boto, "ranker")
    aws.deploy(boto, "split", a=(first, 3.0), b=(second, 0.0))
    aws.deploy(boto, "strange", a=(first, 1.0), b=("s3://b/other", 1.0))
    adapter = connect()
    found = scan(adapter)
    one, two = (found.versions()[f"ranker:{number}"].key for number in (1, 2))
    record = found.endpoints()["split"]
    written = adapter.set_traffic(record.key, {one: 90.0, two: 10.0})
    assert isinstance(written, EndpointRecord)
    assert {share.version: share.percent for share in written.traffic} == {one: 90.0, two: 10.0}
    assert adapter.set_traffic(record.key, {one: 90.0, two: 10.0}, etag="of long ago") == written
    with pytest.raises(InvalidError, match="add up to 100"):
        adapter.set_traffic(record.key, {one: 90.0})
    with pytest.raises(InvalidError, match="deploy it there first"):
        adapter.set_traffic(found.endpoints()["strange"].key, {one: 50.0, two: 50.0})
