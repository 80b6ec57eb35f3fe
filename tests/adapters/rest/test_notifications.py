"""What a service announces, signed by the reference library of Standard Webhooks, names records that `get` finds."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from adapters import (
    Adapter,
    AuthError,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    Notification,
    UnsupportedError,
)
from adapters.emulators.rest.harness import SECRET as TOKEN
from adapters.emulators.rest.harness import SHELF, RestHarness
from adapters.rest import RestAdapter, RestConfig
from tests.adapters.scans import scanned
from tests.adapters.web import answering

SECRET, FORMER = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 250))


@pytest.fixture
def shelf() -> Iterator[RestHarness]:
    made = RestHarness()
    yield made
    made.close()


def opened(shelf: RestHarness, **more: Any) -> RestAdapter:
    url = f"http://127.0.0.1:{shelf.server.server_port}/api"
    return RestAdapter(RestConfig(**{**SHELF, **more}, url=url, token=TOKEN, webhook_secret=SECRET))


def sent(body: Any, secret: str = SECRET) -> Notification:
    text, at = json.dumps(body), datetime.now(UTC)
    signed = Webhook(secret).sign("msg_1", at, text)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }
    return Notification(headers, text.encode())


@pytest.mark.parametrize(
    "versions",
    [SHELF["versions"], {**SHELF["versions"], "incarnation": "created"}],
    ids=["id", "with creation"],
)
def test_what_is_named_is_got(shelf: RestHarness, versions: dict[str, Any]) -> None:
    shelf.put("churn")
    adapter = opened(shelf, versions=versions)
    everything = {one.key: one for one in scanned(adapter, None, 100).records}
    [model] = shelf.shelf.models
    [version] = shelf.shelf.versions
    keys = adapter.changed(sent({"changed": [{"model": model}, {"model": model, "version": version}]}))
    assert {(found := adapter.get(key)).key: found for key in keys} == everything
    [gone] = adapter.changed(sent({"changed": [{"model": model, "version": "none"}]}))
    with pytest.raises(NotFoundError):
        adapter.get(gone)


def test_a_model_whose_creation_is_left_open_is_got(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "url": "https://models.example/api",
        "models": {"path": "/m", "one": "/m/{id}", "fields": {"name": "id"}, "incarnation": "made"},
        "versions": {"path": "/m/{model}/v", "one": "/m/{model}/v/{id}", "fields": {"version": "text(id)"}},
        "webhook_secret": SECRET,
    }
    adapter = RestAdapter(RestConfig.model_validate(config))
    with answering(monkeypatch) as web:
        web.get("/api/m/a%20b").mock(httpx.Response(200, json={"id": "a b", "made": "5"}))
        web.get("/api/m/a%20b/v/3").mock(httpx.Response(200, json={"id": "3"}))
        first, second = adapter.changed(sent({"changed": [{"model": "a b"}, {"model": "a b", "version": 3}]}))
        model, version = adapter.get(first), adapter.get(second)
        assert (model.key, adapter.get(model.key)) == (Key("model", "a%20b@5"), model)
        assert isinstance(model, ModelRecord)
        assert (getattr(version, "model", None), adapter.get(version.key)) == (model.key, version)


def test_only_who_knows_the_secret_is_believed(shelf: RestHarness) -> None:
    adapter, body = opened(shelf, former_webhook_secret=FORMER), {"changed": [{"model": "m1"}]}
    good = sent(body)
    assert adapter.changed(good) == adapter.changed(sent(body, FORMER)) == [Key("model", "m1")]
    stranger = f"whsec_{base64.b64encode(b'x' * 32).decode()}"
    for forged in (
        sent(body, stranger),
        replace(good, body=good.body + b" "),
        replace(good, headers={**good.headers, "webhook-id": "msg_2"}),
        replace(good, headers={**good.headers, "webhook-timestamp": "9" * 40}),
        replace(good, headers={}),
    ):
        with pytest.raises(AuthError):
            adapter.changed(forged)
    closed: Adapter = shelf.adapter()
    with pytest.raises(UnsupportedError):
        closed.changed(good)


@pytest.mark.parametrize(
    "body", [{}, {"changed": {}}, {"changed": [1]}, {"changed": [{"model": ""}]}, {"changed": [{}]}]
)
def test_what_names_nothing_is_a_mistake(shelf: RestHarness, body: Any) -> None:
    with pytest.raises(InvalidError, match="a notification is"):
        opened(shelf).changed(sent(body))


@pytest.mark.parametrize(
    "secret", ["whsec_short", "whsec_" + "_" * 44, "whsec_" + base64.b64encode(b"x" * 65).decode()]
)
def test_a_secret_that_nobody_could_sign_with_is_refused_unseen(shelf: RestHarness, secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RestConfig(**SHELF, url="http://127.0.0.1:9", token=TOKEN, webhook_secret=secret)
    assert "must be whsec_" in str(refused.value)
    assert secret not in str(refused.value)
