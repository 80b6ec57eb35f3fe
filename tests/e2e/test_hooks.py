"""What a real MLflow server announces is found by the gateway before any run looks for it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import signature
from adapters.emulators.huggingface import Hub, HubToken, post, serve
from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.gateway.paper import ask, finished, problems
from tests.gateway.served import Served, served
from tests.patience import until

SECRET = "shared with MLflow"
CONFIG = """
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
sync_every = 0
config = {{ url = "{url}", webhook_secret = "file:{secret}" }}

[[registries]]
name = "hub"
kind = "huggingface"
team = "t"
sync_every = 0
config = {{ url = "{hub}", authors = ["acme"], token = "file:{token}", webhook_secret = "file:{secret}" }}
"""
TOKEN = "hf_of_the_team"


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    """A Hub that calls its webhooks, and its address."""
    made = Hub(tokens={TOKEN: HubToken("robot", ("acme",))}, deliver=post)
    made.create("acme/known")
    server = serve(made)
    yield made, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway(mlflow_server: Server, hub: tuple[Hub, str], tmp_path: Path) -> Iterator[Served]:
    secret, token = tmp_path / "secret", tmp_path / "token"
    for path, text in ((secret, SECRET), (token, TOKEN)):
        path.write_text(text)
        path.chmod(0o600)
    config = CONFIG.format(url=mlflow_server.url, hub=hub[1], secret=secret, token=token)
    with served(tmp_path, config=config) as running:
        for name in ("ml", "hub"):
            finished(running.engine, ask(running.engine, name))
        yield running


def found(gateway: Served, query: str) -> list[str]:
    answer = gateway.client.get("/search", params={"q": query, "group": "version"}).json()
    return [hit["ref"] for hit in answer["hits"]]


def sent(gateway: Served, registry: str = "ml", secret: str = SECRET, age: int = 0) -> httpx.Response:
    """A notification, as MLflow would send it."""
    body = json.dumps(
        {"entity": "registered_model", "action": "created", "data": {"name": "forged"}}
    ).encode()
    at = str(int(time.time()) - age)
    headers = {
        "X-MLflow-Delivery-Id": "one",
        "X-MLflow-Timestamp": at,
        "X-MLflow-Signature": signature(secret.encode(), "one", at, body),
    }
    return gateway.client.post(f"{gateway.url}/hooks/{registry}", content=body, headers=headers)


def test_what_backends_announce_is_found_without_a_run(
    gateway: Served,
    mlflow_server: Server,
    hub: tuple[Hub, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = ("--config", str(tmp_path / "waypost.toml"))

    def told(*words: str) -> Any:
        code = run([*words, *config, "--json"])
        return code, json.loads(capsys.readouterr().out)

    _hub_announces(gateway, hub[0], config)
    for _ in range(2):  # doing it again changes nothing
        assert run(["hooks", "add", "ml", *config]) == 0, capsys.readouterr().err
    assert "14 kinds of events" in capsys.readouterr().out
    client = mlflow_client(mlflow_server.url)
    assert [hook.url for hook in client.list_webhooks()] == [f"{gateway.url}/hooks/ml"]

    client.create_registered_model("announced", tags={"team": "payments"})
    until(lambda: gateway.client.get("/models/ml/announced").is_success, "a model")
    for number in ("1", "2"):
        client.create_model_version("announced", f"s3://b/{number}")
        until(lambda n=number: f"ml/announced:{n}" in found(gateway, "announced"), "a version")  # type: ignore[misc]
    client.set_model_version_tag("announced", "1", "reviewed", "yes")
    until(lambda: found(gateway, "tag.reviewed:yes") == ["ml/announced:1"], "a tag")
    client.set_registered_model_alias("announced", "champion", "1")
    until(lambda: found(gateway, "alias:champion") == ["ml/announced:1"], "an alias")
    client.set_registered_model_alias("announced", "champion", "2")
    until(lambda: found(gateway, "stage:production") == ["ml/announced:2"], "an alias that moved")
    client.delete_registered_model_alias("announced", "champion")
    until(lambda: not found(gateway, "alias:champion"), "an alias that went")
    client.delete_model_version_tag("announced", "1", "reviewed")
    until(lambda: not found(gateway, "tag.reviewed:yes"), "a tag that went")
    assert len(gateway.client.get("/syncs", params={"registry": "ml"}).json()) == 1

    client.update_model_version("announced", "1", "MLflow tells nobody of this")
    finished(gateway.engine, ask(gateway.engine, "ml"))
    _, told_of = told("hooks", "list")
    counts = [(one["registry"], one["missed"], one["waiting"]) for one in told_of["hooks"]]
    assert counts == [("hub", 0, 0), ("ml", 1, 0)]
    _, findings = told("doctor")
    [hook] = [one for one in findings if one["what"] == "hook ml"]
    assert (hook["state"], "1 change that nobody announced" in hook["found"]) == ("warn", True)
    page = gateway.client.get(f"{gateway.url}/registries/ml").text
    assert "Runs found 1 change that was not announced" in " ".join(page.split())
    assert problems(gateway.engine) == []

    taken = told_of["hooks"][1]["taken"]
    refused = [sent(gateway, secret="another"), sent(gateway, age=400), sent(gateway, registry="nobody")]
    assert {(one.status_code, one.text) for one in refused} == {(401, refused[0].text)}
    assert sent(gateway).json() == {"reading": 1}
    assert told("hooks", "list")[1]["hooks"][1]["taken"] == taken + 1


def _hub_announces(gateway: Served, hub: Hub, config: tuple[str, ...]) -> None:
    """A Hub is subscribed to, and everything that it announces is found before any run looks for it."""
    assert run(["hooks", "add", "hub", *config]) == 0
    hub.create("acme/heralded")
    until(lambda: gateway.client.get("/models/hub/acme/heralded").is_success, "a repository")
    hub.commit("acme/heralded", {"README.md": b"---\nlicense: mit\n---\n"})
    until(lambda: found(gateway, "heralded license:mit") == ["hub/acme/heralded:main"], "a commit")
    hub.point("acme/heralded", "tags", "v1", "main")
    until(lambda: "hub/acme/heralded:v1" in found(gateway, "heralded"), "a tag")
    hub.point("acme/heralded", "heads", "production", "v1")
    until(lambda: found(gateway, "heralded stage:production") == ["hub/acme/heralded:v1"], "a branch")
    hub.point("acme/heralded", "tags", "v1", None)
    until(lambda: found(gateway, "heralded") == ["hub/acme/heralded:main"], "a tag that went")
    hub.move("acme/heralded", "acme/renamed")
    until(lambda: found(gateway, "registry:hub renamed") == ["hub/acme/renamed:main"], "a rename")
    hub.delete("acme/renamed")
    until(lambda: not found(gateway, "registry:hub renamed"), "a repository that went")
    forged = gateway.client.post(f"{gateway.url}/hooks/hub", json={}, headers={"X-Webhook-Secret": "another"})
    assert forged.status_code == 401
    assert problems(gateway.engine) == []
