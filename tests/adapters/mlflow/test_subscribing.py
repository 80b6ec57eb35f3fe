"""Subscribing at MLflow takes an administrator; whoever is none is told what one has to make."""

import httpx
import pytest
from pydantic import SecretStr

from adapters import AuthError, InvalidError, UnsupportedError
from adapters.mlflow import MlflowAdapter, MlflowConfig
from tests.adapters.web import answering

URL, ADDRESS = "https://mlflow.example", "https://waypost.example/hooks/ml"
API = f"{URL}/api/2.0/mlflow/webhooks"
SECRET = "shared with MLflow"


def adapter(secret: str | None = SECRET) -> MlflowAdapter:
    return MlflowAdapter(MlflowConfig(url=URL, webhook_secret=SecretStr(secret) if secret else None))


def test_who_may_not_is_told_what_an_administrator_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch) as web:
        web.get(API).mock(httpx.Response(403, text="Permission denied"))
        with pytest.raises(
            AuthError, match=r"only an administrator.*hooks/ml.*model_version\.created"
        ) as told:
            adapter().subscribe(ADDRESS)
    assert SECRET not in str(told.value)


def test_an_address_that_cannot_be_called_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch) as web:
        web.get(API).mock(httpx.Response(200, json={"webhooks": [{"url": "https://other.example"}]}))
        web.post(API).mock(httpx.Response(200, json={"webhook": {"webhook_id": "7"}}))
        tried = {"result": {"success": False, "response_status": 401}}
        web.post(f"{API}/7/test").mock(httpx.Response(200, json=tried))
        with pytest.raises(InvalidError, match="cannot be called from MLflow: it was answered 401"):
            adapter().subscribe(ADDRESS)


def test_without_a_secret_nothing_is_subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch), pytest.raises(UnsupportedError, match="configure one first"):
        adapter(None).subscribe(ADDRESS)
