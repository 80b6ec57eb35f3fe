"""SageMaker's events, which EventBridge hands to an SNS topic, which calls us: each is signed by SNS.

The subscription is confirmed for the configured topic alone, at an address that is ours and not the one in the message.
What the signature is checked with comes from the region's own SNS over TLS.
"""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters import outgoing
from adapters.errors import AuthError, TransientError, UnsupportedError
from adapters.notifications import Notification, json_object
from adapters.payloads import moment
from adapters.quota import Quota
from adapters.records import Key
from adapters.sagemaker.client import SageMakerClient
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.keys import open_key

OLDEST = 3600.0
"""Seconds. SNS goes on trying for so long, and does not sign again."""
AHEAD = 300.0
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
"""What of each kind of message is signed, in this order, as far as it is there."""
CERTIFICATE = (
    r"https://sns\.{region}\.amazonaws\.com(?:\.cn)?/SimpleNotificationService-[A-Za-z0-9]{{1,80}}\.pem"
)
CERTIFICATE_BYTES = 64 * 1024
KEPT = 86_400.0
"""Seconds for which a certificate is believed once it was fetched."""
MOST_KEPT = 4
FETCHES_A_MINUTE = 6
PATIENCE = 5.0
_PACKAGE = re.compile(r"(arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}):model-package/([\w-]+)(/\d+)?")
_ENDPOINT = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:endpoint/[\w-]+")


class Announcements:
    """What a topic says. Errors: any `AdapterError`."""

    def __init__(self, config: SageMakerConfig, client: SageMakerClient) -> None:
        self._config, self._client = config, client
        self._keys = SigningKeys(config)

    def changed(self, notification: Notification) -> Sequence[Key]:
        """What a message is about; a request to confirm the subscription is answered."""
        topic = self._config.topic_arn
        if topic is None:
            raise UnsupportedError("no notification is believed without `topic_arn`")
        message = notification.json()
        if message.get("TopicArn") != topic:
            raise AuthError("the message is of another topic than `topic_arn`")
        self._check(message)
        if message["Type"] == "SubscriptionConfirmation":
            self._client.confirm(topic, str(message.get("Token")))
            return ()
        return _named(json_object(str(message.get("Message"))))

    def _check(self, message: Mapping[str, Any]) -> None:
        """See that SNS signed it, not long ago. Errors: `AuthError`, `TransientError`."""
        fields = SIGNED.get(str(message.get("Type")))
        if fields is None or message.get("SignatureVersion") != "2":
            raise AuthError(
                "the message is not signed by SHA-256: set the topic's SignatureVersion to 2 "
                "(`aws sns set-topic-attributes`)"
            )
        age = (datetime.now(UTC) - _time(message.get("Timestamp"))).total_seconds()
        if not -AHEAD <= age <= OLDEST:
            raise AuthError("the message was signed more than an hour ago, or later than now")
        signed = "".join(f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None)
        self._keys.check(str(message.get("SigningCertURL")), str(message.get("Signature")), signed.encode())


class SigningKeys:
    """The public keys of a region's SNS, fetched when they are needed."""

    def __init__(self, config: SageMakerConfig) -> None:
        region = (config.topic_arn or ":::").split(":")[3]
        self._address = re.compile(CERTIFICATE.format(region=re.escape(region)))
        self._pool = outgoing.Pool(networks=config.allowed_networks, connections=1)
        self._fetches = Quota(FETCHES_A_MINUTE, patience=0.0)
        self._kept: dict[str, tuple[float, Any]] = {}

    def check(self, address: str, signature: str, signed: bytes) -> None:
        """See that it was signed with the certificate at an address of SNS. Errors: `AuthError`, `TransientError`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        if not self._address.fullmatch(address):
            raise AuthError("the message's certificate is not at the SNS of the topic's region")
        try:
            given = base64.b64decode(signature, validate=True)
            self._key(address).verify(given, signed, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            raise AuthError("the message's signature is wrong") from None

    def _key(self, address: str) -> Any:
        at = time.monotonic()
        fetched, key = self._kept.get(address, (-KEPT, None))
        if key is None or at - fetched >= KEPT:
            self._fetches.spend()
            key = _public_key(self.fetch(address))
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[address] = (at, key)
        return key

    def fetch(self, address: str) -> bytes:
        """A certificate, as PEM. Errors: `TransientError`."""
        try:
            answer = self._pool.request(
                "GET", address, headers={}, deadline=time.monotonic() + PATIENCE, most=CERTIFICATE_BYTES
            )
        except outgoing.HttpError as error:
            raise TransientError(f"the certificate of SNS {error}") from None
        if answer.status != 200:
            raise TransientError(f"SNS answered {answer.status} when it was asked for its certificate")
        return answer.body


def _public_key(pem: bytes) -> Any:
    """The RSA key in a certificate that is valid now. Errors: `AuthError`."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except ValueError:
        raise AuthError("what SNS gave as its certificate is none") from None
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise AuthError("the certificate of SNS is not valid now")
    if not isinstance(key, RSAPublicKey):
        raise AuthError("the certificate of SNS holds no RSA key")
    return key


def _time(text: Any) -> datetime:
    """When a message was signed. Errors: `AuthError`."""
    if (found := moment(text)) is None:
        raise AuthError("the message does not say when it was signed")
    return found


def _named(event: Mapping[str, Any]) -> Sequence[Key]:
    """What an event of SageMaker's is about."""
    detail = event.get("detail")
    if event.get("source") != "aws.sagemaker" or not isinstance(detail, dict):
        return ()
    package = _PACKAGE.fullmatch(str(detail.get("ModelPackageArn")))
    if package is not None:
        account, name, number = package.groups()
        model = f"{account}:model-package-group/{name}" if number else package[0]
        return (open_key("model", model), open_key("version", package[0]))
    endpoint = _ENDPOINT.fullmatch(str(detail.get("EndpointArn")))
    return () if endpoint is None else (open_key("endpoint", endpoint[0]),)
