"""The oci adapter passes the suite against the emulator, which signs in by tokens; `tests/vendors` has a real one."""

from functools import partial

import pytest

from adapters.conformance import Conformance
from adapters.emulators.oci.harness import OciHarness
from adapters.http import HttpClient
from adapters.oci import client


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class TestEmulated(Conformance, harness=OciHarness):
    """Every write, faults, changes between the pages of the catalogue."""
