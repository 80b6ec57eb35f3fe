"""Vertex AI's audit log, pushed by Pub/Sub with a token of Google's. The signer is ours."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt
from pydantic import ValidationError

from adapters import AdapterError, AuthError, InvalidError, Key, NotFoundError, Notification, UnsupportedError
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexConfig
from adapters.vertex.notifications import SigningKeys
from tests.adapters.scans import scanned
from tests.adapters.vertex.conftest import MakeAdapter
from tests.adapters.vertex.vendor import Vendor

AUDIENCE, ACCOUNT = "https://waypost.example/hooks/vertex", "push@project.iam.gserviceaccount.com"
PUSHED = {"push_audience": AUDIENCE, "push_account": ACCOUNT}


@cache
def key_of(signer: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
    at = datetime.now(UTC)
    built = x509.CertificateBuilder(
        name, name, key_of("Google").public_key(), 1, at - timedelta(1), at + timedelta(1)
    )
    return built.sign(key_of("Google"), SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that Google's keys were asked for."""
    asked: list[str] = []
    keys = {"one": certificate()}

    def fetch(_: SigningKeys) -> dict[str, str]:
        asked.append("keys")
        return keys

    monkeypatch.setattr(SigningKeys, "fetch", fetch)
    return asked


def token(signer: str = "Google", kid: str = "one", **claims: Any) -> str:
    pem = key_of(signer).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    now = int(time.time())
    known = {
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": True,
        "iat": now, "exp": now + 3600,
    }  # fmt: skip
    return str(jwt.encode(crypt.RSASigner.from_string(pem, kid), {**known, **claims}), "ascii")


def pushed(entry: Any, bearer: str | None = None) -> Notification:
    data = base64.b64encode(json.dumps(entry).encode()).decode()
    body = {"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}
    return Notification({"authorization": f"Bearer {bearer or token()}"}, json.dumps(body).encode())


def entry(**payload: Any) -> dict[str, Any]:
    return {"logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity", "protoPayload": payload}


def test_what_the_log_names_is_got(
    vendor: Vendor, make_adapter: MakeAdapter, emulator: VertexEmulator, fetched: list[str]
) -> None:
    vendor.upload("churn")
    adapter = make_adapter(**PUSHED)
    everything = {one.key: one for one in scanned(adapter, None, 100).records}
    uploaded = {"model": vendor.name("churn"), "modelVersionId": "1"}
    keys = adapter.changed(pushed(entry(resourceName=emulator.parent, response=uploaded)))
    assert {(found := adapter.get(key)).key: found for key in keys} == everything
    assert adapter.changed(pushed(entry(resourceName=vendor.name("churn@1")))) == keys
    assert len(fetched) == 1
    [gone] = adapter.changed(pushed(entry(resourceName=vendor.name("gone"))))
    with pytest.raises(NotFoundError):
        adapter.get(gone)


def test_entries_about_other_things_name_nothing(make_adapter: MakeAdapter, fetched: list[str]) -> None:
    adapter = make_adapter(**PUSHED)
    elsewhere = "projects/p/locations/another-place1/models/m"
    nothing: list[dict[str, Any]] = [{}, {"protoPayload": []}]
    for said in (*nothing, entry(resourceName="projects/p"), entry(resourceName=elsewhere)):
        assert adapter.changed(pushed(said)) == ()
    location = adapter.config.location
    named = f"projects/7/locations/{location}/endpoints/live"
    assert adapter.changed(pushed(entry(request={"endpoint": named}))) == (Key("endpoint", "live#0"),)
    with pytest.raises(InvalidError):
        adapter.changed(Notification({"authorization": f"Bearer {token()}"}, b'{"message": {"data": "?"}}'))


@pytest.mark.parametrize(
    "forged",
    [
        lambda: token("a stranger"),
        lambda: token(kid="two"),
        lambda: token(aud="https://another.example"),
        lambda: token(email="stranger@project.iam.gserviceaccount.com"),
        lambda: token(email_verified=False),
        lambda: token(email_verified="true"),
        lambda: token(iss="https://accounts.example"),
        lambda: token(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200),
        lambda: token(iat=int(time.time()) + 3600),
        lambda: token()[:-4] + "AAAA",
        lambda: "e30.e30.",
        lambda: "no token",
    ],
)
def test_what_google_did_not_sign_for_us_is_not_believed(
    make_adapter: MakeAdapter, fetched: list[str], forged: Any
) -> None:
    with pytest.raises(AuthError):
        make_adapter(**PUSHED).changed(pushed(entry(), forged()))


def test_a_flood_of_unknown_keys_is_not_fetched(make_adapter: MakeAdapter, fetched: list[str]) -> None:
    adapter = make_adapter(**PUSHED)
    for number in range(20):
        with pytest.raises(AdapterError, match=r"no key of Google's|the budget"):
            adapter.changed(pushed(entry(), token(kid=f"none {number}")))
    assert len(fetched) == 6


def test_without_audience_and_account_nothing_is_believed(
    make_adapter: MakeAdapter, fetched: list[str]
) -> None:
    with pytest.raises(UnsupportedError):
        make_adapter().changed(pushed(entry()))
    with pytest.raises(ValidationError, match="together"):
        VertexConfig(project="p", location="us-central1", push_account=ACCOUNT)
    assert fetched == []
