"""Credentials, refusals and failures: what reaches a user is one line of the contract."""

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import (
    AdapterError,
    AuthError,
    InvalidError,
    Key,
    NotFoundError,
    Registration,
    TransientError,
)
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter, SageMakerConfig
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import package, scan
from tests.servers.peer import Peer, reply

Connect = Callable[..., SageMakerAdapter]
ROLE = "arn:aws:iam::123456789012:role/registry-reader"


def test_the_probe_names_account_and_region(connect: Connect) -> None:
    found = connect().probe()
    assert (found.identity, found.version) == ("sagemaker:123456789012:eu-west-1", "2017-07-24")
    assert found.missing == ()


def test_without_sts_the_account_is_told_by_what_is_in_it(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    emulator.faults.deny.add("GetCallerIdentity")
    nobody = connect().probe()
    assert (nobody.identity, "the account cannot be told" in nobody.missing[-1]) == (None, True)
    package(boto, "ranker")
    found = connect().probe()
    assert (found.identity, found.missing) == ("sagemaker:123456789012:eu-west-1", ())


def test_a_role_is_assumed_and_acts(boto: Any, emulator: Emulator, connect: Connect) -> None:
    package(boto, "ranker")
    adapter = connect(role_arn=ROLE, external_id="told-to-nobody")
    written = adapter.set_stage(scan(adapter).versions()["ranker:1"].key, "approval", "Approved")
    by = written.native["LastModifiedBy"]["IamIdentity"]["Arn"]
    assert by == "arn:aws:sts::123456789012:assumed-role/registry-reader/waypost"
    assert emulator.faults.calls["AssumeRole"] == 1


def test_two_registries_with_different_credentials_live_in_one_process(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    package(boto, "ranker")
    good, bad = connect(), connect(access_key_id="AKIDWRONG")
    emulator.faults.accept_keys = {"AKIDWAYPOST"}
    assert list(scan(good).versions()) == ["ranker:1"]
    with pytest.raises(AuthError, match="refuses the credentials"):
        scan(bad)


def test_missing_permissions_for_every_listing_are_an_error(emulator: Emulator, connect: Connect) -> None:
    emulator.faults.deny = {"Search", "ListModelPackages", "ListModelPackageGroups"}
    adapter = connect()
    with pytest.raises(AuthError, match="grant sagemaker:ListModelPackages"):
        adapter.probe()
    with pytest.raises(AuthError, match="ListModelPackage"):
        scan(adapter)


@pytest.mark.parametrize(
    "said",
    [
        b"{}",
        b'{"CreationTime": "yesterday"}',
        b'{"ModelPackageGroupArn": [], "CreationTime": 1767225600}',
        b'{"EndpointConfigName": "x", "ProductionVariants": [5]}',
    ],
    ids=["nothing", "no time", "no ARN", "no variant"],
)
def test_an_answer_that_means_nothing_is_an_error_of_the_contract(said: bytes) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:"
    keys = [
        Key("model", f"{arn}model-package-group/x#1767225600000"),
        Key("version", f"{arn}model-package/x/1#1767225600000"),
        Key("endpoint", f"{arn}endpoint/x#1767225600000"),
    ]
    with Peer(reply("200 OK", said)) as peer:
        adapter = SageMakerAdapter(aws.config(f"http://127.0.0.1:{peer.port}"))
        for key in keys:
            with pytest.raises(AdapterError):
                adapter.get(key)
            with pytest.raises(AdapterError):
                adapter.set_tags(key, {"a": "b"})
        with pytest.raises(AdapterError):
            adapter.register(Registration(model="x", source="s3://x"))
        adapter.close()


def test_throttling_is_ridden_out(boto: Any, emulator: Emulator, connect: Connect) -> None:
    package(boto, "ranker")
    emulator.faults.throttle["Search"] = 2
    assert list(scan(connect(attempts=5)).versions()) == ["ranker:1"]
    assert emulator.faults.calls["Search"] >= 4


def test_throttling_without_end_is_transient(emulator: Emulator, connect: Connect) -> None:
    emulator.faults.throttle["*"] = 1_000
    with pytest.raises(TransientError, match="throttles"):
        connect().probe()


def test_nobody_at_the_address_is_transient() -> None:
    adapter = SageMakerAdapter(aws.config("http://127.0.0.1:9"))
    with pytest.raises(TransientError, match="could not be reached"):
        adapter.probe()
    adapter.close()


def test_an_answer_larger_than_allowed_is_asked_for_in_parts(
    boto: Any, emulator: Emulator, connect: Connect
) -> None:
    for _ in range(12):
        package(boto, "ranker", ModelCard={"ModelCardContent": "x" * 99_000, "ModelCardStatus": "Draft"})
    asked = []
    for size in (2, 1):
        before = emulator.faults.calls.total()
        assert len(scan(connect(max_response_mb=size)).versions()) == 12
        asked.append(emulator.faults.calls.total() - before)
    assert asked[1] > asked[0]


def test_a_peer_outside_the_allowed_networks_is_told_nothing(emulator: Emulator, connect: Connect) -> None:
    with pytest.raises(AuthError, match="outside `allowed_networks`"):
        connect(allowed_networks=["10.0.0.0/8"]).probe()
    assert emulator.faults.calls.total() == 0
    assert connect(allowed_networks=["127.0.0.0/8"]).probe().missing == ()


def test_the_observer_is_told_of_every_request(emulator: Emulator, connect: Connect) -> None:
    told: list[tuple[str, str, int | None]] = []
    adapter = connect()
    adapter.observe(lambda method, path, status, seconds: told.append((method, path, status)))
    scan(adapter)
    assert len(told) == emulator.faults.calls.total()
    assert ("POST", "/Search", 200) in told


def test_no_secret_is_logged_even_at_debug(
    boto: Any, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    package(boto, "ranker")
    caplog.set_level(logging.DEBUG)
    scan(connect(session_token="waypost-token", role_arn=ROLE, external_id="told-to-nobody"))
    for secret in ("waypost-secret", "waypost-token", "told-to-nobody", "secret-of-", "token-of-"):
        assert secret not in caplog.text


def test_an_adapter_that_was_closed_says_so(connect: Connect) -> None:
    adapter = connect()
    adapter.probe()
    adapter.close()
    with pytest.raises(AdapterError, match="closed"):
        scan(adapter)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "region"),
        ({"region": "eu-west-1", "access_key_id": "A"}, "together"),
        ({"region": "eu-west-1", "profile": "p", "access_key_id": "A", "secret_access_key": "S"}, "not both"),
        ({"region": "eu-west-1", "session_token": "T"}, "belongs to an access_key_id"),
        ({"region": "eu-west-1", "external_id": "E"}, "belongs to a role_arn"),
        ({"region": "eu-west-1", "role_arn": "admin"}, "role_arn"),
        ({"region": "eu-west-1", "endpoint_url": "ftp://x"}, "endpoint_url"),
        ({"region": "eu-west-1", "endpoint_url": "https://user:pass@x"}, "endpoint_url"),
        ({"region": "eu-west-1", "endpont_url": "https://x"}, "endpont_url"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        SageMakerConfig.model_validate(settings)
    assert "pass@" not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "sts"),
    [
        (None, None),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("https://vpce-1.api.sagemaker.eu-west-1.vpce.amazonaws.com", None),
    ],
)
def test_sts_is_asked_where_sagemaker_is_unless_that_is_aws(endpoint: str | None, sts: str | None) -> None:
    assert SageMakerConfig(region="eu-west-1", endpoint_url=endpoint).address_of("sts") == sts


def test_without_boto3_one_line_names_the_extra() -> None:
    program = """
import sys
sys.modules["boto3"] = None
from adapters import UnsupportedError
from adapters.sagemaker import SageMakerAdapter, SageMakerConfig
try:
    SageMakerAdapter(SageMakerConfig(region="eu-west-1")).probe()
except UnsupportedError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert (
        done.stdout == "SageMaker registries need boto3: install Waypost with its extra, waypost[sagemaker]\n"
    )


def test_importing_and_making_an_adapter_imports_no_sdk() -> None:
    program = """
import sys
from adapters.sagemaker import SageMakerAdapter, SageMakerConfig
SageMakerAdapter(SageMakerConfig(region="eu-west-1")).close()
print([name for name in sys.modules if name.startswith("boto")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_refusals_become_the_contracts_errors(boto: Any, connect: Connect) -> None:
    from botocore.exceptions import ClientError

    from adapters.sagemaker.failures import translated

    def refusal(code: str, message: str, status: int = 400) -> AdapterError:
        answer: Any = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        return translated(ClientError(answer, "Any"), "Any")

    assert type(refusal("ValidationException", "ModelPackage x does not exist.")) is NotFoundError
    assert type(refusal("ResourceNotFound", "no")) is NotFoundError
    assert type(refusal("ValidationException", "Value at 'x' must be less")) is InvalidError
    assert type(refusal("", "<html>", 502)) is TransientError
    assert type(refusal("ExpiredTokenException", "expired", 403)) is AuthError
    assert type(translated(KeyError("hush"), "Any")) is TransientError
