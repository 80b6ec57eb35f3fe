"""SageMaker's events through EventBridge and SNS. The signer is ours: moto's does not keep to what AWS documents."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from adapters import AuthError, Key, NotFoundError, Notification, UnsupportedError
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from adapters.sagemaker.notifications import SIGNED, SigningKeys
from tests.adapters.sagemaker import aws

TOPIC = "arn:aws:sns:eu-west-1:123456789012:models"
ADDRESS = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


Connect = Callable[..., SageMakerAdapter]


def certificate(until: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = x509.CertificateBuilder(name, name, key().public_key(), 1, until - timedelta(days=30), until)
    return built.sign(key(), SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The certificates that were asked for."""
    asked: list[str] = []
    pem = certificate(datetime.now(UTC) + timedelta(days=1))

    def fetch(_: SigningKeys, address: str) -> bytes:
        asked.append(address)
        return pem

    monkeypatch.setattr(SigningKeys, "fetch", fetch)
    return asked


def signed(fields: dict[str, Any]) -> Notification:
    """A message as SNS sends it, signed as AWS documents it."""
    names = SIGNED.get(fields["Type"], SIGNED["Notification"])
    text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    signature = base64.b64encode(key().sign(text.encode(), PKCS1v15(), SHA256())).decode()
    message = {**fields, "Signature": signature}
    return Notification({"content-type": "text/plain"}, json.dumps(message).encode())


def message(event: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92",
        "TopicArn": TOPIC,
        "Message": json.dumps(event or {}),
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": "2",
        "SigningCertURL": ADDRESS,
        **more,
    }


def event(kind: str, **detail: Any) -> dict[str, Any]:
    return {"source": "aws.sagemaker", "detail-type": f"SageMaker {kind} State Change", "detail": detail}


def test_what_an_event_names_is_got(
    boto: Any, connect: Connect, fetched: list[str], emulator: Emulator
) -> None:
    arn = aws.package(boto, "churn")
    aws.deploy(boto, "live", main=(arn, 1.0))
    adapter = connect(topic_arn=TOPIC)
    everything = {one.key: one for one in aws.scan(adapter).records.values()}
    said = event("Model Package", ModelPackageArn=arn, ModelPackageGroupName="churn", ModelPackageVersion=1)
    keys = [*adapter.changed(signed(message(said, Subject="with a subject")))]
    endpoint = emulator.account.arn("endpoint", "live")
    keys += adapter.changed(signed(message(event("Endpoint", EndpointName="live", EndpointArn=endpoint))))
    assert {(found := adapter.get(key)).key: found for key in keys} == everything
    assert fetched == [ADDRESS]  # once
    [_, gone] = adapter.changed(signed(message(event("Model Package", ModelPackageArn=f"{arn}9"))))
    with pytest.raises(NotFoundError):
        adapter.get(gone)


def test_events_of_other_things_name_nothing(connect: Connect, fetched: list[str]) -> None:
    adapter = connect(topic_arn=TOPIC)
    for said in ({"source": "aws.s3", "detail": {}}, event("Training Job", TrainingJobArn="arn:aws:x"), {}):
        assert adapter.changed(signed(message(said))) == ()
    unversioned = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/alone"
    found = adapter.changed(signed(message(event("Model Package", ModelPackageArn=unversioned))))
    assert found == (Key("model", f"{unversioned}#0"), Key("version", f"{unversioned}#0"))


def test_a_subscription_is_confirmed_for_the_configured_topic_alone(
    connect: Connect, fetched: list[str], emulator: Emulator
) -> None:
    adapter = connect(topic_arn=TOPIC)
    elsewhere = "http://169.254.169.254/latest/meta-data"
    asked = message(Type="SubscriptionConfirmation", Token="token of SNS", SubscribeURL=elsewhere)
    with pytest.raises(AuthError, match="of another topic"):
        adapter.changed(signed({**asked, "TopicArn": f"{TOPIC}-2"}))
    assert emulator.account.confirmed == {}
    assert adapter.changed(signed(asked)) == ()
    assert emulator.account.confirmed == {TOPIC: "token of SNS"}


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "{}"},
        {"Signature": "AAAA"},
        {"Signature": "no base64"},
        {"SignatureVersion": "1"},
        {"Type": "UnsubscribeConfirmation"},
        {"Timestamp": "2026-01-01T00:00:00Z"},
        {"Timestamp": "then"},
        {"SigningCertURL": ADDRESS.replace("eu-west-1", "us-east-1")},
        {"SigningCertURL": ADDRESS.replace("amazonaws.com", "amazonaws.com.evil.example")},
        {"SigningCertURL": ADDRESS.replace("https", "http")},
        {"SigningCertURL": ADDRESS.replace("/Simple", "/x/../Simple")},
    ],
    ids=lambda change: " ".join(f"{name} {value[:40]}" for name, value in change.items()),
)
def test_what_sns_did_not_sign_is_not_believed(
    connect: Connect, fetched: list[str], change: dict[str, str]
) -> None:
    adapter = connect(topic_arn=TOPIC)
    good = json.loads(signed(message(event("Endpoint", EndpointArn="x"))).body)
    with pytest.raises(AuthError):
        adapter.changed(Notification({}, json.dumps({**good, **change}).encode()))
    assert set(fetched) <= {ADDRESS}


def test_a_flood_of_certificates_is_not_fetched(connect: Connect, fetched: list[str]) -> None:
    adapter = connect(topic_arn=TOPIC)
    for number in range(50):
        address = ADDRESS.replace("0123abcd", f"{number}")
        forged = {**json.loads(signed(message()).body), "SigningCertURL": address, "Signature": "AAAA"}
        with pytest.raises(Exception, match=r"signature is wrong|the budget"):
            adapter.changed(Notification({}, json.dumps(forged).encode()))
    assert len(fetched) == 6


def test_a_certificate_that_ran_out_is_not_believed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(datetime.now(UTC) - timedelta(days=1))
    monkeypatch.setattr(SigningKeys, "fetch", lambda self, address: pem)
    with pytest.raises(AuthError, match="not valid now"):
        connect(topic_arn=TOPIC).changed(signed(message()))


def test_without_a_topic_nothing_is_believed(connect: Connect, fetched: list[str]) -> None:
    with pytest.raises(UnsupportedError):
        connect().changed(signed(message()))
