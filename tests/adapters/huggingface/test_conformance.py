"""The Hugging Face adapter passes the suite against a Hub on a real socket."""

from functools import partial

import pytest

from adapters.conformance import Conformance
from adapters.emulators.huggingface.harness import HuggingFaceHarness
from adapters.http import HttpClient
from adapters.huggingface import client


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class TestHuggingFace(Conformance, harness=HuggingFaceHarness):
    """Cursors, digests of rows, branches as aliases."""
