"""Every failure leaves as one of the contract's errors: one line, no secret, no vendor exception."""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
    UnsupportedError,
)
from adapters.emulators.vertex import VertexEmulator, listing
from adapters.quota import Quota
from adapters.vertex import VertexAdapter, VertexConfig
from adapters.vertex.failures import translate_credentials
from federation.blotting import guard
from tests.adapters.scans import scanned
from tests.adapters.vertex.conftest import MakeAdapter
from tests.adapters.vertex.vendor import Vendor

SECRET = "s3cr3t-refresh-token-of-ada"
CREDENTIALS = json.dumps({"type": "authorized_user", "refresh_token": SECRET, "client_id": "x"})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("UNAUTHENTICATED", AuthError),
        ("PERMISSION_DENIED", AuthError),
        ("NOT_FOUND", NotFoundError),
        ("ALREADY_EXISTS", ConflictError),
        ("ABORTED", ConflictError),
        ("FAILED_PRECONDITION", ConflictError),
        ("INVALID_ARGUMENT", InvalidError),
        ("OUT_OF_RANGE", InvalidError),
        ("UNIMPLEMENTED", UnsupportedError),
        ("RESOURCE_EXHAUSTED", TransientError),
        ("UNAVAILABLE", TransientError),
        ("INTERNAL", TransientError),
        ("UNKNOWN", TransientError),
        ("CANCELLED", TransientError),
        ("DATA_LOSS", TransientError),
        ("DEADLINE_EXCEEDED", TransientError),
    ],
)
def test_each_status_becomes_what_the_caller_should_do(
    emulator: VertexEmulator, make_adapter: MakeAdapter, code: str, expected: type[AdapterError]
) -> None:
    made = make_adapter(timeout=0.3 if expected is TransientError else 30.0, credentials=CREDENTIALS)
    adapter = guard(made, made.config)
    message = f"Bearer ya29.abcdef {SECRET}\nTraceback: x"
    emulator.faults.fail("ListModels", code=code, times=999, message=message)
    with pytest.raises(expected) as caught:
        adapter.probe()
    text = str(caught.value)
    assert type(caught.value) is expected
    assert "\n" not in text
    assert 20 < len(text) <= 300
    assert "ListModels" in text or "list_models" in text, "it says what was being done"
    whole = "".join(traceback.format_exception(caught.value))
    assert SECRET not in whole
    assert "ya29" not in text
    assert "google.api_core" not in whole, "no vendor exception stands behind it"


def test_a_throttled_call_says_when_to_come_back(emulator: VertexEmulator, adapter: VertexAdapter) -> None:
    emulator.faults.fail("ListModels", retry_after=7.25)
    with pytest.raises(TransientError) as caught:
        adapter.probe()
    assert caught.value.retry_after == 7.25


def test_a_silent_service_is_given_up_after_the_timeout(
    emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    emulator.faults.fail("ListModels", hang=30, code="OK")
    with pytest.raises(TransientError, match="DEADLINE_EXCEEDED"):
        make_adapter(timeout=0.2).probe()


def test_an_answer_that_is_too_large_is_refused(vendor: Vendor, make_adapter: MakeAdapter) -> None:
    vendor.upload("m", description="x" * 1_100_000)
    with pytest.raises(InvalidError, match="raise max_response_mb"):
        scanned(make_adapter(max_response_mb=1))


def test_nothing_listens_there(make_adapter: MakeAdapter) -> None:
    with pytest.raises(TransientError, match="UNAVAILABLE"):
        make_adapter(endpoint="127.0.0.1:9", timeout=2.0).probe()


def test_a_backend_outside_the_allowed_networks_is_not_called(
    emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    with pytest.raises(InvalidError, match="outside `allowed_networks`"):
        make_adapter(allowed_networks=["10.0.0.0/8"]).probe()
    assert not emulator.faults.calls
    assert make_adapter(allowed_networks=["127.0.0.0/8"]).probe().identity


def test_identity_is_the_place_and_not_the_address(emulator: VertexEmulator, adapter: VertexAdapter) -> None:
    assert adapter.probe().identity == "vertex:projects/demo/locations/us-central1"


@pytest.mark.parametrize(
    "credentials",
    [
        "not json",
        '"text"',
        "{}",
        json.dumps({"type": "service_account", "private_key": SECRET}),
        json.dumps({"type": "authorized_user", "refresh_token": SECRET}),
        '{"type": "external_account", "credential_source": {"executable": {"command": "touch /tmp/x"}}}',
    ],
)
def test_credentials_that_cannot_be_read_are_refused_without_being_shown(credentials: str) -> None:
    config = VertexConfig(
        project="p", location="us-central1", endpoint="https://127.0.0.1:9", credentials=credentials
    )
    adapter = VertexAdapter(config)
    with pytest.raises(AuthError) as caught:
        adapter.probe()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(config) + repr(adapter.__dict__)
    adapter.close()


def test_a_token_service_that_does_not_answer_is_transient() -> None:
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    assert isinstance(translate_credentials(RefreshError("later", retryable=True)), TransientError)
    assert isinstance(translate_credentials(RefreshError("revoked")), AuthError)
    assert "default credentials" in str(translate_credentials(DefaultCredentialsError("none found")))


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("", ("us-central1-aiplatform.googleapis.com", 443, True)),
        ("127.0.0.1:8090", ("127.0.0.1", 8090, False)),
        ("http://localhost:8090", ("localhost", 8090, False)),
        ("https://127.0.0.1:8443", ("127.0.0.1", 8443, True)),
        ("[::1]:8090", ("::1", 8090, False)),
        ("aiplatform.private.example", ("aiplatform.private.example", 443, True)),
        ("https://aiplatform.private.example:8443/", ("aiplatform.private.example", 8443, True)),
    ],
)
def test_tls_everywhere_but_on_loopback(endpoint: str, address: tuple[str, int, bool]) -> None:
    assert VertexConfig(project="p", location="us-central1", endpoint=endpoint).address == address


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://aiplatform.example:80"},
        {"endpoint": "http://127.0.0.1.example"},
        {"endpoint": "https://host/path"},
        {"endpoint": "user@127.0.0.1:80"},
        {"endpoint": "127.0.0.1:99999"},
        {"project": "a/b"},
        {"location": "us/../x"},
        {"quota_per_minute": 0},
        {"unknown": 1},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VertexConfig(**{"project": "p", "location": "us-central1", **wrong})


def test_nothing_of_google_is_loaded_before_the_first_call() -> None:
    code = (
        "import sys\n"
        "from adapters.vertex import VertexAdapter, VertexConfig\n"
        "VertexAdapter(VertexConfig(project='p', location='us-central1'))\n"
        "sys.exit(any(m in ('grpc', 'google.api_core', 'google.cloud.aiplatform_v1') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['google.cloud.aiplatform_v1'] = None\n"
        "from adapters.vertex import VertexAdapter, VertexConfig\n"
        "try:\n"
        "    VertexAdapter(VertexConfig(project='p', location='us-central1')).probe()\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("UnsupportedError the vertex adapter needs the package google-cloud")
    assert "pip install 'waypost[vertex]'" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_budget_is_for_any_sixty_seconds() -> None:
    now = [0.0]
    quota = Quota(3, patience=0.0, clock=lambda: now[0])
    granted: list[float] = []
    for step in range(400):
        now[0] = step / 2
        if _granted(quota.spend):
            granted.append(now[0])
    assert len(granted) == 3 * 4, "200 seconds are three windows and a bit"
    assert all(later - earlier >= 60 for earlier, later in zip(granted, granted[3:], strict=False))


def _granted(spend: Callable[[], None]) -> bool:
    try:
        spend()
    except TransientError:
        return False
    return True


def test_closing_ends_the_wait_for_the_budget() -> None:
    quota = Quota(1, patience=60.0)
    quota.spend()
    quota.close()
    with pytest.raises(TransientError, match="budget"):
        quota.spend()


def test_a_page_with_more_records_than_were_asked_for_is_refused(
    make_adapter: MakeAdapter, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        vendor.upload(f"m{number}")
    monkeypatch.setattr("adapters.vertex.client.PAGE", 3)
    scanned(make_adapter())
    page_of = listing.page_of

    def overfull(rows: list[Any], request: Any, *given: Any) -> tuple[list[Any], str]:
        return page_of(rows, type(request)(), *given)

    monkeypatch.setattr("adapters.emulators.vertex.models.page_of", overfull)
    with pytest.raises(InvalidError, match=r"list_models\) .*4 records, more than the 3 that were asked for"):
        scanned(make_adapter())


def test_pages_are_as_large_as_an_answer_may_be(make_adapter: MakeAdapter, vendor: Vendor) -> None:
    for number in range(12):
        vendor.upload(f"m{number}", description="x" * 200_000)
    page = scanned(make_adapter(max_response_mb=1))
    models = {record.key for record in page.records if record.key.kind == "model"}
    assert len(models) == 12
